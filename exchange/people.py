"""Persons and their places: the fund's people, the first registration of an office and its users, confirmed
addresses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from database import db
from exchange import archive_passwords, audit, credentials, onetime, outbox, permissions, settings, throttle
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from models import STAFF_KINDS, ArchivePassword, Device, Membership, Office, User


@dataclass(frozen=True)
class Newcomer:
    """A new place and the initial password that nobody will show again."""

    membership: Membership
    password: str


def has_fund() -> bool:
    """Whether `flask setup` has been run."""
    return bool(settings.get("fund_name"))


def establish_fund(actor: Actor, fund_name: str, contact: str) -> None:
    """The fund of this installation. Refused when there is one."""
    permissions.require(actor, "staff")
    with db.atomic():
        if has_fund():
            raise Refused("基金はすでに登録されています。")
        settings.put("fund_name", fund_name)
        settings.put("fund_contact", contact)
        audit.record(actor, "fund.established", fund_name=fund_name)


def add_staff(
    actor: Actor, kind: str, login_id: str, name: str, mail: str, words: Sequence[str]
) -> tuple[Newcomer, str]:
    """One of the fund's people with a password and the secret of an authenticator, both returned once."""
    permissions.require(actor, "staff")
    if kind not in STAFF_KINDS:
        raise TypeError(f"{kind} is not one of the fund's people")
    secret = onetime.new_totp_secret()
    with db.atomic():
        newcomer = _newcomer(actor, None, kind, login_id, name, "", mail, words)
        user = newcomer.membership.user
        onetime.set_totp(user, secret)
        # Handed over in person by whoever sets the box up: the fund's people have no mailed first login.
        User.update(is_initial_password=False).where(User.id == user.id).execute()
        Membership.update(ready_at=actor.at).where(Membership.id == newcomer.membership.id).execute()
        audit.record(actor, "staff.added", user.uid, login_id=login_id, kind=kind, words=sorted(words))
    return newcomer, secret


def add_member(
    actor: Actor, office: Office, kind: str, login_id: str, name: str, kana: str, mail: str, words: Iterable[str]
) -> Newcomer:
    """追加: a user of an office, while it has fewer users than active devices.

    Consultants at home elsewhere are not counted.
    """
    permissions.require_admin(actor, office)
    with db.atomic():
        if _counted_users(office) >= office.devices.where(Device.state == "active").count():
            raise Refused(
                "利用者を追加できるのは、有効化された端末の台数までです。先に端末のVPN接続を有効化してください。"
            )
        newcomer = _newcomer(actor, office, kind, login_id, name, kana, mail, words)
        _log_member(actor, newcomer.membership)
    return newcomer


def join(actor: Actor, user: User, office: Office, kind: str, login_id: str, words: Iterable[str]) -> Membership:
    """A person who is already known takes a place in another office."""
    permissions.require_admin(actor, office)
    with db.atomic():
        member = Membership.create(user=user, office=office, kind=kind, login_id=login_id, created_at=actor.at)
        member.ready_at = None if user.is_initial_password else actor.at
        member.save(only=[Membership.ready_at])
        permissions.give(member, words)
        _log_member(actor, member)
    return member


def needs_office_setup(member: Membership) -> bool:
    """Whether 利用者情報登録(事業所) is still to be done, by the admin."""
    return member.office is not None and member.office.current_archive_password() is None


def needs_registration(member: Membership) -> bool:
    """Whether the person still has to do 利用者情報登録(ユーザ)."""
    return member.user.is_initial_password


def set_up_office(actor: Actor, short_name: str, archive_password: str) -> None:
    """利用者情報登録(事業所): 略称 and the 圧縮パスワード, which the office can never change."""
    office = actor.office
    if actor.membership is None or actor.membership.kind != "office_admin" or office is None:
        raise Refused("事業所の登録は管理者だけができます。")
    problem = credentials.archive_password_problem(archive_password)
    if problem:
        raise Refused(problem)
    with db.atomic():
        if ArchivePassword.select().where(ArchivePassword.office == office).exists():
            raise SomeoneWasFaster("圧縮パスワードはすでに登録されています。後から変更することはできません。")
        archive_passwords.keep(actor, office, archive_password, version=1)
        Office.update(short_name=short_name).where(Office.id == office.id).execute()
        audit.record(actor, "office.set_up", office.uid, office, short_name=short_name, archive_password_version=1)
    office.short_name = short_name


def register_user(actor: Actor, name: str, kana: str, mail: str, password: str) -> None:
    """利用者情報登録(ユーザ): one's names, address and an own password.

    A changed address waits for its confirmation.
    """
    member = actor.membership
    assert member is not None  # the route is for logged-in people
    user = member.user
    if credentials.is_right(user.password_hash, password):
        raise Refused("初期パスワードと同じものは使えません。新しいログインパスワードを決めてください。")
    problem = password_problem(member, password, name)
    if problem:
        raise Refused(problem)
    changed = [what for what, now in (("name", name), ("kana", kana)) if getattr(user, what) != now]
    pending = mail if mail != user.mail else None
    with db.atomic():
        registered = User.update(
            name=name,
            kana=kana,
            pending_mail=pending,
            password_hash=credentials.hash_secret(password),
            password_set_at=actor.at,
            is_initial_password=False,
        ).where(User.id == user.id, User.is_initial_password)
        if registered.execute() != 1:
            raise SomeoneWasFaster("登録はすでに終わっています。")
        Membership.update(ready_at=actor.at).where(Membership.user == user, Membership.ready_at.is_null()).execute()
        if pending:
            changed.append("mail")
            outbox.mail_changed(user)
        audit.record(actor, "user.registered", user.uid, changed=changed)


def password_problem(member: Membership, password: str, name: str) -> str | None:
    """Why this member can't take that login password, or None."""
    office = member.office
    known = [member.login_id, name, "".join(name.split()), *name.split()]
    known += [settings.get("service_name"), settings.get("fund_name"), "todoke"]
    if office is not None:
        known += [office.contract_number, office.contract_number.replace("-", ""), office.name, office.short_name]
    return credentials.password_problem(password, settings.get("password_length"), known)


def confirm_mail(actor: Actor, typed: str) -> None:
    """The code that reached the new address puts it in force."""
    member = actor.membership
    assert member is not None  # the route is for logged-in people
    if not throttle.hit("mail_code", member.uid, actor.at):
        raise TooMany("確認コードの入力が続けて間違っています。30分ほど待ってからお試しください。")
    if not onetime.is_accepted(actor, member, typed, "", purpose="mail"):
        raise Refused(
            "確認コードが正しくないか、有効時間を過ぎています。次回のログイン時に届くコードでもお試しいただけます。"
        )
    throttle.clear("mail_code", member.uid)
    with db.atomic():
        user = User.get_by_id(member.user_id)
        if user.pending_mail is None:
            raise SomeoneWasFaster("メールアドレスの確認はすでに終わっています。")
        User.update(mail=user.pending_mail, pending_mail=None).where(
            User.id == user.id, User.pending_mail == user.pending_mail
        ).execute()
        audit.record(actor, "mail.confirmed", user.uid)


def _newcomer(
    actor: Actor,
    office: Office | None,
    kind: str,
    login_id: str,
    name: str,
    kana: str,
    mail: str,
    words: Iterable[str],
) -> Newcomer:
    password = credentials.random_secret(credentials.INITIAL_PASSWORD_LENGTH)
    user = User.create(
        name=name,
        kana=kana,
        mail=mail,
        password_hash=credentials.hash_secret(password),
        password_set_at=actor.at,
        created_at=actor.at,
    )
    member = Membership.create(user=user, office=office, kind=kind, login_id=login_id, created_at=actor.at)
    permissions.give(member, words)
    return Newcomer(member, password)


def _log_member(actor: Actor, member: Membership) -> None:
    facts = {"login_id": member.login_id, "kind": member.kind, "words": sorted(member.words())}
    audit.record(actor, "member.added", member.uid, member.office, **facts)


def _counted_users(office: Office) -> int:
    elsewhere = (
        Membership.select(Membership.user)
        .join(Device, on=(Device.office == Membership.office))
        .where(Membership.office != office, Membership.ended_at.is_null(), Device.state == "active")
    )
    members = Membership.select().where(Membership.office == office, Membership.ended_at.is_null())
    return members.where((Membership.kind != "consultant") | Membership.user.not_in(elsewhere)).count()
