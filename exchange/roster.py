"""Reading who works where: the people of an office with their permissions and states, and the history of both."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from exchange import credentials, locks
from models import MEMBER_KINDS, AuditEntry, Grant, Membership, Office

# Whatever changes who may do what.
ACTIONS = (
    *("permissions.changed", "staff.added", "member.added", "member.invited", "member.accepted", "member.declined"),
    *("member.withdrawn", "member.disabled", "member.resumed", "member.limited", "member.ended"),
)
HISTORY_LONGEST = 200  # entries on paper; the log has all of them


@dataclass(frozen=True)
class Person:
    """One line of a list of people.

    `state`: active, unissued (of a 管理者 who has no letter yet, or none any more), fresh (has not logged in yet),
    lapsed (and can't any more: the initial password is too old), locked, invited, disabled or ended.
    """

    member: Membership
    words: frozenset[str]
    state: str

    @property
    def is_revealed(self) -> bool:
        """Whether name and address may be shown: not before the person has accepted to work here."""
        return self.member.invited_at is None


def people(office: Office | None, at: datetime) -> list[Person]:
    """Everybody who has or had a place in an office (None: in the fund or at its desk), the admin first."""
    members = sorted(Membership.at(office), key=lambda member: MEMBER_KINDS.index(member.kind))
    words, locked = _words(members), locks.locked(members, at)
    return [
        Person(member, words.get(member.id, frozenset()), _state(member, member.id in locked, at)) for member in members
    ]


def person(member: Membership, at: datetime) -> Person:
    return Person(member, member.words(), _state(member, locks.is_locked(member, at), at))


def states(members: Sequence[Membership], at: datetime) -> list[str]:
    """Of each member what Person.state tells."""
    locked = locks.locked(members, at)
    return [_state(member, member.id in locked, at) for member in members]


def _state(member: Membership, is_locked: bool, at: datetime) -> str:
    if member.state != "active":
        return member.state
    if is_locked:
        return "locked"
    user = member.user
    if not user.is_initial_password:
        return "active"
    if user.password_hash is None and member.kind == "office_admin":
        return "unissued"
    return "lapsed" if credentials.has_lapsed(user.password_set_at, at) else "fresh"


def counts(offices: Iterable[Office]) -> dict[int, int]:
    """Office's id → how many people have a place there now, in one query; offices without people are missing."""
    ids = [office.id for office in offices]
    rows = Membership.select(Membership.office, fn.COUNT(Membership.id)).where(
        Membership.office << ids, Membership.ended_at.is_null()
    )
    return dict(rows.group_by(Membership.office).tuples())


def history(office: Office | None) -> Any:
    """The newest audit entries of an office (None: of the fund) that changed who may do what, newest first."""
    here = (AuditEntry.office == office) if office else AuditEntry.office.is_null()
    found = AuditEntry.with_people().where(here, AuditEntry.action << ACTIONS)
    return found.order_by(AuditEntry.number.desc()).limit(HISTORY_LONGEST)


def _words(members: list[Membership]) -> dict[int, frozenset[str]]:
    found: dict[int, set[str]] = {}
    for grant in Grant.select(Grant.membership, Grant.word).where(Grant.membership << members):
        found.setdefault(grant.membership_id, set()).add(grant.word)
    return {id: frozenset(words) for id, words in found.items()}
