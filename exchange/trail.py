"""Reading the audit: who may see which entry, what somebody looks for, and all of it to take away."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from peewee import JOIN, SQL, fn

from database import db
from exchange import audit, calendar, normalise, permissions
from exchange.actors import Actor
from exchange.errors import Refused
from models import FILING, STATEMENT, AuditEntry, Device, Membership, Office, Transfer, User

EXPORT_LARGEST = 100_000  # entries of one file
BATCH = 1000  # entries read at once while a file is sent
SENT_WHOLE = "transfer.sent_whole"

# Of what the fund does with a statement an office sees what belongs to its delivery; all else about it happens on the
# fund's own desk, where a statement that is never delivered leaves no sign to the office.
OF_A_DELIVERY = ("statement.delivered", "statement.recalled", "statement.window_closed")
OF_A_PICKUP = ("statement.requested", "statement.received")  # done by the office itself

NOTHING: Any = SQL("0")
EVERYTHING: Any = SQL("1")


def _of(*first_words: str) -> tuple[str, ...]:
    return tuple(action for action in audit.ACTIONS if action.partition(".")[0] in first_words)


FUNDS_OWN = tuple(name for name in _of("statement") if name not in (*OF_A_DELIVERY, *OF_A_PICKUP))

# What a list can be narrowed to. Both directions of documents end with the same action.
GROUPS: dict[str, tuple[str, ...]] = {
    "login": (*_of("code", "login", "logout"), "office.switched"),
    "people": _of(
        *("permission", "permissions", "member", "staff", "user", "mail", "password", "totp", "recovery_codes")
    ),
    FILING: (*_of("filing"), SENT_WHOLE),
    STATEMENT: (*_of("statement"), SENT_WHOLE),
    "device": _of("device", "vpn", "handover", "activate"),
    "onboarding": (
        *_of("registrations", "registration", "letters", "letter"),
        *_of("download", "download_key", "document", "installer"),
    ),
    "setup": tuple(action for action in _of("fund", "settings", "office") if action != "office.switched"),
    "audit": _of("audit"),
}


@dataclass(frozen=True)
class Filters:
    """What somebody looks for; empty means any.

    `q`: a part of the name or login ID that the list shows; `member`: uid of a person's place, for what that person
    did and what was done about him; `office`: a part of its number, name or contract, asked by the fund's side only;
    `action`: a key of GROUPS or one action; `since` and `until`: days in Japan, both included.
    """

    q: str = ""
    member: str = ""
    office: str = ""
    action: str = ""
    since: date | None = None
    until: date | None = None

    def facts(self) -> dict[str, str]:
        """What is asked for, as the audit keeps it; a person by login ID."""
        member = Membership.by_uid(self.member) if self.member else None
        asked = {"q": self.q, "member": member.login_id if member else self.member, "office": self.office}
        asked |= {"action": self.action, "since": self.since, "until": self.until}
        return {name: str(value) for name, value in asked.items() if value}


Row = tuple[AuditEntry, Transfer | None]


def search(viewer: Membership, filters: Filters, skip: int = 0, size: int | None = None) -> list[AuditEntry]:
    """The entries this person may see and asks for, newest first, with all that a row shows; a page of them."""
    return _page(_condition(viewer, filters), size, skip)


def count(viewer: Membership, filters: Filters) -> int:
    return AuditEntry.select().where(_condition(viewer, filters)).count()


def with_documents(viewer: Membership, entries: Iterable[AuditEntry]) -> list[Row]:
    """Each entry with the document it is about, found in one query.

    An office reads of a document only what it may know of. The fund's people read every receipt number; `is_known`
    tells whether the person may open it.
    """
    entries = list(entries)
    of_documents = _of("filing", "statement", "transfer")
    subjects = list({entry.subject for entry in entries if entry.action in of_documents})
    columns = (Transfer.uid, Transfer.receipt_number, Transfer.direction, Transfer.known_at(viewer).alias("is_known"))
    found = Transfer.select(*columns).where(Transfer.uid << subjects)
    documents = {row.uid: row for row in (found if subjects else ()) if row.is_known or viewer.is_staff}
    return [(entry, documents.get(entry.subject)) for entry in entries]


def facts(entry: AuditEntry, viewer: Membership) -> dict[str, Any]:
    """An entry's facts, as far as this person may read them: the desk never what a document says, an office never
    which PC of another one it was.
    """
    told = entry.details
    if not viewer.is_staff:
        told.pop("device", None)  # of a login that came from it
    if viewer.kind == "desk":
        told.pop("reason", None)  # of 差戻し or 不受理, in which people quote the document
    return told


def export(actor: Actor, filters: Filters) -> Iterator[Row]:
    """All of it, newest first, to be taken away; logged before the first row is read.

    Forbidden for whoever may not read the audit; Refused when there are more than EXPORT_LARGEST entries.
    """
    viewer = actor.membership
    if viewer is not None and viewer.office is not None:
        permissions.require_admin(actor, viewer.office)
    else:
        permissions.require(actor, "audit")
    assert viewer is not None  # neither the worker nor the command line exports
    condition = _condition(viewer, filters)
    with db.atomic():
        found = AuditEntry.select().where(condition).count()
        if found > EXPORT_LARGEST:
            raise Refused(
                f"当てはまる記録が{found:,}件あります。一度に保存できるのは{EXPORT_LARGEST:,}件までです。"
                "期間を短くして、何回かに分けて保存してください。"
            )
        last = audit.record(actor, "audit.exported", filters=filters.facts(), entries=found).number
    return _batches(viewer, condition, last)


def _batches(viewer: Membership, condition: Any, before: int) -> Iterator[Row]:
    """Batch by batch, so that a slow reader holds no transaction open; entries never change and only grow in number."""
    while batch := _page(condition & (AuditEntry.number < before), BATCH):
        yield from with_documents(viewer, batch)
        before = batch[-1].number


def _page(condition: Any, size: int | None, skip: int = 0) -> list[AuditEntry]:
    """First the numbers, then what stands around them: joined at once, SQLite would sort everything that is found."""
    found = AuditEntry.select(AuditEntry.number).where(condition).order_by(AuditEntry.number.desc())
    if size is not None:
        found = found.limit(size).offset(skip)
    return list(_joined(AuditEntry.number << [entry.number for entry in found]))


def _joined(condition: Any) -> Any:
    done_in = Office.alias()
    return (
        AuditEntry.select(AuditEntry, Office, Device, Membership, User, done_in)
        .join(Office, JOIN.LEFT_OUTER)
        .switch(AuditEntry)
        .join(Device, JOIN.LEFT_OUTER)
        .switch(AuditEntry)
        .join(Membership, JOIN.LEFT_OUTER)
        .join(User, JOIN.LEFT_OUTER)
        .switch(Membership)
        .join(done_in, JOIN.LEFT_OUTER, on=(Membership.office == done_in.id), attr="office")
        .where(condition)
        .order_by(AuditEntry.number.desc())
    )


def _condition(viewer: Membership, filters: Filters) -> Any:
    wanted = _seen_by(viewer)
    if filters.q:
        wanted &= _done_by(viewer, filters.q)
    if filters.member:
        wanted &= _of_person(viewer, filters.member)
    if filters.office and viewer.is_staff:
        wanted &= AuditEntry.office << _offices(filters.office)
    if filters.action:
        wanted &= _of_group(filters.action)
    if filters.since:
        wanted &= AuditEntry.at >= _begin(filters.since)
    if filters.until and filters.until < date.max:
        wanted &= AuditEntry.at < _begin(filters.until + timedelta(days=1))
    return wanted


def _seen_by(viewer: Membership) -> Any:
    """The 管理者 sees what his office's name stands on, but of statements only what the office may know of."""
    if viewer.is_staff:
        return EVERYTHING if "audit" in viewer.words() else NOTHING
    if viewer.kind != "office_admin":
        return NOTHING
    is_own = AuditEntry.membership << _people_of(viewer.office_id)
    filings = Transfer.select(Transfer.uid).where(Transfer.office == viewer.office_id, Transfer.direction == FILING)
    is_told = AuditEntry.action.not_in(FUNDS_OWN) & (
        (AuditEntry.action != SENT_WHOLE) | (AuditEntry.subject << filings)
    )
    return (AuditEntry.office == viewer.office_id) & (is_told | is_own)


def _done_by(viewer: Membership, typed: str) -> Any:
    """By the words that the list shows: nobody finds an entry by a name that isn't shown to him."""
    names = {"".join(name.split()) for name in (normalise.text(typed), normalise.half_width(typed))}
    shown = fn.REPLACE(fn.REPLACE(AuditEntry.who, "\u3000", ""), " ", "")
    is_named = NOTHING
    for name in names:
        is_named |= shown.contains(name)
    if viewer.is_staff:
        return is_named
    is_mine = AuditEntry.membership.is_null() | (AuditEntry.membership << _people_of(viewer.office_id))
    found = is_mine & is_named
    for label, people in ((AuditEntry.FUND, _people_of(None)), (AuditEntry.ELSEWHERE, _people_elsewhere(viewer))):
        if any(name in label for name in names):
            found |= AuditEntry.membership << people
    return found


def _of_person(viewer: Membership, uid: str) -> Any:
    member = Membership.by_uid(uid)
    if member is None or (not viewer.is_staff and member.office_id != viewer.office_id):
        return NOTHING
    is_here = AuditEntry.office.is_null() | (AuditEntry.office == member.office_id)
    is_about_him = (AuditEntry.subject == member.user.uid) & is_here
    return (AuditEntry.membership == member.id) | (AuditEntry.subject == member.uid) | is_about_him


def _of_group(key: str) -> Any:
    if key in audit.ACTIONS:
        return AuditEntry.action == key
    wanted = AuditEntry.action << GROUPS[key]
    if key not in (FILING, STATEMENT):
        return wanted
    own_way = Transfer.select(Transfer.uid).where(Transfer.direction == key)
    return wanted & ((AuditEntry.action != SENT_WHOLE) | (AuditEntry.subject << own_way))


def _offices(typed: str) -> Any:
    """Offices of which the number, a name or the contract contains what was typed."""
    name, number = normalise.text(typed), normalise.half_width(typed)
    is_named = Office.name.contains(name) | Office.short_name.contains(name)
    is_numbered = Office.office_number.contains(number)
    is_numbered |= Office.contract_number.contains(normalise.contract_number(typed))
    return Office.select(Office.id).where(is_named | is_numbered)


def _people_of(office_id: int | None) -> Any:
    here = Membership.office.is_null() if office_id is None else Membership.office == office_id
    return Membership.select(Membership.id).where(here)


def _people_elsewhere(viewer: Membership) -> Any:
    return Membership.select(Membership.id).where(Membership.office != viewer.office_id)


def _begin(day: date) -> datetime:
    """The first moment of a day in Japan."""
    return datetime.combine(day, time.min, calendar.JST)
