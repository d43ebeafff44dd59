"""Bytes that nobody can read any more: their scans come to rest, and so does the page about the box's health."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import work
from database import utc_now
from exchange import jobs, rescans, scan_ages, scanner, scans
from exchange.actors import system
from models import AuditEntry, Inspection, Job, StoredObject
from tests.clamd import NAME, Odd, says
from tests.exchange.scanning import FOUND, aged
from tests.exchange.test_documents import publishes
from tests.exchange.test_installers import uploads, vacant
from tests.people import Cast, filing

KINDS = (rescans.KIND, scans.DOCUMENT, scans.INSTALLER)
TRIES = len(jobs.BACK_OFF) + 1


@pytest.fixture(autouse=True)
def scanning(cast: Cast) -> Iterator[None]:  # noqa: ARG001
    with Odd(says(b"stream: OK\0")).listening() as odd:
        scanner.configure(odd.address)
        yield
    scanner.configure("")


def damaged(instance: Path, stored: StoredObject) -> None:
    path = instance / "vault" / "objects" / stored.uid
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def asked() -> list[tuple[str, str]]:
    rows = Job.select().where(Job.kind << KINDS).order_by(Job.id)
    return [(job.kind, job.state) for job in rows]


def works(app: Flask, at: datetime) -> None:
    """The chore, and what it asks for until it has failed for good."""
    work.have_scanned(at)
    handlers = {kind: work.handlers(app)[kind] for kind in KINDS}
    for hour in range(1, TRIES + 1):
        while jobs.run_one(handlers, at + timedelta(hours=1.1 * hour), work.give_ups()):
            pass


def test_what_cannot_be_read_is_tried_again_once_a_day_and_not_at_once(app: Flask, cast: Cast, instance: Path) -> None:
    transfer, document = aged(filing(cast)), publishes(cast.kiku)
    installer = uploads(cast.dai, vacant(cast.abc))
    for row in (transfer, document, installer):
        damaged(instance, row.stored)
    Job.delete().execute()
    now = utc_now()
    for _ in range(3):
        works(app, now)
    assert asked() == [(kind, "failed") for kind in KINDS]
    scan = Inspection.get(Inspection.transfer == transfer).scan
    assert [scan["why"], *(type(row).get_by_id(row.id).scan["why"] for row in (document, installer))] == ["broken"] * 3
    work.have_scanned(now + scan_ages.REST + timedelta(minutes=1))
    assert sorted(asked()) == sorted((kind, state) for kind in KINDS for state in ("failed", "waiting"))


def test_the_failure_is_counted_once_and_no_longer_once_it_is_put_right(app: Flask, cast: Cast, instance: Path) -> None:
    document = publishes(cast.kiku)
    damaged(instance, document.stored)
    Job.delete().execute()
    works(app, utc_now())
    assert jobs.late(utc_now()) == 1
    Job.create(kind=scans.DOCUMENT, subject=str(document.id), state="done")
    assert jobs.late(utc_now()) == 0


@pytest.mark.parametrize("before", [None, {**FOUND, "found": [NAME]}])
def test_giving_up_is_told_once_and_forgets_no_finding(cast: Cast, before: dict[str, Any] | None) -> None:
    document, installer = publishes(cast.kiku), uploads(cast.dai, vacant(cast.abc))
    for row in (document, installer):
        type(row).update(scan=before).execute()
    for _ in range(2):
        scans.give_up_document(system(), document.id)
        scans.give_up_installer(system(), installer.id)
    verdict = "found" if before else "not_scanned"
    assert [type(row).get_by_id(row.id).scan["verdict"] for row in (document, installer)] == [verdict] * 2
    told = AuditEntry.select().where(AuditEntry.action.endswith(".scanned")).order_by(AuditEntry.number)
    expected = [] if before else [("document.scanned", "not_scanned"), ("installer.scanned", "not_scanned")]
    assert [(entry.action, entry.details["verdict"]) for entry in told] == expected
    scans.give_up_document(system(), 0)
    scans.give_up_installer(system(), 0)
    assert told.count() == len(expected)
