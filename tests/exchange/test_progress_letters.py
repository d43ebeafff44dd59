"""An office goes back to its letter whenever it has none in force, and has one next step whatever happens."""

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random

from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database import db
from exchange import calendar, contracts, letters, progress, progress_kinds
from exchange.actors import command_line
from exchange.errors import Refused
from exchange.progress import DONE, KEYS, Progress
from models import AuditEntry, Office, User
from papers import Letter, LetterBatch
from tests.exchange.test_installers import EXE, uploads
from tests.exchange.test_progress import (
    EVENTS,
    START,
    activated,
    admin,
    days_later,
    device,
    dispatched,
    in_force,
    keys,
    new_office,
    opened,
)
from tests.people import Cast
from tests.processes import IS_SOAK


def reissued(office: Office, at: datetime) -> None:
    with contextlib.suppress(Refused):  # one is on its way already
        contracts.reissue(command_line(at), office, "紛失")


def ordered(office: Office) -> Letter | None:
    waits = Letter.select().join(LetterBatch).where(LetterBatch.state << letters.OPEN, Letter.voided_at.is_null())
    return waits.where(Letter.office == office).first()


def made(office: Office, at: datetime) -> None:
    letter = ordered(office)
    if letter is not None and admin(office).user.is_initial_password:
        Letter.update(issued_at=at).where(Letter.id == letter.id).execute()
        in_force(office, at, letter)


def posted(office: Office, at: datetime) -> None:
    letter = ordered(office)
    if letter is not None and letter.issued_at is not None:
        sent = LetterBatch.update(state="printed", dispatched_on=calendar.day(at))
        sent.where(LetterBatch.id == letter.batch_id).execute()
        dispatched(office, at)


def given_up(office: Office, at: datetime) -> None:
    letter = ordered(office)
    if letter is not None:
        letters.give_up(command_line(at), letter.batch)


def chose_own(office: Office, at: datetime) -> None:
    User.update(is_initial_password=False).where(User.id == admin(office).user_id).execute()


LETTERS = (*(reissued, made, posted, given_up, chose_own, reissued, made, posted),)


def lacks_letter(office: Office) -> bool:
    """Whether its 管理者 needs a letter to come in and none in force is in the post."""
    if not admin(office).user.is_initial_password:
        return False
    if office.download_key_hash is None:
        return True
    last = Letter.select().where(Letter.office == office, Letter.voided_at.is_null()).order_by(Letter.id.desc()).first()
    if last is None or last.batch.dispatched_on is not None:
        return False
    actions = ("download.opened", "login.succeeded")
    came = AuditEntry.select().where(AuditEntry.office == office, AuditEntry.action << actions)
    is_his = AuditEntry.membership.is_null() | (AuditEntry.membership == admin(office))
    return not came.where(is_his, AuditEntry.at >= office.secrets_issued_at).exists()


def fits(office: Office, found: Progress, event: str) -> None:
    """What is so at any time: one next step, and that is the letter as long as it is lacking."""
    done, now, later = (keys(found, state) for state in ("done", "now", "later"))
    assert len(now) == (0 if len(done) == len(KEYS) else 1)
    if lacks_letter(office):
        assert now == ("dispatched",), event
        assert found.now is not None
        assert found.now.who == progress_kinds.FUND
    else:
        assert done + now + later == KEYS, event
    assert all(step.done_on is None for step in found.steps if step.state != "done")
    assert all(step.expected_on is None for step in found.steps if step.state == "done")
    assert (found.key == DONE) == (not found.now) == progress.is_finished(office)
    assert (found.key == DONE) != (office.id in {one.office.id for one in progress.under_way(START)})


@settings(
    max_examples=1000 if IS_SOAK else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(dice=st.integers(0, 2**32 - 1).map(Random))
def test_there_is_always_one_next_step_and_a_step_back_to_the_letter_only(app: Flask, dice: Random) -> None:
    with db.atomic() as attempt:
        office, at, reached = new_office(), START, set()
        for event in dice.choices((*EVENTS, *LETTERS), k=dice.randint(1, 16)):
            at += timedelta(hours=dice.randint(0, 40), minutes=1)
            event(Office.get_by_id(office.id), at)
            office = Office.get_by_id(office.id)
            found = progress.of(office, at)
            fits(office, found, event.__name__)
            done = set(keys(found, "done"))
            assert reached - done <= {"dispatched"}, (event.__name__, found.key)
            reached |= done
        attempt.rollback()


def test_a_reissued_letter_is_waited_for_until_it_is_posted(cast: Cast) -> None:
    office = new_office()
    dispatched(office, days_later(1))
    activated(office, days_later(3))

    def stands(event: Callable[[Office, datetime], None], day: int) -> tuple[str, str]:
        event(Office.get_by_id(office.id), days_later(day))
        found = progress.of(Office.get_by_id(office.id), days_later(day))
        assert found.now is not None
        assert found.steps[5].done_on == days_later(3).date()
        return found.now.kind.waiting, found.now.who

    at_letter, at_login = ("再発行の印刷待ち", progress_kinds.FUND), ("初回ログイン待ち", progress_kinds.ADMIN)
    events = (reissued, made, posted, reissued, given_up)
    assert [stands(event, day) for day, event in enumerate(events, 10)] == [
        *(at_letter, at_letter, at_login, at_letter),
        ("お知らせの再発行待ち", progress_kinds.FUND),
    ]


def test_who_has_finished_waits_for_the_letter_when_nothing_opens_any_more(cast: Cast) -> None:
    reissued(cast.abc, days_later(10))
    given_up(cast.abc, days_later(12))
    found = progress.of(cast.abc, days_later(13))
    assert (found.key, found.number, found.days) == ("dispatched", 3, 1)
    assert found.now is not None
    assert (found.now.who, found.is_late) == (progress_kinds.FUND, False)
    assert cast.abc in [one.office for one in progress.under_way(days_later(13))]
    assert not progress.is_finished(cast.abc)
    assert [stage.offices for stage in progress.funnel(progress.under_way(days_later(13)))][-1] == 0


def test_a_letter_that_was_used_has_arrived_though_nobody_told_its_dispatch(cast: Cast) -> None:
    office = new_office()
    opened(office, days_later(1))
    reissued(Office.get_by_id(office.id), days_later(2))
    made(Office.get_by_id(office.id), days_later(3))
    assert progress.of(Office.get_by_id(office.id), days_later(3)).key == "dispatched"
    opened(office, days_later(4))
    assert progress.of(Office.get_by_id(office.id), days_later(4)).key == "requested"


def test_without_an_installer_the_desk_is_next(cast: Cast) -> None:
    office = new_office()
    dispatched(office, days_later(1))
    now = progress.of(office, days_later(1)).now
    assert now is not None
    assert (now.key, now.who) == ("downloaded", progress_kinds.DESK)
    assert "インストーラーを作成するか" in now.kind.todo
    uploads(cast.dai, device(office, 2))
    assert progress.of(office, days_later(1)).now == now
    uploads(cast.dai, device(office), EXE + b"for slot one")
    now = progress.of(office, days_later(1)).now
    assert now is not None
    assert (now.key, now.who) == ("downloaded", progress_kinds.ADMIN)
