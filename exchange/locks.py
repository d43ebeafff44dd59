"""Who is kept out by wrong tries at the moment, and how the lock is taken away before its time."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from database import db
from exchange import audit, outbox, possible, throttle
from exchange.actors import Actor
from exchange.errors import SomeoneWasFaster, TooMany
from models import AuditEntry, Membership, User

FAILURES = ("login.refused", "login.locked", "code.refused")
Key = tuple[str, str]  # (limit, whose tries)


def locked(members: Sequence[Membership], at: datetime) -> set[int]:
    """Ids of the members whom wrong tries keep out, at their places; two queries for any number of them."""
    addresses = _tried_from([member.user for member in members], at)
    keys = {member.id: _keys(member, addresses.get(member.user.uid, ())) for member in members}
    spent = throttle.spent({key for some in keys.values() for key in some}, at)
    return {id for id, some in keys.items() if spent.intersection(some)}


def is_locked(member: Membership, at: datetime) -> bool:
    return member.id in locked([member], at)


def unlock(actor: Actor, member: Membership) -> None:
    """ログイン停止の解除: forget wrong tries and used-up wishes for codes."""
    possible.require(actor, "unlock", member)
    if not is_locked(member, actor.at):
        raise SomeoneWasFaster("ログインの停止は、すでに解除されているか、時間がたって終わっています。")
    if not throttle.hit("unlock", member.user.uid, actor.at):
        raise TooMany("この方のログイン停止の解除は、1日に5回までです。時間をおいてからお試しください。")
    with db.atomic():
        forget(member, actor.at)
        audit.record(actor, "member.unlocked", member.uid, member.office, login_id=member.login_id)
        outbox.account_changed(actor, member, "ログイン停止の解除")


def forget(member: Membership, at: datetime) -> None:
    """Forget what counts against a member at his place; called by verbs, inside their transaction."""
    addresses = _tried_from([member.user], at).get(member.user.uid, ())
    for kind, whose in _keys(member, addresses):
        throttle.clear(kind, whose)
    throttle.clear("mail_code", member.user.uid)
    if member.office is not None:
        for kind in ("code_again", "code_quarter"):
            throttle.clear(kind, _pair(member))


def _pair(member: Membership) -> str:
    """契約番号 and ユーザーID, as wishes for codes are counted."""
    return f"{member.office.contract_number}/{member.login_id}"


def _keys(member: Membership, addresses: Iterable[str]) -> list[Key]:
    """Under which limits a member's tries are counted. Those by network are found by where tries came from."""
    if member.office_id is None:
        return throttle.keys_here("staff", member.login_id, addresses)
    own = [("password", member.user.uid), ("code_failures", str(member.id)), ("code_day", _pair(member))]
    return own + throttle.keys_here("totp", member.uid, addresses)


def _tried_from(users: Sequence[User], at: datetime) -> dict[str, set[str]]:
    """Person's uid → the addresses from which he, or somebody else in his name, has failed lately."""
    failed = AuditEntry.select(AuditEntry.subject, AuditEntry.address).where(
        AuditEntry.subject << [user.uid for user in users],
        AuditEntry.action << FAILURES,
        AuditEntry.at > at - throttle.LONGEST_LOCK,
    )
    found: dict[str, set[str]] = {}
    for entry in failed.distinct():
        found.setdefault(entry.subject, set()).add(entry.address)
    return found
