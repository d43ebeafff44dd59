"""引継ぎ: an office's 管理者 gives way to another person of the office; there is never a second one, and never none.

A planned one is asked for by the 管理者 and done when the successor's PC is activated in slot 1. An emergency one, of
an office whose 管理者 has gone, is asked for by one of the fund's people and done when another approves.
"""

from dataclasses import dataclass
from typing import Any

from database import db
from equipment import Handover, Installer
from exchange import (
    accounts,
    audit,
    devices,
    letter_paper,
    letters,
    marks,
    outbox,
    people,
    permissions,
    places,
    reasons,
)
from exchange.actors import Actor
from exchange.errors import Refused, SomeoneWasFaster
from models import ADMIN_SLOT, Device, Membership, Office, User

RENEWED = "管理者の引継ぎ"
URGENT = "緊急の管理者の交代"

OPEN_ALREADY = "この事業所では、すでに引継ぎの手続き中です。先にその引継ぎを終えるか、取り下げてください。"
MOVED_ON = "管理者か後任の方の登録が、画面を開いたあとに変わっています。画面を開き直して確かめてください。"
NOT_STAFF = "後任には、この事業所の担当者を選んでください。社労士・税理士は、管理者になることができません。"
NOT_ACTIVE = "この方は、いま利用できる状態ではないため、後任にできません。利用を再開するか、ほかの方を選んでください。"
NOT_COME = (
    "この方は、まだ一度もログインしていないため、後任にできません。"
    "はじめてのログインと登録が終わってから、もう一度指名してください。"
)
PLANNED = "この引継ぎは、管理者が手続きしているものです。承認は要りません。"
SAME_PERSON = "手続きを始めた方は承認できません。「登録」の権限を持つほかの職員が、確かめて承認します。"
REVIEWED_BEFORE = (
    "後任の方の登録が、画面を開いたあとに変わっています。画面を開き直し、"
    "氏名・ユーザーID・メールアドレスをもう一度確かめてから承認してください。"
)
NO_APPROVER = (
    "承認できる職員がいません。手続きには、「登録」の権限を持つ職員が二人要ります。"
    "先に「職員の管理」で、ほかの職員に「登録」の権限を付与してください。"
)
UNFIT = "後任の方が、いま管理者になれない状態です（利用の停止・終了など）。取り下げて、手続きをやり直してください。"
UNFIT_PLANNED = (
    "管理者の後任に指名された方が、いま管理者になれない状態です（利用の停止など）。管理者は、後任の方の利用を再開するか、"
    "引継ぎを取り下げてください。管理者といまのPCは、そのままです。"
)


@dataclass(frozen=True)
class NewPerson:
    """A successor who has no place in the office yet, as typed."""

    login_id: str
    name: str
    kana: str
    mail: str


@dataclass(frozen=True)
class Nomination:
    """`newcomer`: with the initial password of a new person, which nobody will show again."""

    handover: Handover
    newcomer: people.Newcomer | None


# ── questions ──


def candidates(office: Office) -> list[Membership]:
    """Who could take over at once: the office's own people who can log in with a password of their own."""
    found = office.members().where(Membership.kind == "staff", Membership.usable(), ~User.is_initial_password)
    return [member for member in found if Handover.open_for(member) is None]


def listed() -> Any:
    """All of them with their offices and people, those that are open first, then the newest."""
    is_over = Handover.state != "open"
    return _with_people().order_by(is_over, Handover.id.desc())


def of_office(office: Office) -> list[Handover]:
    """The newest first."""
    return list(_with_people().where(Handover.office == office).order_by(Handover.id.desc()))


def _with_people() -> Any:
    """Joined, so that a long list takes no query for each line."""
    found = Handover.select(Handover, Office).join(Office)
    for side in (Handover.predecessor, Handover.successor):
        member, user = Membership.alias(), User.alias()
        found = found.select_extend(member, user).switch(Handover).join(member, on=(side == member.id), attr=side.name)
        found = found.join(user, on=(member.user == user.id), attr="user")
    return found


def waiting_for(member: Membership) -> Any:
    """Emergency ones that this clerk could approve."""
    is_mine = Handover.asked_by << Membership.select(Membership.id).where(Membership.user == member.user_id)
    return Handover.select().where(Handover.state == "open", Handover.kind == "emergency", ~is_mine)


def seen(office: Office) -> str:
    """What the form about a successor carries: changes with the 管理者 and with every 引継ぎ."""
    admin = office.admin
    newest = Handover.select().where(Handover.office == office).order_by(Handover.id.desc()).first()
    return marks.of(admin and admin.uid, newest and newest.uid, newest and newest.state)


def reviewed(handover: Handover) -> str:
    """What the form of the 承認 carries: changes with the account that is to be the 管理者's, and with whose it was."""
    member = Membership.get_by_id(handover.successor_id)
    user = member.user
    return marks.of(handover.predecessor.uid, member.login_id, user.name, user.kana, user.mail, user.pending_mail)


def approvers(asked_by: Membership) -> list[Membership]:
    """Who can approve an emergency one that this clerk asks for, or has asked for."""
    return list(Membership.holding(None, "register").where(Membership.user != asked_by.user_id))


def open_to(member: Membership, held: frozenset[str]) -> list[Handover]:
    """The open ones that concern this person, the oldest first: of the own office for its 管理者 and for whoever is to
    succeed; for the fund's people who register or look after PCs, of every office (of planned ones alone, at the desk).
    """
    found = Handover.select(Handover, Office).join(Office).where(Handover.state == "open").order_by(Handover.id)
    if member.kind == "office_admin":
        return list(found.where(Handover.office == member.office_id))
    if not member.is_staff:
        return list(found.where(Handover.successor == member, Handover.kind == "planned"))
    if "register" in held:
        return list(found)
    return list(found.where(Handover.kind == "planned")) if held & {"activate", "devices"} else []


def before_approval() -> Any:
    """Ids of the places that wait for the 承認 of an emergency one, and for the letter that follows it."""
    return Handover.newcomers().where(Handover.kind == "emergency")


def why_no_approval(actor: Actor, handover: Handover) -> str | None:
    """Why this clerk can't approve it, or None."""
    if handover.is_planned:
        return PLANNED
    mine = actor.membership
    if mine is not None and mine.user_id == handover.asked_by.user_id:
        return SAME_PERSON
    return None if _is_fit(Membership.get_by_id(handover.successor_id)) else UNFIT


def why_not_yet(device: Device, installer: Installer) -> str | None:
    """Why no PC that was set up with this installer may take the 管理者's place in a slot now, or None."""
    handover = planned_with(device, installer)
    fits = handover is None or _is_fit(Membership.get_by_id(handover.successor_id))
    return None if fits else UNFIT_PLANNED


def planned_with(device: Device, installer: Installer) -> Handover | None:
    """The planned one that is done when this installer's PC is activated: it was made after the nomination."""
    handover = Handover.open_at(device.office) if device.is_admins else None
    is_meant = handover is not None and handover.is_planned and installer.uploaded_at >= handover.asked_at
    return handover if is_meant else None


def _is_fit(member: Membership) -> bool:
    return member.kind == "staff" and member.is_active


# ── asking ──


def nominate(actor: Actor, office: Office, successor: Membership | NewPerson, before: str | None = None) -> Nomination:
    """指名, by the 管理者: a new installer for slot 1 is ordered; until it is activated everything stays as it is.

    `before`: `seen` when the form was shown; SomeoneWasFaster when something has changed since.
    """
    permissions.require_admin(actor, office)
    with db.atomic():
        nomination = _open(actor, office, "planned", successor, "", before)
        device = Device.in_slot(office, ADMIN_SLOT)
        assert device is not None  # no office has fewer than one slot
        devices.give_way(actor, device, RENEWED)
    return nomination


def open_emergency(
    actor: Actor, office: Office, successor: Membership | NewPerson, reason: str, before: str | None = None
) -> Handover:
    """Of an office whose 管理者 has gone, by the fund: nothing changes until another clerk approves.

    A new person gets his password with the letter that the approval orders.
    """
    permissions.require(actor, "register")
    reason = reasons.given(reason)
    with db.atomic():
        return _open(actor, office, "emergency", successor, reason, before).handover


def _open(
    actor: Actor, office: Office, kind: str, successor: Membership | NewPerson, reason: str, before: str | None
) -> Nomination:
    now = Office.get_by_id(office.id)
    if now.is_closed:
        raise SomeoneWasFaster(devices.CLOSED)
    if Handover.open_at(now) is not None:
        raise SomeoneWasFaster(OPEN_ALREADY)
    predecessor = now.admin
    if predecessor is None or before not in (None, seen(now)):
        raise SomeoneWasFaster(MOVED_ON)
    if kind == "emergency" and actor.membership is not None and not approvers(actor.membership):
        raise Refused(NO_APPROVER)
    newcomer = None
    if isinstance(successor, NewPerson):
        typed = (successor.login_id, successor.name, successor.kana, successor.mail)
        newcomer = people.add_successor(actor, now, *typed)
        member = newcomer.membership
    else:
        member = _candidate(now, successor)
    handover = Handover.create(
        office=now,
        kind=kind,
        predecessor=predecessor,
        successor=member,
        is_newcomer=newcomer is not None,
        reason=reason,
        asked_by=actor.membership,
        asked_at=actor.at,
    )
    facts = {**_ids(handover), "reason": reason}
    audit.record(actor, "handover.asked", handover.uid, now, **facts)
    outbox.handover_asked(handover)
    return Nomination(handover, newcomer)


def _candidate(office: Office, member: Membership) -> Membership:
    now = Membership.by_uid(member.uid)
    if now is None or now.office_id != office.id or now.kind != "staff":
        raise Refused(NOT_STAFF)
    if not now.is_active:
        raise Refused(NOT_ACTIVE)
    if now.user.is_initial_password:
        raise Refused(NOT_COME)
    return now


def _ids(handover: Handover) -> dict[str, str]:
    sides = {"predecessor": handover.predecessor.login_id, "successor": handover.successor.login_id}
    return {"kind": handover.kind, **sides}


# ── the end: taken back, or done ──


def withdraw(actor: Actor, handover: Handover) -> None:
    """取り下げ: of a planned one by the 管理者 or the fund, of an emergency one by the fund."""
    if handover.is_planned and actor.office is not None:
        permissions.require_admin(actor, handover.office)
    else:
        permissions.require(actor, "register")
    with db.atomic():
        places.drop_nomination(actor, handover)


def complete(actor: Actor, device: Device) -> None:
    """A PC was activated in a slot: if it is the successor's, he is the 管理者 from now on. Called by activations,
    where `why_not_yet` has nothing to say, inside their transaction.
    """
    bound = Installer.bound().where(Installer.device == device).first()
    handover = planned_with(device, bound) if bound is not None else None
    if handover is not None:
        _switch(actor, handover)


def approve(actor: Actor, handover: Handover, before: str | None = None) -> None:
    """承認 of an emergency one, by another clerk: the 管理者's place and PC are shut, the successor has his place, and
    a letter with a new download key and initial password is on its way to him.

    `before`: `reviewed` when the form was shown; SomeoneWasFaster when the account has changed since. Unusable when
    this machine can't make a PDF.
    """
    permissions.require(actor, "register")
    letter_paper.require_press()  # which may take seconds: nobody else's writing waits for it
    with db.atomic():
        now = Handover.get_by_id(handover.id)
        if now.state != "open" or now.office.is_closed:
            raise SomeoneWasFaster(places.HANDOVER_OVER)
        problem = why_no_approval(actor, now)
        if problem:
            raise Refused(problem)
        if before not in (None, reviewed(now)):
            raise SomeoneWasFaster(REVIEWED_BEFORE)
        audit.record(actor, "handover.approved", now.uid, now.office, successor=now.successor.login_id)
        _stop_pc(actor, now)
        _switch(actor, now)
        _write_to(actor, now)


def _stop_pc(actor: Actor, handover: Handover) -> None:
    device = Device.in_slot(handover.office, ADMIN_SLOT)
    assert device is not None  # as in nominate
    if device.state in devices.IN_HAND:
        devices.halt(actor, device, URGENT)
    devices.give_way(actor, Device.get_by_id(device.id), URGENT)


def _write_to(actor: Actor, handover: Handover) -> None:
    """A letter for the new 管理者. Whatever opened his account until now opens it no more: the letter brings another
    password, also to whom one was made for only now.
    """
    office, member = handover.office, Membership.by_uid(handover.successor.uid)
    assert member is not None  # he has just become the 管理者
    accounts.reset_password(actor, member, accounts.seen(member))  # nobody learns this one
    if member.user.has_totp:
        accounts.drop_totp(actor, member)
    reason = f"{URGENT}：{handover.reason}"
    batch = letters.order(actor, [office], {office.id: reason})
    Handover.update(letters=batch).where(Handover.id == handover.id).execute()
    audit.record(actor, "letter.reissued", office.uid, office, login_id=member.login_id, reason=reason)


def _switch(actor: Actor, handover: Handover) -> None:
    """One goes and the other comes, or nothing happens."""
    approved_by = None if handover.is_planned else actor.membership
    done = Handover.update(state="done", ended_at=actor.at, approved_by=approved_by).where(
        Handover.id == handover.id, Handover.state == "open"
    )
    if done.execute() != 1:
        raise SomeoneWasFaster(places.HANDOVER_OVER)
    predecessor, successor = (
        Membership.get_by_id(handover.predecessor_id),
        Membership.get_by_id(handover.successor_id),
    )
    places.close(actor, predecessor)
    letters.void(actor, handover.office)  # whose key he knows
    _promote(actor, successor)
    audit.record(actor, "handover.done", handover.uid, handover.office, **_ids(handover))
    outbox.handover_done(handover)


def _promote(actor: Actor, member: Membership) -> None:
    promoted = Membership.update(kind="office_admin", ends_on=None).where(
        Membership.id == member.id, Membership.kind == "staff", Membership.usable()
    )
    if promoted.execute() != 1:
        raise SomeoneWasFaster(UNFIT)
    accounts.drop_pending_mail(actor, member)  # his predecessor may have asked for it
    before, uid, office = member.words(), member.uid, member.office
    facts: dict[str, Any] = {"login_id": member.login_id}
    if member.ends_on is not None:
        last = f"{member.ends_on:%Y/%m/%d}"
        audit.record(actor, "member.limited", uid, office, **facts, before=last, after="")
    permissions.give(Membership.get_by_id(member.id), permissions.ALL_WORDS)
    if before != frozenset(permissions.ALL_WORDS):
        after = sorted(permissions.ALL_WORDS)
        audit.record(actor, "permissions.changed", uid, office, **facts, before=sorted(before), after=after)
