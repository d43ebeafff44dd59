"""A person's place in an office or in the fund: stopped for a while, taken up again, or ended for good."""

from contextlib import suppress
from datetime import date, datetime

from database import db
from equipment import Handover
from exchange import audit, calendar, devices, onetime, outbox, permissions, possible, sessions
from exchange.actors import Actor, system
from exchange.errors import Refused, SomeoneWasFaster
from models import ADMIN_SLOT, Device, Membership

HANDOVER_OVER = "この引継ぎは、すでに終わっているか、取り下げられています。画面を更新して確かめてください。"


def suspend(actor: Actor, member: Membership) -> None:
    """利用停止: sessions and codes of this place are dead at once; what it may do is kept for later."""
    possible.require(actor, "suspend", member)
    with db.atomic():
        possible.require_still(actor, "suspend", member)
        _move(member, Membership.usable(), disabled_at=actor.at)
        _shut(actor, member)
        audit.record(actor, "member.disabled", member.uid, member.office, login_id=member.login_id)
        outbox.account_changed(actor, member, "利用の停止")


def resume(actor: Actor, member: Membership) -> None:
    """利用再開."""
    permissions.require_act(actor, "suspend", member)
    with db.atomic():
        _move(member, Membership.disabled_at.is_null(False) & Membership.ended_at.is_null(), disabled_at=None)
        audit.record(actor, "member.resumed", member.uid, member.office, login_id=member.login_id)
        outbox.account_changed(actor, member, "利用の再開")


def end(actor: Actor, member: Membership) -> None:
    """利用の終了: nobody comes back to this place; what was done there stays on record."""
    possible.require(actor, "end", member)
    with db.atomic():
        possible.require_still(actor, "end", member)
        _finish(actor, member)


def _finish(actor: Actor, member: Membership) -> None:
    if member.invited_at is not None:
        _move(member, Membership.ended_at.is_null(), ended_at=actor.at)
        _shut(actor, member)
        audit.record(actor, "member.withdrawn", member.uid, member.office, login_id=member.login_id, cause="office")
        outbox.account_changed(actor, member, "利用の依頼の取り下げ")
        return
    close(actor, member)
    outbox.account_changed(actor, member, "利用の終了")
    nomination = Handover.open_for(member)
    if nomination is not None:
        drop_nomination(actor, nomination, "ended")


def close(actor: Actor, member: Membership) -> None:
    """The place is over: its sessions and codes are dead. Called by verbs, inside their transaction; they tell the
    person.
    """
    _move(member, Membership.ended_at.is_null(), ended_at=actor.at)
    _shut(actor, member)
    facts = {"login_id": member.login_id, "kind": member.kind, "words": sorted(member.words())}
    audit.record(actor, "member.ended", member.uid, member.office, **facts)


def drop_nomination(actor: Actor, handover: Handover, why: str = "withdrawn") -> None:
    """A 引継ぎ comes to nothing, and with it the place that was made for it. Called by verbs, inside their transaction.

    `why`: withdrawn; ended, with the successor's place; closed, with the contract.
    What the successor has been given for a planned one opens nothing: the PC in the slot stays or, where none is at
    work, another installer takes its place.
    """
    dropped = Handover.update(state="withdrawn", ended_at=actor.at).where(
        Handover.id == handover.id, Handover.state == "open"
    )
    if dropped.execute() != 1:
        raise SomeoneWasFaster(HANDOVER_OVER)
    successor = Membership.get_by_id(handover.successor_id)
    if handover.is_newcomer and successor.ended_at is None:
        close(actor, successor)
    audit.record(actor, "handover.withdrawn", handover.uid, handover.office, successor=successor.login_id, why=why)
    if why == "closed":
        return
    outbox.handover_withdrawn(handover)
    device = Device.in_slot(handover.office, ADMIN_SLOT)
    if not handover.is_planned or device is None:
        return
    if device.state == "active":
        devices.keep(actor, device)
    else:
        devices.give_way(actor, device, "管理者の引継ぎの取り下げ")


def limit(actor: Actor, member: Membership, ends_on: date | None, before: date | None) -> bool:
    """利用期限: the last day of the place, or none; False when it was so already.

    `before`: as the form showed it. Refused for a day that is over, and for whoever can't be ended.
    """
    possible.require(actor, "end", member)
    if member.is_staff:
        raise Refused("職員には利用期限を付けられません。終える日に「利用の終了」を行ってください。")
    if ends_on is not None and ends_on < calendar.day(actor.at):
        raise Refused(
            "利用期限には、今日か、今日より後の日を入力してください。すぐに終えるときは「利用の終了」を使います。"
        )
    if ends_on == before:
        return False
    was = Membership.ends_on.is_null() if before is None else Membership.ends_on == before
    with db.atomic():
        possible.require_still(actor, "end", member)
        _move(member, Membership.ended_at.is_null() & was, ends_on=ends_on)
        facts = {"login_id": member.login_id, "before": _as_text(before), "after": _as_text(ends_on)}
        audit.record(actor, "member.limited", member.uid, member.office, **facts)
        outbox.account_changed(actor, member, f"利用期限の変更（{_as_text(ends_on) or '期限なし'}）")
    return True


def end_over(at: datetime) -> None:
    """The worker ends the places whose last day is over; nobody could use them since midnight."""
    over = Membership.select().where(Membership.ends_on < calendar.day(at), Membership.ended_at.is_null())
    for member in over:
        with suppress(SomeoneWasFaster), db.atomic():
            _finish(system(at), member)


def _as_text(day: date | None) -> str:
    return f"{day:%Y/%m/%d}" if day else ""


def _move(member: Membership, before: object, **columns: object) -> None:
    if Membership.update(**columns).where(Membership.id == member.id, before).execute() != 1:
        raise SomeoneWasFaster("この方の状態は、別の画面ですでに変更されています。画面を更新して確かめてください。")


def _shut(actor: Actor, member: Membership) -> None:
    sessions.end_at(actor, member)
    onetime.void_at(member)
