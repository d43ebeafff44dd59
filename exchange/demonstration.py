"""The people and offices of a demonstration: made by the same verbs as any others, their secrets kept beside the
database.
"""

import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from database import db
from exchange import (
    certificates,
    credentials,
    devices,
    fund,
    kits,
    letters,
    onetime,
    people,
    permissions,
    registrations,
    settings,
)
from exchange.actors import Actor
from exchange.errors import Refused
from exchange.permissions import ALL_WORDS, CONSULTANT_WORDS
from exchange.registration_file import RegistrationFile, Row
from models import ADMIN_SLOT, Device, Membership, Office

PASSWORD_LENGTH = 16
VPN_HOST = "vpn.todoke.example"
FUND = ("todoke企業年金基金（デモ）", "業務課 gyoumu@fund.example")
OFFICES = (
    (
        "00101",
        "ABC商事株式会社",
        "ABC商事",
        "甲野　太郎（利用者A）",
        "コウノ　タロウ",
        "taro@abc-shoji.example",
        "abcTaro01",
        3,
    ),
    ("00102", "XYZ工業株式会社", "", "戊田　次郎", "ボタ　ジロウ", "jiro@xyz-kogyo.example", "xyzJiro01", 2),
)
STAFF = (
    ("fund", "kikinKiku", "基金　菊（基金事務局）", "kiku@fund.example", tuple(permissions.FUND_WORDS)),
    ("fund", "kikinUme1", "基金　梅（基金事務局）", "ume@fund.example", ("prepare", "check", "send", "receive")),
    ("desk", "deskDai01", "窓口　大（サービス事務局）", "dai@desk.example", tuple(permissions.DESK_WORDS)),
)


def seed(actor: Actor, file: Path, base_url: str) -> dict[str, Any]:
    """Make the demonstration once; asked again, what was made then. Refused in an installation with other offices."""
    if file.exists() and fund.has_fund():  # without a fund, a crash left the file before the commit
        _make_vpn_server(file.parent)
        return {"base_url": base_url, **json.loads(file.read_text())}
    with db.atomic():
        if Office.select().exists() or fund.has_fund():
            raise Refused("この環境にはすでに基金か事業所が登録されています。デモは空の環境でだけ作成できます。")
        fund.establish_fund(actor, *FUND)
        settings.put("vpn_host", VPN_HOST)
        made = {"offices": _offices(actor), "staff": [_staff(actor, *one) for one in STAFF]}
        _write(file, json.dumps(made, ensure_ascii=False, indent=1))
    _make_vpn_server(file.parent)
    return {"base_url": base_url, **made}


def _make_vpn_server(folder: Path) -> None:
    """The key and certificate of a VPN server that installers can lead to, unless they are there."""
    certificate = folder / kits.SERVER_CERTIFICATE
    if certificate.exists():
        return
    certificate.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_pem, certificate_pem = certificates.server([VPN_HOST])
    _write(certificate.with_suffix(".key"), key_pem)
    _write(certificate, certificate_pem)


def _offices(actor: Actor) -> list[dict[str, Any]]:
    rows = tuple(Row(line, _values(office, actor)) for line, office in enumerate(OFFICES, 2))
    abc, xyz = registrations.register(actor, [RegistrationFile(rows)])
    first, consultant = _settled_office(actor, abc, OFFICES[0][2])
    return [first, _new_office(actor, xyz, consultant)]


def _values(office: tuple[Any, ...], actor: Actor) -> dict[str, Any]:
    number, name, _, person, kana, mail, login_id, limit = office
    return {
        "entered_on": date(actor.at.year, 4, 1).isoformat(),
        "office_number": number,
        "name": person,
        "kana": kana,
        "mail": mail,
        "login_id": login_id,
        "office_name": name,
        "device_limit": limit,
    }


def _settled_office(actor: Actor, office: Office, short_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """An office that has done everything: devices active, first logins over, the guide's three users."""
    for device in office.devices:
        devices.activate(actor, device)
    key = letters.issue_secrets(actor, office).download_key
    archive_password = credentials.suggest_archive_password()
    admin = office.admin
    people.set_up_office(Actor(admin, at=actor.at), short_name, archive_password)
    users = [
        _registered(actor, admin),
        _user(
            actor,
            office,
            "staff",
            "abcJun001",
            "乙川　純（利用者B）",
            "オツカワ　ジュン",
            "jun@abc-shoji.example",
            ALL_WORDS,
        ),
        _user(
            actor,
            office,
            "consultant",
            "srHanako1",
            "丙山　花子（利用者C）",
            "ヘイヤマ　ハナコ",
            "hanako@sr-office.example",
            CONSULTANT_WORDS,
        ),
    ]
    return _office(office, key, archive_password, users), users[2]


def _new_office(actor: Actor, office: Office, consultant: dict[str, Any]) -> dict[str, Any]:
    """An office whose letter has come and whose first PC is active, but nobody has logged in; the consultant works
    for it too.
    """
    devices.activate(actor, office.devices.where(Device.slot == ADMIN_SLOT).get())
    issued = letters.issue_secrets(actor, office)
    admin = office.admin
    known = Membership.get(Membership.login_id == consultant["login_id"])
    contract_number = known.office.contract_number
    joined = people.link(Actor(admin, at=actor.at), contract_number, known.login_id, "srHanako2", CONSULTANT_WORDS)
    people.answer(Actor(known, at=actor.at), joined, accepts=True)
    users = [_entry(admin, issued.initial_password), _entry(joined, consultant["password"])]
    return _office(office, issued.download_key, None, users)


def _user(
    actor: Actor, office: Office, kind: str, login_id: str, name: str, kana: str, mail: str, words: tuple[str, ...]
) -> dict[str, Any]:
    newcomer = people.add_member(actor, office, kind, login_id, name, kana, mail, words)
    return _registered(actor, newcomer.membership)


def _registered(actor: Actor, member: Membership) -> dict[str, Any]:
    """The person after 利用者情報登録(ユーザ), with a password of his own."""
    password = credentials.random_secret(PASSWORD_LENGTH)
    user = member.user
    people.register_user(Actor(member, at=actor.at), user.name, user.kana, user.mail, password)
    return _entry(member, password)


def _staff(actor: Actor, kind: str, login_id: str, name: str, mail: str, words: tuple[str, ...]) -> dict[str, Any]:
    member = people.add_staff(actor, kind, login_id, name, mail, words).membership
    entry, secret = _registered(actor, member), onetime.new_totp_secret()
    # Enrolled with a code of five minutes ago: the one that the authenticator shows now still opens the door.
    earlier = actor.at - timedelta(minutes=5)
    onetime.set_totp(member.user, secret, onetime.totp_now(secret, earlier), earlier)
    return {
        "name": name,
        "login_id": login_id,
        "password": entry["password"],
        "totp_secret": secret,
        "permissions": sorted(member.words()),
    }


def _office(office: Office, key: str, archive_password: str | None, users: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "office_name": office.name,
        "contract_number": office.contract_number,
        "download_key": key,
        "archive_password": archive_password,
        "users": users,
    }


def _entry(member: Membership, password: str) -> dict[str, Any]:
    return {
        "name": member.user.name,
        "login_id": member.login_id,
        "password": password,
        "kind": member.kind,
        "permissions": [word for word in permissions.OFFICE_WORDS if word in member.words()],
        "mail": member.user.mail,
    }


def _write(file: Path, text: str) -> None:
    part = file.with_suffix(".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
    part.rename(file)
