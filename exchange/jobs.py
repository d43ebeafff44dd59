"""Work after the transaction: rows that a worker takes with a lease, repeats with back-off, and shows as n of m."""

import logging
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from peewee import fn

from database import db, utc_now
from models import Job

LEASE = timedelta(minutes=2)  # goes on with each progress; after a killed worker the job is taken again this late
BACK_OFF = (10, 60, 300, 900, 3600)  # seconds before each new try; after the last the job has failed
LIVE = ("waiting", "running")  # states of a job that is still to come to its end
FAILURE_SHOWN = timedelta(days=2)  # that a failure counts as late: what is tried again daily stays in sight meanwhile
IDLE_WAIT = 1.0  # seconds between looks when nothing wakes the loop

log = logging.getLogger("todoke.jobs")

Handler = Callable[["Running"], None]
GiveUp = Callable[[str], None]  # gets the subject of a job that has failed for good

_sleepers: set[threading.Event] = set()


def wake() -> None:
    """Rouse every loop of this process."""
    for sleeper in list(_sleepers):
        sleeper.set()


class Running:
    """A job in a worker's hands: its subject, and where to say how far it is."""

    def __init__(self, job: Job) -> None:
        self.subject: str = job.subject
        self._id = job.id
        self._lease = job.lease
        self._told_at = utc_now()

    def progress(self, done: int, total: int) -> None:
        """Say n of m; written at most four times a second, and the lease goes on with it."""
        now = utc_now()
        if done < total and now - self._told_at < timedelta(milliseconds=250):
            return
        self._told_at = now
        Job.update(done=done, total=total, leased_until=now + LEASE).where(
            Job.id == self._id, Job.lease == self._lease
        ).execute()


def enqueue(kind: str, subject: str, due_at: datetime | None = None) -> Job:
    """Ask for work, inside the verb's transaction; the loop of this process wakes when it commits."""
    if not db.in_transaction():
        raise RuntimeError("a job belongs into the transaction that asks for it")
    db.after_commit(wake)
    return Job.create(kind=kind, subject=subject, due_at=due_at or utc_now())


def run_one(handlers: dict[str, Handler], at: datetime, give_up: dict[str, GiveUp] | None = None) -> bool:
    """Take the job that is due longest and run it to its end; False when none was due."""
    job = _take(handlers, at)
    if job is None:
        return False
    if job.tries > len(BACK_OFF) + 1:  # each worker that took it died of it
        _fail(job, "its worker died", give_up or {})
        return True
    try:
        handlers[job.kind](Running(job))
    except Exception as error:
        # Whatever went wrong, the row must say so and come up again; the text may hold data, its class doesn't.
        log.exception("job %s %s failed", job.kind, job.id)
        if job.tries > len(BACK_OFF):
            _fail(job, type(error).__name__, give_up or {})
        else:
            due_at = max(at, utc_now()) + timedelta(seconds=BACK_OFF[job.tries - 1])
            _mine(job, state="waiting", error=type(error).__name__, due_at=due_at, leased_until=None, lease=None)
    else:
        _mine(job, state="done", leased_until=None, lease=None, error="")
    return True


def loop(
    handlers: dict[str, Handler], give_up: dict[str, GiveUp], chores: Callable[[], bool], stop: threading.Event
) -> None:
    """Run due jobs and chores (sending mail, housekeeping; True = there was work) until told to stop."""
    sleeper = threading.Event()
    _sleepers.add(sleeper)
    while not stop.is_set():
        sleeper.clear()
        try:
            worked = run_one(handlers, utc_now(), give_up)
            worked = chores() or worked
        except Exception:
            log.exception("the worker's loop met an error and goes on")
            worked = False
        if not worked:
            sleeper.wait(IDLE_WAIT)
    _sleepers.discard(sleeper)


def late(since: datetime) -> int:
    """How many pieces of work have been due since before that moment, or have failed for good not long before it, and
    have not been done since.
    """
    newer = Job.alias()
    is_newer = (newer.kind == Job.kind) & (newer.subject == Job.subject) & (newer.id > Job.id)
    is_mended = fn.EXISTS(newer.select().where(is_newer, newer.state == "done"))
    has_failed = (Job.state == "failed") & (Job.created_at > since - FAILURE_SHOWN) & ~is_mended
    is_late = (Job.state == "waiting") & (Job.due_at < since)
    return Job.select(Job.kind, Job.subject).where(has_failed | is_late).distinct().count()


def sweep(at: datetime) -> None:
    """Forget work done a week ago and failures of a month ago."""
    for state, age in (("done", timedelta(days=7)), ("failed", timedelta(days=30))):
        Job.delete().where(Job.state == state, Job.created_at < at - age).execute()


def _take(handlers: dict[str, Handler], at: datetime) -> Job | None:
    due = (
        Job.select(Job.id)
        .where(
            Job.kind << list(handlers),
            Job.due_at <= at,
            (Job.state == "waiting") | ((Job.state == "running") & (Job.leased_until < at)),
        )
        .order_by(Job.due_at, Job.id)
        .limit(1)
    )
    if not due.exists():  # a look costs no write lock
        return None
    lease = secrets.token_hex(8)
    taken = list(
        Job.update(state="running", lease=lease, leased_until=at + LEASE, tries=Job.tries + 1)
        .where(Job.id << due)
        .returning(Job)
        .execute()
    )
    return taken[0] if taken else None


def _fail(job: Job, error: str, give_up: dict[str, GiveUp]) -> None:
    """For good: what waits for the job must not wait for ever."""
    with db.atomic():
        is_ours = _mine(job, state="failed", error=error, leased_until=None, lease=None)
        if is_ours and job.kind in give_up:
            give_up[job.kind](job.subject)


def _mine(job: Job, **columns: object) -> bool:
    """Write only while the lease is still ours; whether it was."""
    changed = Job.update(**columns).where(Job.id == job.id, Job.lease == job.lease)
    return changed.execute() == 1
