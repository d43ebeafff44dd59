"""What the worker does besides the requests: which job kind is which verb, mail, and the chores of each minute."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from flask import Flask

from database import db, utc_now
from exchange import (
    activations,
    archives,
    audit,
    inspections,
    installer_making,
    invitations,
    jobs,
    kits,
    letter_making,
    letters,
    onetime,
    pickups,
    places,
    postman,
    rescans,
    scans,
    sessions,
    throttle,
    tunnels,
    vault,
    visits,
    vpn_orders,
)
from exchange.actors import system

CHORES_EVERY = timedelta(minutes=1)
# Each line is a loop of its own: neither a long inspection, many letters nor a silent VPN server must hold up a
# one-time password; and while one loop is at a large archive, a small one goes through the other.
SLOW_JOBS = (
    (inspections.KIND,),
    (inspections.KIND,),
    (rescans.KIND, scans.DOCUMENT, scans.INSTALLER),
    ("letters",),
    ("installers",),
    ("vpn",),
)
log = logging.getLogger("todoke.worker")
_vault_swept_at = [datetime.min.replace(tzinfo=UTC)]


def handlers(app: Flask) -> dict[str, jobs.Handler]:
    base_url = app.config["BASE_URL"].rstrip("/")
    limits = archives.Limits(packed=app.config["MAX_FILE_BYTES"], unpacked=app.config["MAX_UNPACKED_BYTES"])
    return {
        inspections.KIND: lambda job: inspections.run(system(), int(job.subject), limits, job.progress),
        rescans.KIND: lambda job: rescans.rescan(system(), int(job.subject), limits, job.progress),
        "mail_code": lambda job: onetime.mail_code(system(), int(job.subject)),
        "letters": lambda job: letter_making.make(int(job.subject), base_url, job.progress),
        "installers": lambda job: installer_making.make(int(job.subject), job.progress),
        "vpn": lambda job: activations.settle(system(), int(job.subject)),
        scans.DOCUMENT: lambda job: scans.scan_document(system(), int(job.subject), job.progress),
        scans.INSTALLER: lambda job: scans.scan_installer(system(), int(job.subject), job.progress),
    }


def chores() -> Callable[[], bool]:
    """What the worker does besides jobs: mail at once, housekeeping each minute.

    The answer says whether there was work.
    """
    keep_house_if_due = _each_minute(keep_house)

    def run() -> bool:
        keep_house_if_due()
        return postman.send_due(utc_now())

    return run


def _each_minute(chore: Callable[[datetime], None]) -> Callable[[], bool]:
    """The answer is that there was no work."""
    next_round = [datetime.min.replace(tzinfo=UTC)]

    def run() -> bool:
        now = utc_now()
        if now >= next_round[0]:
            next_round[0] = now + CHORES_EVERY
            chore(now)
        return False

    return run


def _nothing() -> bool:
    return False


def keep_house(now: datetime) -> None:
    _each_for_itself(
        now,
        audit.write_checkpoint_if_due,
        pickups.close_windows,
        throttle.sweep,
        onetime.sweep,
        visits.sweep,
        invitations.sweep,
        sessions.sweep,
        places.end_over,
        letters.erase_over,
        vpn_orders.chase,
        jobs.sweep,
        postman.sweep,
        _sweep_vault,
    )


def have_scanned(now: datetime) -> None:
    """What nobody has scanned yet, or too long ago."""
    _each_for_itself(now, rescans.rescan_old, scans.rescan_old)


def _each_for_itself(now: datetime, *chores: Callable[[datetime], None]) -> None:
    """One that fails must not starve the others."""
    for chore in chores:
        try:
            chore(now)
        except Exception:
            log.exception("a chore failed")


def _sweep_vault(now: datetime) -> None:
    if now - _vault_swept_at[0] >= timedelta(hours=1):
        _vault_swept_at[0] = now
        vault.sweep()


def give_ups() -> dict[str, jobs.GiveUp]:
    """Job kind → what ends the waiting for one that has failed for good."""
    verbs = {
        inspections.KIND: inspections.give_up,
        rescans.KIND: rescans.give_up,
        scans.DOCUMENT: scans.give_up_document,
        scans.INSTALLER: scans.give_up_installer,
        "letters": letter_making.give_up,
        "installers": installer_making.give_up,
    }
    return {kind: lambda subject, verb=verb: verb(system(), int(subject)) for kind, verb in verbs.items()}


def run(app: Flask, stop: threading.Event) -> None:
    """All loops, until told to stop."""
    kits.sweep()
    every = handlers(app)
    # What asks a server that may be silent stands beside the jobs that do so as well.
    beside_jobs = {"vpn": _each_minute(tunnels.sweep), rescans.KIND: _each_minute(have_scanned)}
    loops = [({kind: every[kind] for kind in kinds}, beside_jobs.get(kinds[0], _nothing), stop) for kinds in SLOW_JOBS]
    beside = [
        threading.Thread(target=_loop, args=one, daemon=True, name=f"jobs: {next(iter(one[0]))}") for one in loops
    ]
    for thread in beside:
        thread.start()
    slow = {kind for kinds in SLOW_JOBS for kind in kinds}
    _loop({kind: handler for kind, handler in every.items() if kind not in slow}, chores(), stop)
    for thread in beside:
        thread.join()


def _loop(kinds: dict[str, jobs.Handler], chores: Callable[[], bool], stop: threading.Event) -> None:
    with db.connection_context():
        jobs.loop(kinds, give_ups(), chores, stop)
