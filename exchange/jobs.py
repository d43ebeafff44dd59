"""Work after the transaction: rows that a worker takes with a lease, repeats with back-off, and shows as n of m."""

import logging
import secrets
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from models import Job, db, utc_now

LEASE = timedelta(minutes=10)
BACK_OFF = (10, 60, 300, 900, 3600)  # seconds before each new try; after the last the job has failed
IDLE_WAIT = 1.0  # seconds between looks when nothing wakes the loop

log = logging.getLogger("todoke.jobs")
wake = threading.Event()

Handler = Callable[["Running"], None]


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
    db.after_commit(wake.set)
    return Job.create(kind=kind, subject=subject, due_at=due_at or utc_now())


def run_one(handlers: dict[str, Handler], at: datetime) -> bool:
    """Take the job that is due longest and run it to its end; False when none was due."""
    job = _take(handlers, at)
    if job is None:
        return False
    try:
        handlers[job.kind](Running(job))
    except Exception as error:
        # Whatever went wrong, the row must say so and come up again; the text may hold data, its class doesn't.
        log.exception("job %s %s failed", job.kind, job.id)
        _put_back(job, type(error).__name__, at)
    else:
        _mine(job, state="done", leased_until=None, lease=None, error="")
    return True


def loop(handlers: dict[str, Handler], chores: Callable[[], bool], stop: threading.Event) -> None:
    """Run due jobs and chores (sending mail, housekeeping; True = there was work) until told to stop."""
    while not stop.is_set():
        wake.clear()
        try:
            worked = run_one(handlers, utc_now())
            worked = chores() or worked
        except Exception:
            log.exception("the worker's loop met an error and goes on")
            worked = False
        if not worked:
            wake.wait(IDLE_WAIT)


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
    if not taken:
        return None
    if taken[0].tries > len(BACK_OFF) + 1:  # each worker that took it died of it
        _mine(taken[0], state="failed", error="its worker died", leased_until=None, lease=None)
        return None
    return taken[0]


def _put_back(job: Job, error: str, at: datetime) -> None:
    if job.tries > len(BACK_OFF):
        _mine(job, state="failed", error=error, leased_until=None, lease=None)
    else:
        due_at = at + timedelta(seconds=BACK_OFF[job.tries - 1])
        _mine(job, state="waiting", error=error, due_at=due_at, leased_until=None, lease=None)


def _mine(job: Job, **columns: object) -> None:
    """Write only while the lease is still ours."""
    Job.update(**columns).where(Job.id == job.id, Job.lease == job.lease).execute()
