"""Persons and their places: the fund's people, the first registration of an office and its users, confirmed
addresses.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from database import db
from equipment import Handover
from exchange import accounts, archive_passwords, audit, credentials, onetime, outbox, permissions, throttle
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster, TooMany
from models import STAFF_KINDS, ArchivePassword, Device, Membership, Office, User

ADDABLE_KINDS = ("staff", "consultant")  # a 管理者 comes with the registration of the office
OFFICE_COLUMNS = ("short_name", "forbids_self_approval")
UNKNOWN_CONSULTANT = (
    "社労士・税理士として登録された方が見つかりません。"
    "その方がほかの事業所で使っている契約番号とユーザーIDを、ご本人に確かめてください。"
)


@dataclass(frozen=True)
class Newcomer:
    """A new place and the initial password that nobody will show again."""

    membership: Membership
    password: str


def add_staff(actor: Actor, kind: str, login_id: str, name: str, mail: str, words: Sequence[str]) -> Newcomer:
    """One of the fund's people, with an initial password; the first login enrols an authenticator and a password."""
    permissions.require(actor, "staff")
    if kind not in STAFF_KINDS:
        raise TypeError(f"{kind} is not one of the fund's people")
    with db.atomic():
        newcomer = _newcomer(actor, None, kind, login_id, name, "", mail, words)
        user = newcomer.membership.user
        audit.record(actor, "staff.added", user.uid, login_id=login_id, kind=kind, words=sorted(words))
    return newcomer


def add_member(
    actor: Actor, office: Office, kind: str, login_id: str, name: str, kana: str, mail: str, words: Iterable[str]
) -> Newcomer:
    """追加: a user of an office, while it has fewer users than active devices."""
    permissions.require_admin(actor, office)
    if kind not in ADDABLE_KINDS:
        raise TypeError(f"nobody is added as {kind}")
    with db.atomic():
        _require_free(office, login_id)  # first: a form that is sent again says that the person is there
        problem = why_no_addition(office)
        if problem:
            raise Refused(problem)
        newcomer = _newcomer(actor, office, kind, login_id, name, kana, mail, words)
        member = newcomer.membership
        facts = {"login_id": member.login_id, "kind": member.kind, "words": sorted(member.words())}
        audit.record(actor, "member.added", member.uid, office, **facts)
    return newcomer


def add_successor(actor: Actor, office: Office, login_id: str, name: str, kana: str, mail: str) -> Newcomer:
    """Whoever is to become the 管理者 of an office, a 担当者 without words until then. He takes the place of somebody
    who leaves, so the number of devices does not matter. Called by verbs, inside their transaction.
    """
    _require_free(office, login_id)
    newcomer = _newcomer(actor, office, "staff", login_id, name, kana, mail, ())
    audit.record(actor, "member.added", newcomer.membership.uid, office, login_id=login_id, kind="staff", words=[])
    return newcomer


def why_no_addition(office: Office, user: User | None = None) -> str | None:
    """Why the office can't have another user now, or None.

    A consultant (`user`) whose other office has an active device needs none here.
    """
    if user is not None and _at_home_elsewhere(office).where(Membership.user == user).exists():
        return None
    users, devices = _counted_users(office), office.devices.where(Device.state == "active").count()
    if users < devices:
        return None
    return (
        f"利用者は、VPN接続が有効化された端末の台数（いま{devices}台）まで登録できます。いまの利用者は{users}名です"
        "（ほかの事業所の端末を使う社労士・税理士を除きます）。"
        "追加するには、先に次の端末のVPN接続を有効化します。まだ使っていない端末や停止中の端末は、管理者が「端末」の画面の"
        "「次にすること」に沿って進めます。利用台数を増やすときは、基金事務局へご連絡ください。"
    )


def lone_approver(office: Office) -> str | None:
    """What is wrong where nobody may approve his own upload and not enough people can approve, or None."""
    if not office.forbids_self_approval:
        return None
    approvers = list(Membership.holding(office, "approve"))
    if len(approvers) > 1:
        return None
    if not approvers:
        return "「承認」の権限がある方がいないため、届書を承認できません。「承認」の権限を付与してください。"
    return (
        f"本人承認を禁止していて、「承認」の権限がある方が{approvers[0].user.name}さんだけのため、"
        "この方が登録した届書は、だれも承認できません。「承認」の権限を、もう一人に付与してください。"
    )


# ── a consultant of several offices ──


def link(actor: Actor, contract_number: str, login_id: str, own_login_id: str, words: Iterable[str]) -> Membership:
    """Ask a consultant of another office, named by 契約番号 and ユーザーID there, to work for the actor's office too.

    The place counts when the consultant accepts. One answer for whoever can't be asked: the pair tells nothing.
    """
    office = actor.office
    assert office is not None  # the route is for office people
    permissions.require_admin(actor, office)
    if not throttle.hit("link", office.uid, actor.at):
        raise TooMany("1日に行える回数を超えました。契約番号とユーザーIDを確かめ、明日もう一度お試しください。")
    known = Membership.at_door(contract_number, login_id)
    if known is None or known.kind != "consultant" or known.office_id == office.id:
        raise Refused(UNKNOWN_CONSULTANT)
    with db.atomic():
        if Membership.select().where(Membership.user == known.user_id, _is_at(office)).exists():
            raise Refused("この方は、すでにこの事業所の利用者か、承諾を待っているところです。")
        problem = why_no_addition(office, known.user)
        if problem:
            raise Refused(problem)
        member = _place(actor, known.user, office, "consultant", own_login_id, words, invited_at=actor.at)
        audit.record(actor, "member.invited", member.uid, office, login_id=own_login_id, words=sorted(member.words()))
        outbox.invitation(member)
    return member


def answer(actor: Actor, member: Membership, accepts: bool) -> None:
    """承諾 or 断る, by the consultant who was asked."""
    mine = actor.membership
    if mine is None or mine.user_id != member.user_id or not mine.is_active:
        permissions.refuse(actor, "answer", "ご自身あての依頼だけに回答できます。")
    columns = {"invited_at": None, "ready_at": actor.at} if accepts else {"ended_at": actor.at}
    waiting = Membership.invited_at.is_null(False) & Membership.ended_at.is_null()
    with db.atomic():
        if accepts:
            # An address that one office asked for must not outlive the day on which another begins to rely on him.
            accounts.drop_pending_mail(actor, mine)
        if Membership.update(**columns).where(Membership.id == member.id, waiting).execute() != 1:
            raise SomeoneWasFaster("この依頼は、取り下げられたか、すでに回答されています。")
        action = "member.accepted" if accepts else "member.declined"
        audit.record(actor, action, member.uid, member.office, login_id=member.login_id)
        outbox.invitation_answered(member, "accepted" if accepts else "declined")


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


def change_office(actor: Actor, short_name: str, forbids_self_approval: bool, seen: tuple[str, bool]) -> bool:
    """利用者情報修正(事業所): 略称 and 本人承認を禁止; False when nothing changed.

    `seen`: both as the form showed them; SomeoneWasFaster when they have changed since.
    """
    office = actor.office
    assert office is not None  # the route is for office people
    permissions.require_admin(actor, office)
    now = (short_name, forbids_self_approval)
    changed = {key: [old, new] for key, old, new in zip(OFFICE_COLUMNS, seen, now, strict=True) if old != new}
    if not changed:
        return False
    with db.atomic():
        updated = Office.update(short_name=short_name, forbids_self_approval=forbids_self_approval).where(
            Office.id == office.id, Office.short_name == seen[0], Office.forbids_self_approval == seen[1]
        )
        if updated.execute() != 1:
            raise SomeoneWasFaster("事業所の登録は、別の画面ですでに変更されています。画面を開き直してください。")
        audit.record(actor, "office.changed", office.uid, office, changed=changed)
    return True


def register_user(actor: Actor, name: str, kana: str, mail: str, password: str) -> None:
    """利用者情報登録(ユーザ): one's names, address and an own password.

    A changed address waits for its confirmation.
    """
    member = actor.membership
    assert member is not None  # the route is for logged-in people
    user = member.user
    if credentials.is_right(user.password_hash, password):
        raise Refused("初期パスワードと同じものは使えません。新しいログインパスワードを決めてください。")
    problem = accounts.password_problem(member, password, name)
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
        onetime.void(user, "mail")
        if pending:
            changed.append("mail")
            outbox.mail_changed(actor, member)
        audit.record(actor, "user.registered", user.uid, changed=changed)


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
    return Newcomer(_place(actor, user, office, kind, login_id, words), password)


def _place(
    actor: Actor,
    user: User,
    office: Office | None,
    kind: str,
    login_id: str,
    words: Iterable[str],
    invited_at: datetime | None = None,
) -> Membership:
    _require_free(office, login_id)
    member = Membership.create(
        user=user, office=office, kind=kind, login_id=login_id, created_at=actor.at, invited_at=invited_at
    )
    permissions.give(member, words)
    return member


def _require_free(office: Office | None, login_id: str) -> None:
    """Refused for an ID that somebody has or had at this office: the log tells people apart by it."""
    here = (Membership.office == office) if office else Membership.office.is_null()
    has_worked = Membership.ended_at.is_null() | Membership.invited_at.is_null()  # not a wish that came to nothing
    had = Membership.get_or_none(Membership.login_id == login_id, here, has_worked)
    if had is None:
        return
    if had.ended_at is None:
        raise Refused(
            f"ユーザーID {login_id} はすでに使われています。別のユーザーIDにしてください。"
            "いま追加したばかりの方のときは、一覧から初期パスワードを再発行できます。"
        )
    raise Refused(
        f"ユーザーID {login_id} は、以前ここで使われていました。"
        "操作の記録で見分けられるように、別のユーザーIDにしてください。"
    )


def _is_at(office: Office | None) -> Any:
    """The condition of a current place in an office (None: in the fund or at its desk), also of one that waits."""
    return ((Membership.office == office) if office else Membership.office.is_null()) & Membership.ended_at.is_null()


def _at_home_elsewhere(office: Office) -> Any:
    """Places at other offices that have an active device."""
    return (
        Membership.select(Membership.user)
        .join(Device, on=(Device.office == Membership.office))
        .join(Office)
        .where(Membership.office != office, Membership.usable(), Office.closed_at.is_null(), Device.state == "active")
    )


def _counted_users(office: Office) -> int:
    members = Membership.select().where(_is_at(office), Membership.id.not_in(Handover.newcomers()))
    at_home = Membership.user << _at_home_elsewhere(office)
    return members.where((Membership.kind != "consultant") | ~at_home).count()
