"""A person's place in an office or in the fund: stopped for a while, taken up again, or ended for good."""

from contextlib import suppress
from datetime import date, datetime

from database import db
from exchange import audit, calendar, onetime, outbox, permissions, possible, sessions
from exchange.actors import Actor, system
from exchange.errors import Refused, SomeoneWasFaster
from models import Membership


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
    _move(member, Membership.ended_at.is_null(), ended_at=actor.at)
    _shut(actor, member)
    if member.invited_at is not None:
        audit.record(actor, "member.withdrawn", member.uid, member.office, login_id=member.login_id, cause="office")
        outbox.account_changed(actor, member, "利用の依頼の取り下げ")
        return
    facts = {"login_id": member.login_id, "kind": member.kind, "words": sorted(member.words())}
    audit.record(actor, "member.ended", member.uid, member.office, **facts)
    outbox.account_changed(actor, member, "利用の終了")


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
