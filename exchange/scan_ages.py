"""When what the scanner has said of something is too old, when to ask it again, and what of it is news: the same for
transfers as for what lies at the download counter.
"""

from datetime import datetime, timedelta
from typing import Any

from database import utc_now
from exchange import jobs, scanner, settings
from models import Job, Transfer

ALARM = timedelta(days=1)  # after which a finding is looked at with newer signatures
AGAIN = timedelta(minutes=10)  # after which a scan that didn't come about is tried again
REST = timedelta(days=1)  # after a job that has failed for good, of bytes that can't be read say
AT_WORK = ("uploaded", "approved", "delivered", "requested")  # somebody is about to need the bytes
WATCHED = timedelta(days=90)  # after its delivery: who has it is told of a virus that was unknown then


def concerns(at: datetime) -> Any:
    """The condition that what is in a transfer still concerns somebody: about to be needed, or received lately."""
    is_watched = (Transfer.state == "received") & (Transfer.delivered_at > at - WATCHED)
    return (Transfer.state << AT_WORK) | is_watched


def lasts() -> timedelta:
    """How long a scan counts, as the fund has decided."""
    return timedelta(days=settings.get("rescan_days"))


def asked(at: datetime, *kinds: str) -> Any:
    """Jobs of these kinds for whose sake nobody asks again: on their way, or failed for good not long ago."""
    has_failed = (Job.state == "failed") & (Job.created_at > at - REST)
    return Job.select().where(Job.kind << kinds, (Job.state << jobs.LIVE) | has_failed)


def not_scanned(why: str) -> scanner.Scan:
    """The result where no scanner has said anything."""
    at = utc_now().isoformat(timespec="seconds")
    return {"engine": "", "signatures_at": "", "at": at, "verdict": "not_scanned", "found": [], "why": why}


def is_news(before: scanner.Scan | None, kept: scanner.Scan | None) -> bool:
    """Every look of the scanner's; that it could not look, once. `kept`: what is written down, None where the result
    before stands.
    """
    if kept is None:
        return False
    return kept["verdict"] != "not_scanned" or before is None or before["verdict"] != "not_scanned"


def told(scan: scanner.Scan, found: str) -> dict[str, str]:
    """As the audit keeps it; `found`: what becomes of a thing with malware in it."""
    return {"verdict": found if scanner.is_found(scan) else scan["verdict"], "scan": scanner.told(scan)}
