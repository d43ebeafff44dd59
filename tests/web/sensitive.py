"""Every act that asks for the login password again, as somebody does it who may."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from database import utc_now
from equipment import Installer
from exchange import accounts, contracts, devices, download_keys, handovers, kits
from models import Grant, Membership, User
from tests.exchange.codes import built
from tests.exchange.offices import third_office
from tests.exchange.slots import in_state, slot
from tests.people import Browser, Cast
from tests.stage import printable
from tests.web.test_settings_page import form as settings_form
from tests.web.test_totp import secret_on, shown_by

ACCOUNT = "/admin/account/"
PERSON = {"name": "試験　四郎", "kana": "シケン　シロウ", "mail": "new@abc-shoji.example"}


@dataclass(frozen=True)
class Deed:
    """A sensitive act that succeeds: who does it, where, from which page, and what the form says."""

    name: str
    url: str
    form: dict[str, Any]
    page: str = ACCOUNT


def on_jun(act: str, **form: str) -> Callable[[Cast, Browser], Deed]:
    return lambda cast, _: Deed("taro", f"/admin/users/{cast.member('jun').uid}/{act}", dict(form))


def enrolment(cast: Cast, taro: Browser) -> Deed:
    page = f"{ACCOUNT}totp"
    return Deed("taro", page, {"code": shown_by(secret_on(taro.get(page).text))}, page)


def invitation(cast: Cast, _: Browser) -> Deed:
    user = User.create(name="岡田　光", kana="オカダ　ヒカル", mail="hikaru@sr-office.example")
    Membership.create(user=user, office=cast.xyz, kind="consultant", login_id="srHikaru1", ready_at=utc_now())
    pair = {"contract_number": cast.xyz.contract_number, "login_id": "srHikaru1"}
    return Deed("taro", "/admin/users/link", {**pair, "own_login_id": "", "preset": "all"})


def new_password(cast: Cast, taro: Browser) -> Deed:
    return on_jun("password", seen=accounts.seen(cast.member("jun")))(cast, taro)


def on_abc(act: str, **form: str) -> Callable[[Cast, Browser], Deed]:
    return lambda cast, _: Deed("kiku", f"/admin/contracts/{cast.abc.uid}{act}", {"reason": "変更届による", **form})


def correction(cast: Cast, kiku: Browser) -> Deed:
    columns = {column: getattr(cast.abc, column) for column in contracts.LABELS}
    return on_abc("", **columns | {"address": "東京都1番地", "seen": contracts.seen(cast.abc)})(cast, kiku)


def new_letter(cast: Cast, kiku: Browser) -> Deed:
    return on_abc("/reissue", seen=contracts.reissue_now(cast.abc).before)(cast, kiku)


def handover(cast: Cast, act: str, name: str = "taro") -> Deed:
    """Something done to a 引継ぎ of ABC商事, an emergency one where it is approved."""
    if act == "approval":
        found = handovers.open_emergency(cast.ume, cast.abc, cast.member("jun"), "管理者の退職")
    else:
        found = handovers.nominate(cast.taro, cast.abc, cast.member("jun")).handover
    return Deed(name, f"/admin/handovers/{found.uid}/{act}", {"seen": handovers.reviewed(found)})


def approval(cast: Cast, _: Browser) -> Deed:
    Grant.create(membership=cast.member("ume"), word="register")
    return handover(cast, "approval", "kiku")


def on_slot(cast: Cast, act: str, **form: str) -> Deed:
    return Deed("taro", f"/admin/devices/{cast.abc.uid}/2/{act}", form, "/admin/devices/")


def replaced(cast: Cast, _: Browser) -> Deed:
    devices.replace(cast.taro, slot(cast.abc), "故障")
    return on_slot(cast, "replacement/removal", seen=devices.seen(slot(cast.abc)))


def uploaded_and_fetched(cast: Cast, _: Browser) -> Deed:
    """An installer that the desk uploaded, which makes no confirmation code."""
    installer = built(cast.abc, 2).installer
    Installer.update(key_sealed=None, certificate=None).where(Installer.id == installer.id).execute()
    here = f"/admin/devices/{cast.abc.uid}"
    return Deed("dai", f"/admin/activations/devices/{cast.abc.uid}/2", {"seen": installer.uid}, here)


def everything_that_lacks(cast: Cast, _: Browser) -> Deed:
    """On a server that builds installers, or says so."""
    kits.configure(replace(kits._shop(), makensis="true"))
    in_state(cast.xyz, "vacant")
    return Deed("dai", "/admin/desk/installers", {"q": "XYZ"}, "/admin/desk/")


def jun_succeeds(cast: Cast, **more: str) -> dict[str, str]:
    return {"successor": cast.member("jun").uid, "seen": handovers.seen(cast.abc), "agreed": "y", **more}


def emergency(cast: Cast, _: Browser) -> Deed:
    Grant.create(membership=cast.member("ume"), word="register")
    return Deed("kiku", f"/admin/handovers/office/{cast.abc.uid}", jun_succeeds(cast, reason="管理者の退職"))


DEEDS: dict[str, Callable[[Cast, Browser], Deed]] = {
    "account.change_profile": lambda *_: Deed("taro", f"{ACCOUNT}profile", dict(PERSON)),
    "account.open_totp": lambda *_: Deed("taro", f"{ACCOUNT}totp/opening", {}),
    "account.enrol": enrolment,
    "account.drop_totp": lambda *_: Deed("jun", f"{ACCOUNT}totp/removal", {}),
    "account.renew_codes": lambda *_: Deed("jun", f"{ACCOUNT}recovery-codes", {}),
    "users.add": lambda *_: Deed(
        "taro", "/admin/users/new", {**PERSON, "kind": "staff", "login_id": "abcShiro1", "preset": "all"}
    ),
    "users.link": invitation,
    "users.change_profile": on_jun("profile", **PERSON),
    "users.permit": on_jun("permissions/upload"),
    "users.preset": on_jun("permissions", preset="none"),
    "users.limit": on_jun("limit", ends_on="2099-03-31", before=""),
    "users.reset": new_password,
    "users.drop_totp": on_jun("totp-removal"),
    "users.move": on_jun("suspension"),
    "office.change": lambda *_: Deed(
        "taro", "/admin/office/", {"short_name": "ABC", "was_short_name": "ABC商事", "was_forbidden": ""}
    ),
    "office.renew_key": lambda cast, _: Deed(
        "taro", "/admin/office/download-key", {"seen": download_keys.seen(cast.abc)}
    ),
    "handovers.nominate": lambda cast, _: Deed("taro", "/admin/handovers/", jun_succeeds(cast)),
    "handovers.withdraw": lambda cast, _: handover(cast, "withdrawal"),
    "handovers.open_emergency": emergency,
    "handovers.approve": approval,
    "letters.order": lambda *_: Deed("kiku", "/admin/letters/", {"office": third_office().uid, "token": "of a form"}),
    "letters.pdf": lambda cast, _: Deed("kiku", f"/admin/letters/{printable(cast).uid}/pdf", {}),
    "letters.give_up": lambda cast, _: Deed("kiku", f"/admin/letters/{printable(cast).uid}/removal", {}),
    "documents.open": lambda *_: Deed("kiku", "/admin/documents/new/opening", {}),
    "installers.open": lambda cast, _: Deed("dai", f"/admin/installers/{cast.abc.uid}/opening", {}),
    "activations.by_hand": uploaded_and_fetched,
    "desk.build_missing": everything_that_lacks,
    "devices.stop": lambda cast, _: on_slot(cast, "stop", reason="故障"),
    "devices.replace": lambda cast, _: on_slot(cast, "replacement", reason="故障", seen=devices.seen(slot(cast.abc))),
    "devices.call_off": replaced,
    "settings.change": lambda *_: Deed("kiku", "/admin/settings/", settings_form(notice="六時に止まります")),
    "contracts.correct": correction,
    "contracts.change_devices": on_abc("/devices", device_limit="4", is_agreed="y", seen="3"),
    "contracts.reissue": new_letter,
    "contracts.close": on_abc("/closing", understood="y", seen=contracts.under_way_seen([])),
}
