"""How far an office is: one step after the other, and stuck from the right day on."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from database import JST, db, utc_now
from exchange import (
    accounts,
    activations,
    audit,
    contracts,
    devices,
    fund,
    letters,
    people,
    progress,
    progress_kinds,
    registrations,
)
from exchange.actors import Actor, command_line
from exchange.errors import Refused
from exchange.progress import DONE, KEYS, Progress
from exchange.registration_file import RegistrationFile, Row
from models import Device, Membership, Office
from papers import Letter, LetterBatch, Registration
from tests.exchange.activating import sends
from tests.exchange.codes import built
from tests.people import Cast

START = datetime(2026, 11, 20, 10, 0, tzinfo=JST)  # a Friday; the Monday after it is 勤労感謝の日
FILED = ("filed", "registered")


def new_office(number: str = "00201", at: datetime = START) -> Office:
    """Registered by hand at that moment, with the key of a letter in force: nothing else is known of it."""
    values: dict[str, Any] = {
        "entered_on": "2026-11-01",
        "office_number": number,
        "name": "己原　三郎",
        "kana": "ツチハラ　サブロウ",
        "mail": f"saburo@office{number}.example",
        "login_id": f"saburo{number}",
        "office_name": f"試験{number}株式会社",
        "device_limit": 2,
    }
    (office,) = registrations.register(command_line(at), [RegistrationFile((Row(2, values),))])
    in_force(office, at)
    return Office.get_by_id(office.id)


def in_force(office: Office, at: datetime, letter: Letter | None = None) -> None:
    """What making a letter writes, without its paper."""
    with db.atomic():
        letters.put_in_force(command_line(at), office, ("key", f"password at {at}"), letter)


def admin(office: Office) -> Membership:
    return office.members().where(Membership.kind == "office_admin").get()


def device(office: Office, slot: int = 1) -> Device:
    found = Device.in_slot(office, slot)
    assert found is not None
    return found


def tell(office: Office, action: str, at: datetime, member: Membership | None = None, **facts: Any) -> None:
    """What another part of the product writes down when that happens."""
    with db.atomic():
        audit.record(Actor(member, at=at, label="試験"), action, office.uid, office, **facts)


def dispatched(office: Office, at: datetime) -> None:
    tell(office, "letter.dispatched", at, dispatched_on=f"{at:%Y-%m-%d}")


def opened(office: Office, at: datetime) -> None:
    tell(office, "download.opened", at)


def fetched(office: Office, at: datetime) -> None:
    tell(office, "installer.fetched", at, slot=1, sha256="0" * 64)
    _moved(office, at, "downloaded")


def requested(office: Office, at: datetime) -> None:
    tell(office, "device.requested", at, slot=1, receipt_number="V20261120-0000001", code="01A3F9")
    _moved(office, at, "requested")


def activated(office: Office, at: datetime) -> None:
    if device(office).state != "active":
        devices.activate(command_line(at), device(office))


def logged_in(office: Office, at: datetime) -> None:
    tell(office, "login.succeeded", at, admin(office), kind="office_admin")


def ready(office: Office, at: datetime) -> None:
    Membership.update(ready_at=at).where(Membership.id == admin(office).id, Membership.ready_at.is_null()).execute()


def _moved(office: Office, at: datetime, state: str) -> None:
    Device.update(state=state).where(Device.office == office, Device.slot == 1).execute()


def stopped(office: Office, at: datetime) -> None:
    Device.update(state="stopped", stopped_at=at).where(Device.office == office).execute()


def issued_anew(office: Office, at: datetime) -> None:
    _moved(office, at, "issued")


def taken_away(office: Office, at: datetime) -> None:
    _moved(office, at, "vacant")


def voided(office: Office, at: datetime) -> None:
    with db.atomic():
        letters.void(command_line(at), office)


def locked_out(office: Office, at: datetime) -> None:
    accounts.reset_password(command_line(at), admin(office), accounts.seen(admin(office)))


def another_comes(office: Office, at: datetime) -> None:
    """Somebody of the office who is not its 管理者 logs in."""
    actor = Actor(admin(office), at=at)
    try:
        people.add_member(actor, office, "staff", f"{at:%m%d%H%M}aa", "丁田　新", "チョウダ　シン", "s@a.example", ())
    except Refused:
        return
    tell(office, "login.succeeded", at, office.members().where(Membership.kind == "staff").get(), kind="staff")


WAY: tuple[Callable[[Office, datetime], None], ...] = (*(dispatched, opened, requested, activated, logged_in, ready),)
EVENTS = (*WAY, fetched, stopped, issued_anew, taken_away, voided, locked_out, another_comes)


def keys(found: Progress, state: str) -> tuple[str, ...]:
    return tuple(step.key for step in found.steps if step.state == state)


def days_later(days: int, at: datetime = START) -> datetime:
    return at + timedelta(days=days)


# ── the order ──


def test_the_steps_follow_one_another(cast: Cast) -> None:
    office = new_office()
    seen = [progress.of(office, START).key]
    for day, event in enumerate(WAY, 1):
        event(office, days_later(day))
        seen.append(progress.of(office, days_later(day)).key)
    assert seen == ["dispatched", "downloaded", "requested", "activated", "logged_in", "ready", DONE]
    days = [step.done_on for step in progress.of(office, START).steps]
    assert days == [START.date(), START.date(), *(days_later(day).date() for day in range(1, 7))]


@pytest.mark.parametrize("last", range(len(WAY)))
def test_a_later_step_makes_the_earlier_ones_done_without_a_record(cast: Cast, last: int) -> None:
    office = new_office()
    WAY[last](office, days_later(3))
    found = progress.of(office, days_later(3))
    assert keys(found, "done") == KEYS[: last + 3]
    recorded = [step.key for step in found.steps if step.done_on]
    assert recorded == [*FILED, KEYS[last + 2]]


def test_the_demonstrations_offices_stand_where_they_are(cast: Cast) -> None:
    now = utc_now()
    assert progress.of(cast.abc, now).key == DONE
    assert progress.of(cast.xyz, now).key == "logged_in"
    assert keys(progress.of(cast.xyz, now), "done") == KEYS[:6]


def test_only_the_admins_login_counts(cast: Cast) -> None:
    office = new_office()
    activated(office, days_later(1))
    consultant = cast.member("hanako")
    tell(office, "login.succeeded", days_later(2), consultant, kind="consultant")
    assert progress.of(office, days_later(2)).key == "logged_in"
    logged_in(office, days_later(3))
    assert progress.of(office, days_later(3)).key == "ready"


def test_the_first_time_counts(cast: Cast) -> None:
    office = new_office()
    for day in (5, 2, 9):
        opened(office, days_later(day))
    fetched(office, days_later(1))
    assert progress.of(office, days_later(9)).steps[3].done_on == days_later(1).date()


def test_days_are_those_of_japan(cast: Cast) -> None:
    office = new_office(at=datetime(2026, 11, 20, 23, 59, 59, tzinfo=JST))
    assert progress.of(office, START).steps[0].done_on == date(2026, 11, 20)
    opened(office, datetime(2026, 11, 25, 0, 0, tzinfo=JST))
    assert progress.of(office, START).steps[3].done_on == date(2026, 11, 25)


def test_a_filed_registration_tells_when_it_was_received(cast: Cast) -> None:
    office = new_office()
    Registration.create(office=office, state="registered", received_at=days_later(-4))
    found = progress.of(office, START)
    assert found.steps[0].done_on == date(2026, 11, 16)
    assert found.steps[1].done_on == date(2026, 11, 20)


def test_the_day_of_dispatch_is_the_one_the_clerk_gave(cast: Cast) -> None:
    office = new_office()
    batch = LetterBatch.create(state="printed", dispatched_on=date(2026, 11, 26))
    Letter.create(batch=batch, office=office, position=1)
    tell(office, "letter.dispatched", days_later(4), dispatched_on="2026-11-26")
    found = progress.of(office, days_later(4))
    assert (found.key, found.steps[2].done_on, found.days) == ("downloaded", date(2026, 11, 26), 0)


def test_a_letter_that_was_never_printed_is_not_sent(cast: Cast) -> None:
    office = new_office()
    Letter.create(batch=LetterBatch.create(state="erased"), office=office, position=1)
    assert progress.of(office, START).key == "dispatched"


# ── by when, and what to do ──


def test_the_letter_is_expected_three_weeks_after_the_registration(cast: Cast) -> None:
    office = new_office()
    found = progress.of(office, START)
    assert found.now is not None
    assert found.now.expected_on == date(2026, 12, 11)
    assert not progress.of(office, days_later(21)).is_late
    assert progress.of(office, days_later(22)).is_late


def test_the_activation_is_expected_two_business_days_after_the_code(cast: Cast) -> None:
    office = new_office()
    requested(office, START)  # on a Friday; Monday is a holiday
    found = progress.of(office, START)
    assert found.now is not None
    assert (found.key, found.now.expected_on, found.now.who) == ("activated", date(2026, 11, 25), progress_kinds.DESK)


def test_a_code_that_was_sent_back_waits_for_the_office_until_another_comes(cast: Cast) -> None:
    office = new_office()
    one = sends(built(office, 1))
    now = progress.of(office, utc_now()).now
    assert (now.key, now.who) == ("activated", progress_kinds.DESK)
    activations.send_back(cast.dai, one, "別のPCの確認コードです")
    now = progress.of(office, utc_now()).now
    assert (now.key, now.kind.waiting, now.who) == ("activated", "確認コードの出し直し待ち", progress_kinds.ADMIN)
    assert now.expected_on is None
    sends(built(office, 2))
    assert progress.of(office, utc_now()).now.who == progress_kinds.DESK


def test_a_code_without_a_record_promises_no_day(cast: Cast) -> None:
    office = new_office()
    _moved(office, START, "requested")
    found = progress.of(office, START)
    assert found.now is not None
    assert (found.key, found.now.expected_on) == ("activated", None)


@pytest.mark.parametrize(
    "kind",
    [
        *progress_kinds.KINDS,
        progress_kinds.REPRINT,
        progress_kinds.REISSUE,
        progress_kinds.NO_INSTALLER,
        progress_kinds.RETURNED,
    ],
    ids=lambda kind: kind.waiting,
)
def test_every_step_says_who_does_what_and_what_helps(kind: progress_kinds.Kind) -> None:
    for text in (kind.label, kind.waiting, kind.who, kind.todo, kind.advice, kind.fund_advice):
        assert text
    assert kind.todo.endswith("。")
    assert kind.todo.count("。") == 1  # one thing to do


# ── stuck ──


def sets_limit(cast: Cast, days: int) -> None:
    fund.decide(cast.kiku, {"stuck_days": (14, days)})


@pytest.mark.parametrize("limit", [1, 14, 30])
def test_an_office_is_stuck_on_the_day_after_the_limit(cast: Cast, limit: int) -> None:
    if limit != 14:
        sets_limit(cast, limit)
    office = new_office()
    opened(office, datetime(2026, 11, 25, 23, 30, tzinfo=JST))
    last_good = datetime(2026, 11, 25, 23, 59, 59, tzinfo=JST) + timedelta(days=limit)
    assert not progress.of(office, last_good).is_stuck
    first_bad = last_good + timedelta(seconds=1)  # midnight in Japan
    assert progress.of(office, first_bad).is_stuck
    assert progress.of(office, first_bad).days == limit + 1
    requested(office, first_bad)
    assert not progress.of(office, first_bad).is_stuck


def test_who_has_finished_is_never_stuck(cast: Cast) -> None:
    office = new_office()
    ready(office, START)
    assert not progress.of(office, days_later(1000)).is_stuck


def test_what_leads_no_further_does_not_help_a_stuck_office(cast: Cast) -> None:
    office = new_office()
    opened(office, START)
    for again in (opened, dispatched, locked_out):
        again(Office.get_by_id(office.id), days_later(14))
    found = progress.of(office, days_later(15))
    assert (found.is_stuck, found.since) == (True, START.date())


# ── all of them ──


def test_the_funnel_counts_every_open_office_once(cast: Cast) -> None:
    first, second, third = new_office("00201"), new_office("00202"), new_office("00203")
    opened(second, START)
    contracts.close(command_line(), third, "脱退", contracts.under_way_seen([]))
    Registration.create(state="open", cells=["", "00301"])
    Registration.create(state="discarded", cells=["", "00302"])
    found = progress.under_way(days_later(20))
    stages = {stage.key: (stage.offices, stage.stuck) for stage in progress.funnel(found)}
    assert stages == {
        **{"registered": (1, 0), "dispatched": (1, 1), "downloaded": (0, 0), "requested": (1, 1)},
        **{"activated": (0, 0), "logged_in": (1, stages["logged_in"][1]), "ready": (0, 0), DONE: (1, 0)},
    }
    assert {one.office for one in found} == {first, second, cast.xyz}


def test_who_has_waited_longest_stands_first(cast: Cast) -> None:
    late, early = new_office("00201", days_later(-5)), new_office("00202", days_later(-50))
    found = [one.office for one in progress.under_way(utc_now())]
    assert found.index(early) < found.index(late)


def test_a_hundred_offices_take_as_many_queries_as_one(cast: Cast) -> None:
    def queries(offices: list[Office]) -> int:
        sent: list[str] = []
        db.connection().set_trace_callback(sent.append)
        progress.every(offices, START)
        db.connection().set_trace_callback(None)
        return len(sent)

    one = queries([new_office("00200")])
    made = [new_office(f"003{number:02d}") for number in range(100)]
    assert queries(made) == one
    assert one <= 10


def test_steps_are_read_and_never_written(cast: Cast) -> None:
    office = new_office()
    before = db.connection().total_changes
    assert [step.key for step in progress.steps(office)] == list(KEYS)
    progress.funnel(progress.under_way(utc_now()))
    assert db.connection().total_changes == before
