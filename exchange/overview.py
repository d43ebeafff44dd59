"""What a person finds on the start page: what waits for him, at which of his offices, and how much went to and fro."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from peewee import Case, Value, fn

from exchange import (
    activation_facts,
    activations,
    calendar,
    handovers,
    installer_making,
    intake,
    letters,
    lists,
    pickups,
    progress,
    roster,
    scan_ages,
    vpn,
    vpn_orders,
)
from models import (
    FILING,
    STATEMENT,
    ArchivePassword,
    AuditEntry,
    Device,
    DocumentKind,
    Grant,
    Inspection,
    Membership,
    Office,
    Transfer,
    User,
)
from papers import Intake, Letter, LetterBatch


@dataclass(frozen=True)
class Waiting:
    """Something that waits for this person. `direction` and `state` name the list that shows the same number of rows,
    where it is one of documents; `until`: when the first of them can't be done any more, or its PDF is erased.
    """

    key: str
    count: int
    direction: str = ""
    state: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class OfficeWaiting:
    """What waits at one of the person's offices; nobody can work where `is_ready` is False yet."""

    place: Membership
    waits: list[Waiting]
    is_ready: bool


@dataclass(frozen=True)
class Month:
    """How many documents one side of the counter delivered to the other in a month of Japan."""

    year: int
    month: int
    sent: int
    received: int

    @property
    def label(self) -> str:
        return f"{self.month}月"


@dataclass(frozen=True)
class Infected:
    """Documents with a virus that concern a side: how many by (direction, state in lists), and the newest of them."""

    counts: dict[tuple[str, str], int]
    newest: list[Transfer]


TOLD = timedelta(days=14)  # for so long a 帳票 that was received stays on the start pages after its virus was found

# (what waits, the word that can do it, direction, state in lists), in the order of the work
OFFICE_WORK = (
    ("approve", "approve", FILING, "uploaded"),
    ("deliver", "deliver", FILING, "approved"),
    ("repair", "upload", FILING, "unusable"),
    ("correct", "upload", FILING, "returned"),
    ("request_pickup", "request_pickup", STATEMENT, "delivered"),
    ("download", "download", STATEMENT, "requested"),
)
FUND_WORK = (
    ("receive", "receive", FILING, "delivered"),
    ("process", "receive", FILING, "received"),
    ("refuse", "receive", FILING, "quarantined"),
    ("check", "check", STATEMENT, "uploaded"),
    ("send", "send", STATEMENT, "approved"),
    ("repair", "prepare", STATEMENT, "unusable"),
)
PEOPLE = ("invited", "fresh", "lapsed", "locked")  # states of people that the 管理者 should look after


def waiting(
    member: Membership, held: frozenset[str], at: datetime, tally: dict[lists.Key, int] | None = None
) -> list[Waiting]:
    """What waits for this very person, who holds these words here. `tally`: of his places, if it is at hand."""
    if tally is None:
        tally = lists.tally([member]) if member.kind != "desk" else {}
    found = _documents(member, held, tally)
    found = [replace(wait, until=_first_end(member, at)) if wait.key == "download" else wait for wait in found]
    if member.kind == "fund":
        found += _onboarding(held, at)
    if "register" in held:
        found.append(Waiting("handovers", handovers.waiting_for(member).count()))
    if member.kind == "office_admin":
        found.append(Waiting("returned_codes", len(activation_facts.sent_back(member.office))))
    if member.kind == "office_admin" or "staff" in held:
        found += _people(member, at)
    if "devices" in held:
        found.append(Waiting("installers", without_installer().count()))
    if "activate" in held:
        found.append(Waiting("activate", activations.waiting().count()))
    if held & {"activate", "devices"} and not vpn.provider().is_automatic:
        found.append(Waiting("vpn_orders", vpn_orders.waiting().count()))
    found.append(Waiting("invitation", member.user.invitations().count()))
    return [wait for wait in found if wait.count]


def quarantined(member: Membership, at: datetime, most: int) -> Infected:
    """Documents with a virus that concern this side: as long as the worker goes on looking at them, and no longer than
    TOLD where nobody can do away with it. At most so many are loaded, with office and kind.
    """
    if member.kind == "desk":
        return Infected({}, [])
    has_virus = Transfer.id << Inspection.select(Inspection.transfer).where(Inspection.has_virus())
    # Every row has one of these directions and states: said for the index, which then leads to those with a virus.
    which = [Transfer.direction << (FILING, STATEMENT), Transfer.state << lists.PARTED_STATES]
    which += [Transfer.known_at(member), has_virus, scan_ages.concerns(at), ~_is_told(at)]
    rows = Transfer.select(Transfer.direction, Transfer.state, fn.COUNT(Transfer.id)).where(*which)
    counts: Counter[tuple[str, str]] = Counter()
    for direction, state, number in rows.group_by(Transfer.direction, Transfer.state).tuples():
        counts[direction, lists.part_of(state)] += number
    if not counts:
        return Infected({}, [])
    shown = Transfer.select(Transfer, Office, DocumentKind).join(Office).switch(Transfer).join(DocumentKind)
    return Infected(dict(counts), list(shown.where(*which).order_by(Transfer.id.desc()).limit(most)))


def _is_told(at: datetime) -> Any:
    """The condition that a 帳票 lies in the office's PCs, where neither side can take it back, and that both were told
    long enough: since the scan that found the virus, not since the delivery, which may be weeks before it.
    """
    earlier, cleared = AuditEntry.alias(), AuditEntry.alias()
    looks = {
        look: (look.subject == Transfer.uid) & (look.action == "statement.rescanned") for look in (earlier, cleared)
    }
    said = {look: fn.json_extract(look.facts, "$.verdict") for look in looks}
    last_clean = cleared.select(fn.MAX(cleared.number)).where(looks[cleared], said[cleared] == "clean")
    found = earlier.select(Value(1)).where(
        looks[earlier],
        said[earlier] == "quarantined",
        earlier.at <= at - TOLD,
        earlier.number > fn.COALESCE(last_clean, 0),
    )
    return (Transfer.direction == STATEMENT) & (Transfer.state == "received") & fn.EXISTS(found)


def without_installer(search: str = "") -> Any:
    """Open offices with a slot, or with a PC that gives way to another, that nobody has made an installer for, by
    number. One whose installer was taken away and withdrawn since doesn't wait for another.
    """
    waits = Device.select(Device.office).where(Device.id << installer_making.lacking())
    return Office.open_ones(search).where(Office.id << waits)


def offices_waiting(places: Sequence[Membership], tally: dict[lists.Key, int]) -> list[OfficeWaiting]:
    """The documents that wait at each of these offices of a person, in as many queries for ten as for two."""
    offices = [place.office_id for place in places]
    words: dict[int, set[str]] = {place.id: set() for place in places}
    for grant in Grant.select().where(Grant.membership << places):
        words[grant.membership_id].add(grant.word)
    passwords = ArchivePassword.select(ArchivePassword.office).where(ArchivePassword.office << offices)
    ready = {row.office_id for row in passwords}
    return [
        OfficeWaiting(place, _documents(place, frozenset(words[place.id]), tally), place.office_id in ready)
        for place in places
    ]


def traffic(member: Membership, at: datetime, months: int = 6) -> list[Month]:
    """What was delivered in the last months, the running one last: of the own office or, for the fund, of all."""
    if member.kind == "desk":
        return []
    starts = [_month_start(at, months - 1 - number) for number in range(months)]
    later_first = [(Transfer.delivered_at >= start, number) for number, start in enumerate(starts)][::-1]
    month = Case(None, later_first)
    rows = Transfer.select(Transfer.direction, month, fn.COUNT(Transfer.id)).where(
        Transfer.direction << (FILING, STATEMENT), Transfer.delivered_at >= starts[0]
    )
    if member.office_id:
        rows = rows.where(Transfer.office == member.office_id)
    found = {(way, number): count for way, number, count in rows.group_by(Transfer.direction, month).tuples()}
    own, other = (FILING, STATEMENT) if member.office_id else (STATEMENT, FILING)
    return [
        Month(start.year, start.month, found.get((own, number), 0), found.get((other, number), 0))
        for number, start in enumerate(starts)
    ]


def last_login(user: User) -> datetime | None:
    """When the person logged in before this time. A login ends all others, so the newest is this one."""
    mine = AuditEntry.select(AuditEntry.at).where(
        AuditEntry.subject == user.uid, AuditEntry.action == "login.succeeded"
    )
    before = mine.order_by(AuditEntry.number.desc()).limit(1).offset(1).first()
    return before.at if before else None


def _documents(member: Membership, held: frozenset[str], tally: dict[lists.Key, int]) -> list[Waiting]:
    work = OFFICE_WORK if member.office_id else FUND_WORK
    return [
        Waiting(key, tally[member.office_id, direction, state], direction, state)
        for key, word, direction, state in work
        if word in held and (member.office_id, direction, state) in tally
    ]


def _onboarding(held: frozenset[str], at: datetime) -> list[Waiting]:
    """Offices on their way to the first login, as far as the fund has to act."""
    found = []
    if "register" in held:
        found.append(Waiting("filed_online", intake.waiting_online().count()))
        found.append(Waiting("filed_in_file", Intake.select().where(Intake.state == "open").count()))
        found.append(Waiting("letters", letters.due(at).count()))
        found.append(_prints(at))
    if held & {"register", "audit"}:
        found.append(Waiting("stuck", sum(one.is_stuck for one in progress.under_way(at))))
    return found


def _prints(at: datetime) -> Waiting:
    """Batches of letters to be printed or, also after their PDF is erased, told as posted. `until`: the first erasure
    that is still to come.
    """
    in_force = Letter.select(Letter.batch).where(Letter.voided_at.is_null())
    is_on_paper = LetterBatch.downloaded_at.is_null(False) & (LetterBatch.id << in_force)
    is_ready = LetterBatch.state == "ready"
    waits = LetterBatch.select().where(is_ready | ((LetterBatch.state == "erased") & is_on_paper))
    ends = [batch.expires_at for batch in waits if batch.state == "ready" and batch.expires_at]
    return Waiting("prints", len(waits), until=min((end for end in ends if end > at), default=None))


def _first_end(member: Membership, at: datetime) -> datetime | None:
    """When the first open window closes; None if that moment is over, and only the worker's chore is late."""
    requested = lists.listed([member], STATEMENT, "requested")
    first = requested.order_by(Transfer.requested_at).first()
    ends_at = pickups.window_ends_at(first) if first else None
    return ends_at if ends_at and ends_at > at else None


def _people(member: Membership, at: datetime) -> list[Waiting]:
    """People in a state that the 管理者 (or whoever manages the fund's people) should look after, as their list has
    them. States are asked one by one, so only for those who may be in one.
    """
    here = Membership.at(member.office).where(Membership.ended_at.is_null())
    present = list(here.where(Membership.id.not_in(handovers.before_approval())))  # for whom a letter will come
    found = Counter(roster.states(present, at))
    return [Waiting(state, found[state]) for state in PEOPLE]


def _month_start(at: datetime, back: int) -> datetime:
    """Midnight in Japan before the first day of the month that lies so many months back."""
    local = calendar.japan(at)
    years, months = divmod(local.year * 12 + local.month - 1 - back, 12)
    return datetime(years, months + 1, 1, tzinfo=calendar.JST)
