"""How far each office is on its way from the 届出 to its first login. Nothing of it is stored: it is read from the rows
and from the audit.

A later step that is done makes the earlier ones done as well, with or without a record of them. One thing takes an
office back: while its 管理者 has no own password, and no letter that is in force is in the post, it waits for one.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from peewee import JOIN, Case, fn

from database import utc_now
from equipment import ActivationRequest, Handover, Installer
from exchange import calendar, settings
from exchange.progress_kinds import KEYS, KINDS, NO_INSTALLER, REISSUE, REPRINT, RETURNED, Kind
from models import ADMIN_SLOT, AuditEntry, Device, Membership, Office, User
from papers import Letter, LetterBatch, Registration

LETTER_DAYS = 21  # from the 届出 to the letter, 約3週間 (guide §1-2)
ACTIVATION_DAYS = 2  # business days from the confirmation code, 1～2営業日 (guide §4-1)
DONE = "done"  # where an office stands that has done everything

# Whatever shows that a step is done → that step.
EVIDENCE = {
    "letter.dispatched": "dispatched",
    "download.opened": "downloaded",
    "document.fetched": "downloaded",
    "installer.fetched": "downloaded",
    "device.requested": "requested",
    "device.activated": "activated",
    "login.succeeded": "logged_in",
}
DEVICE_SHOWS = {"downloaded": "downloaded", "requested": "requested", "active": "activated"}


@dataclass(frozen=True)
class Step:
    """`state`: done, now or later; behind a letter that is sent once more, steps stay done. `done_on`: the day in
    Japan, None without a record. `expected_on`: by when a step that is not done should be, as far as that can be told.
    """

    kind: Kind
    state: str
    done_on: date | None = None
    expected_on: date | None = None

    @property
    def key(self) -> str:
        return self.kind.key

    @property
    def label(self) -> str:
        return self.kind.label

    @property
    def who(self) -> str:
        return self.kind.who


@dataclass(frozen=True)
class Progress:
    """As of `today`. `since`: when the last step was done, or the letter had to be sent once more; `limit`: after how
    many days from then it is stuck.
    """

    office: Office
    steps: tuple[Step, ...]
    since: date
    today: date
    limit: int

    @property
    def is_again(self) -> bool:
        """Whether an earlier step is done once more behind later ones: those were done with the letter before."""
        return self.now is not None and any(step.state == "done" for step in self.steps[self.number :])

    @property
    def days(self) -> int:
        """For how long nothing has happened; a letter can be sent out tomorrow."""
        return max(0, (self.today - self.since).days)

    @property
    def is_stuck(self) -> bool:
        return self.now is not None and self.days > self.limit

    @property
    def now(self) -> Step | None:
        """The one step that is to be done next; None after the last."""
        return next((step for step in self.steps if step.state == "now"), None)

    @property
    def key(self) -> str:
        return self.now.key if self.now else DONE

    @property
    def number(self) -> int:
        """The step to be done next, counted from 1; the last one when all are done."""
        return next((at for at, step in enumerate(self.steps, 1) if step.state == "now"), len(self.steps))

    @property
    def is_late(self) -> bool:
        """Whether the step should have been done before today."""
        expected_on = self.now.expected_on if self.now else None
        return expected_on is not None and expected_on < self.today


@dataclass(frozen=True)
class Stage:
    """Where offices stand: how many, and how many of them are stuck. `key`: of a step, or DONE."""

    key: str
    label: str
    offices: int
    stuck: int


def steps(office: Office) -> list[Step]:
    return list(of(office, utc_now()).steps)


def of(office: Office, at: datetime) -> Progress:
    return every([office], at)[0]


def every(offices: Sequence[Office], at: datetime) -> list[Progress]:
    """Of each of these offices, in as many queries for a hundred as for one."""
    known = _Known(offices)
    limit = settings.get("stuck_days")
    return [_progress(office, known, calendar.day(at), limit) for office in offices]


def under_way(at: datetime) -> list[Progress]:
    """Of the open offices that have not finished, whoever has waited longest first."""
    return sorted(every(list(Office.open_ones().where(~_is_ready())), at), key=lambda one: -one.days)


def finished() -> Any:
    """Open offices that have done everything, by number."""
    return Office.open_ones().where(_is_ready())


def _is_ready() -> Any:
    is_done = (Membership.kind == "office_admin") & Membership.ready_at.is_null(False)
    return (Office.id << Membership.select(Membership.office).where(is_done)) & Office.id.not_in(_without_letter())


def _without_letter() -> Any:
    """Ids of the offices whose 管理者 can come in with a letter only, and has none in force that is in the post.

    An office that used its letter has it, whether or not its dispatch was told; one without rows of letters got it from
    the command line.
    """
    newest = Letter.select(fn.MAX(Letter.id)).where(Letter.voided_at.is_null()).group_by(Letter.office)
    unsent = Letter.select(Letter.office).join(LetterBatch).where(LetterBatch.dispatched_on.is_null())
    came = (AuditEntry.action << ("download.opened", "activate.opened")) | (
        (AuditEntry.action == "login.succeeded") & (AuditEntry.membership == Membership.id)
    )
    used = AuditEntry.select().where(AuditEntry.office == Office.id, came, AuditEntry.at >= Office.secrets_issued_at)
    is_lying = (Office.id << unsent.where(Letter.id << newest)) & ~fn.EXISTS(used)
    return (
        Membership.select(Membership.office)
        .join(User)
        .switch(Membership)
        .join(Office)
        .where(Membership.kind == "office_admin", Membership.ended_at.is_null(), User.is_initial_password)
        .where(Office.download_key_hash.is_null() | is_lying, Office.id.not_in(Handover.without_letter()))
    )


def is_finished(office: Office) -> bool:
    return finished().where(Office.id == office.id).exists()


def funnel(found: Iterable[Progress]) -> list[Stage]:
    """How many offices stand at each step, from those under way. Who has filed, but is not registered yet, has no row
    as an office: those are counted by their 届出.
    """
    found = list(found)
    standing, stuck = Counter(one.key for one in found), Counter(one.key for one in found if one.is_stuck)
    standing["registered"] += Registration.select().where(Registration.state == "open").count()
    counted = [Stage(kind.key, kind.waiting, standing[kind.key], stuck[kind.key]) for kind in KINDS[1:]]
    return [*counted, Stage(DONE, "導入完了", finished().count(), 0)]


def _progress(office: Office, known: "_Known", today: date, limit: int) -> Progress:
    days, again = known.days_of(office), known.again(office)
    last = max(KEYS.index(key) for key in days)
    now = KEYS.index(again.key) if again else last + 1
    made = []
    for at, kind in enumerate(KINDS):
        if at == now:
            kind = again or known.in_place_of(kind, office)
            is_again = again is not None or kind is RETURNED
            made.append(Step(kind, "now", None, None if is_again else _expected(kind.key, days)))
        elif at <= last:
            made.append(Step(kind, "done", days.get(kind.key)))
        else:
            made.append(Step(kind, "later", None, _expected(kind.key, days)))
    since = days[KEYS[last]] or max(day for day in days.values() if day is not None)
    return Progress(office, tuple(made), (known.again_since(office) or since) if again else since, today, limit)


def _expected(key: str, days: dict[str, date | None]) -> date | None:
    filed, requested = days.get("filed"), days.get("requested")
    if key == "dispatched" and filed:
        return filed + timedelta(days=LETTER_DAYS)
    if key == "activated" and requested:
        return calendar.add_business_days(requested, ACTIVATION_DAYS)
    return None


class _Known:
    """What the rows and the audit tell of some offices."""

    def __init__(self, offices: Sequence[Office]) -> None:
        ids = [office.id for office in offices]
        self._days: dict[int, dict[str, date | None]] = {id: {} for id in ids}
        for id, at in _first(Registration, Registration.received_at, ids):
            self._add(id, "filed", at)
        for office in offices:
            self._add(office.id, "filed", office.registered_at)  # typed in by hand: filed and registered at once
            self._add(office.id, "registered", office.registered_at)
        self._read_letters(ids)
        self._read_audit(ids)
        self._read_devices(ids)
        self._read_admins(ids)
        self._read_lacks(ids)

    def days_of(self, office: Office) -> dict[str, date | None]:
        """Step → the day on which it was done (None: without a record), for the steps that something shows."""
        return self._days[office.id]

    def again(self, office: Office) -> Kind | None:
        """The step that an office waits for once more, though it has come as far or further."""
        came_so_far = any(KEYS.index(key) >= KEYS.index("dispatched") for key in self._days[office.id])
        if not came_so_far or office.id not in self._without_letter:
            return None
        return REPRINT if office.id in self._ordered else REISSUE

    def again_since(self, office: Office) -> date | None:
        """When its letter was voided, or another was ordered, last."""
        return self._letters_changed.get(office.id)

    def in_place_of(self, kind: Kind, office: Office) -> Kind:
        """What is to be done at this step by this office."""
        if kind.key == "activated" and office.id in self._returned:
            return RETURNED
        return NO_INSTALLER if kind.key == "downloaded" and office.id not in self._has_installer else kind

    def _add(self, office: int, key: str, at: datetime | date | None) -> None:
        """The earliest day counts; a step without one is done all the same."""
        day = calendar.day(at) if isinstance(at, datetime) else at
        known = self._days[office].get(key)
        self._days[office][key] = min(filter(None, (known, day)), default=None)

    def _read_letters(self, ids: Collection[int]) -> None:
        """The day that the clerk gave, which the audit tells as a text."""
        sent = Letter.select(Letter.office, fn.MIN(LetterBatch.dispatched_on)).join(LetterBatch)
        for id, day in _grouped(sent.where(LetterBatch.dispatched_on.is_null(False)), Letter.office, ids):
            self._add(id, "dispatched", date.fromisoformat(str(day)))

    def _read_audit(self, ids: Collection[int]) -> None:
        """The first time of each action; of logins, the first of the 管理者."""
        is_his = (AuditEntry.action != "login.succeeded") | (Membership.kind == "office_admin")
        found = AuditEntry.select(AuditEntry.office, AuditEntry.action, fn.MIN(AuditEntry.at))
        found = found.join(Membership, JOIN.LEFT_OUTER, on=(AuditEntry.membership == Membership.id))
        found = found.where(AuditEntry.office << ids, AuditEntry.action << list(EVIDENCE), is_his)
        for id, action, at in found.group_by(AuditEntry.office, AuditEntry.action).tuples():
            has_its_day = action == "letter.dispatched" and self._days[id].get("dispatched")
            if not has_its_day:
                self._add(id, EVIDENCE[action], AuditEntry.at.python_value(at))

    def _read_devices(self, ids: Collection[int]) -> None:
        columns = (Device.office, Device.state, Device.activated_at)
        for id, state, activated_at in Device.select(*columns).where(Device.office << ids).tuples():
            if state in DEVICE_SHOWS:
                self._add(id, DEVICE_SHOWS[state], None)
            if activated_at is not None:
                self._add(id, "activated", activated_at)

    def _read_admins(self, ids: Collection[int]) -> None:
        for id, at in _first(Membership, Membership.ready_at, ids, Membership.kind == "office_admin"):
            self._add(id, "ready", at)

    def _read_lacks(self, ids: Collection[int]) -> None:
        lacking = _without_letter().where(Membership.office << ids).tuples()
        self._without_letter = {id for (id,) in lacking}
        moment = fn.MAX(fn.COALESCE(Letter.voided_at, LetterBatch.made_at))
        in_force = fn.COUNT(Case(None, [(Letter.voided_at.is_null(), 1)], None))
        changed = Letter.select(Letter.office, moment, in_force).join(LetterBatch)
        self._ordered: set[int] = set()
        self._letters_changed: dict[int, date] = {}
        for id, at, count in _grouped(changed, Letter.office, ids):
            self._letters_changed[id] = calendar.day(Letter.voided_at.python_value(at))
            if count:
                self._ordered.add(id)
        there = (
            Installer.select(Device.office)
            .join(Device)
            .where(Installer.withdrawn_at.is_null(), Device.slot == ADMIN_SLOT)
        )
        self._has_installer = {id for (id,) in _grouped(there, Device.office, ids)}
        newest = _grouped(ActivationRequest.select(fn.MAX(ActivationRequest.id)).join(Device), Device.office, ids)
        back = ActivationRequest.select(Device.office).join(Device).where(ActivationRequest.state == "returned")
        self._returned = {id for (id,) in back.where(ActivationRequest.id << newest).tuples()}


def _first(row: Any, moment: Any, ids: Collection[int], *conditions: Any) -> list[tuple[int, datetime]]:
    """(office's id, first such moment) of the offices that have one."""
    found = row.select(row.office, fn.MIN(moment)).where(moment.is_null(False), *conditions)
    return [(id, moment.python_value(at)) for id, at in _grouped(found, row.office, ids)]


def _grouped(query: Any, office: Any, ids: Collection[int]) -> Any:
    return query.where(office << list(ids)).group_by(office).tuples()
