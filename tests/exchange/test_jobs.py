"""Jobs: taken once, tried again, given up on, and taken over from a worker that died."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from database import db, utc_now
from exchange import jobs
from models import Job
from tests.people import Cast
from tests.processes import alone, kill, together

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _opened(cast: Cast) -> None:
    """Every test has an installation."""


def asked(subject: str = "1", kind: str = "greet", due_at: datetime = NOON) -> Job:
    with db.atomic():
        return jobs.enqueue(kind, subject, due_at)


def fresh(job: Job) -> Job:
    return Job.get_by_id(job.id)


def greets(into: list[str]) -> dict[str, jobs.Handler]:
    return {"greet": lambda job: into.append(job.subject)}


def fails(job: jobs.Running) -> None:
    raise ValueError("a sentence with 甲野's data in it")


def test_a_job_belongs_into_the_transaction_that_asks_for_it() -> None:
    with pytest.raises(RuntimeError):
        jobs.enqueue("greet", "1")
    with db.atomic() as act:
        jobs.enqueue("greet", "1")
        act.rollback()
    assert Job.select().count() == 0


def test_a_job_is_done_once() -> None:
    job, done = asked(), []
    assert jobs.run_one(greets(done), NOON)
    assert not jobs.run_one(greets(done), NOON)
    assert (done, fresh(job).state, fresh(job).tries) == (["1"], "done", 1)


def test_jobs_run_in_the_order_they_are_due() -> None:
    for subject, minutes in (("late", 2), ("early", 0), ("middle", 1)):
        asked(subject, due_at=NOON + timedelta(minutes=minutes))
    done: list[str] = []
    while jobs.run_one(greets(done), NOON + timedelta(minutes=5)):
        pass
    assert done == ["early", "middle", "late"]


def test_a_job_waits_until_it_is_due() -> None:
    asked(due_at=NOON + timedelta(seconds=1))
    assert not jobs.run_one(greets([]), NOON)


def test_a_job_of_a_kind_this_worker_does_not_know_waits() -> None:
    job = asked(kind="unknown")
    assert not jobs.run_one(greets([]), NOON)
    assert fresh(job).state == "waiting"


def test_a_failing_job_is_tried_again_later_and_later_and_then_has_failed() -> None:
    job, now, waits = asked(), NOON, []
    while jobs.run_one({"greet": fails}, now):
        row = fresh(job)
        if row.state == "failed":
            break
        waits.append((row.due_at - now).total_seconds())
        assert not jobs.run_one({"greet": fails}, row.due_at - timedelta(seconds=1))
        now = row.due_at
    assert waits == list(jobs.BACK_OFF)
    assert (fresh(job).state, fresh(job).tries, fresh(job).lease) == ("failed", 6, None)
    assert not jobs.run_one({"greet": fails}, now + timedelta(days=9))


def test_the_row_names_the_kind_of_error_without_its_text() -> None:
    job = asked()
    jobs.run_one({"greet": fails}, NOON)
    assert fresh(job).error == "ValueError"


def test_a_success_after_a_failure_clears_the_error() -> None:
    job = asked()
    jobs.run_one({"greet": fails}, NOON)
    jobs.run_one(greets([]), NOON + timedelta(minutes=1))
    assert (fresh(job).state, fresh(job).error) == ("done", "")


def test_one_failing_job_does_not_hold_up_the_next() -> None:
    asked("bad", kind="fail")
    asked("good")
    done: list[str] = []
    handlers = {"fail": fails, **greets(done)}
    while jobs.run_one(handlers, NOON):
        pass
    assert done == ["good"]


def test_progress_is_shown_and_keeps_the_lease() -> None:
    job = asked(due_at=utc_now())
    seen: list[tuple[int, int]] = []

    def work(running: jobs.Running) -> None:
        running.progress(3, 3)
        row = fresh(job)
        seen.append((row.done, row.total))
        assert row.leased_until > utc_now() + timedelta(minutes=9)

    jobs.run_one({"greet": work}, utc_now())
    assert seen == [(3, 3)]


def test_a_job_whose_worker_died_is_taken_over_when_its_lease_is_over() -> None:
    job, done = asked(), []
    assert jobs._take(greets(done), NOON).id == job.id
    assert not jobs.run_one(greets(done), NOON + jobs.LEASE)
    assert jobs.run_one(greets(done), NOON + jobs.LEASE + timedelta(seconds=1))
    assert (done, fresh(job).state, fresh(job).tries) == (["1"], "done", 2)


def test_a_worker_that_lost_its_lease_writes_nothing_more() -> None:
    job = asked()
    slow = jobs._take(greets([]), NOON)
    takes_over = jobs._take(greets([]), NOON + jobs.LEASE + timedelta(seconds=1))
    jobs._mine(slow, state="done")
    jobs.Running(slow).progress(9, 9)
    assert (fresh(job).state, fresh(job).lease, fresh(job).done) == ("running", takes_over.lease, 0)


def test_a_job_that_kills_its_worker_each_time_has_failed_at_last() -> None:
    job, now = asked(), NOON
    for _ in range(len(jobs.BACK_OFF) + 1):
        assert jobs._take(greets([]), now) is not None
        now += jobs.LEASE + timedelta(seconds=1)
    done, given_up = [], []
    assert jobs.run_one(greets(done), now, {"greet": given_up.append})
    assert (fresh(job).state, fresh(job).error) == ("failed", "its worker died")
    assert (done, given_up) == ([], ["1"])


def test_who_waits_for_a_job_is_told_when_it_has_failed_for_good_and_not_before() -> None:
    job, given_up = asked(), []
    for tries in range(len(jobs.BACK_OFF) + 1):
        assert given_up == []
        Job.update(due_at=NOON, tries=tries).where(Job.id == job.id).execute()
        jobs.run_one({"greet": fails}, NOON, {"greet": given_up.append})
    assert (fresh(job).state, given_up) == ("failed", ["1"])


def test_work_that_is_long_over_is_forgotten() -> None:
    states = {"done": 8, "failed": 8, "waiting": 400}
    jobs_by_state = {state: asked(state) for state in states}
    for state, days in states.items():
        Job.update(state=state, created_at=NOON - timedelta(days=days)).where(Job.subject == state).execute()
    jobs.sweep(NOON)
    assert {row.subject for row in Job.select()} == {"failed", "waiting"}
    jobs.sweep(NOON + timedelta(days=30))
    assert [row.id for row in Job.select()] == [jobs_by_state["waiting"].id]


# ── several workers ──


def work_off(at: datetime) -> list[str]:
    done: list[str] = []
    while jobs.run_one(greets(done), at):
        pass
    return done


def test_several_workers_do_each_job_once(instance: Path) -> None:
    for number in range(40):
        asked(str(number))
    shares = together(instance, [(work_off, NOON)] * 3)
    assert sorted(sum(shares, []), key=int) == [str(number) for number in range(40)]
    assert Job.select().where(Job.state == "done", Job.tries == 1).count() == 40


def start_and_hang(line, at: datetime) -> None:  # noqa: ANN001 — of multiprocessing
    def hang(job: jobs.Running) -> None:
        line.send(job.subject)
        threading.Event().wait()

    jobs.run_one({"greet": hang}, at)


def test_a_job_survives_its_workers_kill(instance: Path) -> None:
    job, done = asked(), []
    with alone(instance, start_and_hang, NOON) as (process, ear):
        assert ear.recv() == "1"
        kill(process)
    assert fresh(job).state == "running"
    assert jobs.run_one(greets(done), NOON + jobs.LEASE + timedelta(seconds=1))
    assert done == ["1"]


# ── the loop ──


def test_the_loop_does_what_is_due_and_survives_a_chore_that_fails() -> None:
    asked(due_at=utc_now())
    done: list[str] = []
    stop = threading.Event()

    def chores() -> bool:
        if done:
            stop.set()
            return False
        raise OSError("disk")

    jobs.loop(greets(done), {}, chores, stop)
    assert done == ["1"]


def test_a_commit_wakes_the_loop_and_a_rollback_does_not() -> None:
    sleeper = threading.Event()
    jobs._sleepers.add(sleeper)
    with db.atomic() as act:
        jobs.enqueue("greet", "1")
        act.rollback()
    assert not sleeper.is_set()
    asked()
    jobs._sleepers.discard(sleeper)
    assert sleeper.is_set()


def test_the_status_page_can_ask_how_many_are_late() -> None:
    asked("late")
    asked("young", due_at=NOON + timedelta(minutes=10))
    assert jobs.late(NOON + timedelta(minutes=5)) == 1


def test_what_has_failed_is_late_once_until_it_is_done_or_two_days_old() -> None:
    for name in ("twice", "twice", "mended", "long ago"):
        asked(name)
    Job.update(state="failed", created_at=NOON).execute()
    Job.update(created_at=NOON - jobs.FAILURE_SHOWN).where(Job.subject == "long ago").execute()
    assert jobs.late(NOON) == 2
    asked("mended")
    Job.update(state="done").where(Job.subject == "mended", Job.state == "waiting").execute()
    assert jobs.late(NOON) == 1
    assert jobs.late(NOON + jobs.FAILURE_SHOWN) == 0
