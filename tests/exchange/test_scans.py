"""Manuals and installers are scanned where they lie; one with malware is withheld, and its people are told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from database import utc_now
from equipment import Installer
from exchange import counter, documents, installer_making, jobs, kits, scan_ages, scanner, scans, settings
from exchange.actors import system
from exchange.errors import Refused
from models import AuditEntry, Device, Job, Mail
from papers import Document
from tests import wine
from tests.clamd import EICAR, NAME, Odd, hangs, needs_clamd, running, says
from tests.exchange.test_documents import PDF, STRANGER, publishes, visit_of
from tests.exchange.test_documents import fetches as fetches_document
from tests.exchange.test_installers import EXE, uploads, vacant
from tests.exchange.test_installers import fetches as fetches_installer
from tests.people import Cast, run_jobs

BAD_PDF, BAD_EXE = PDF + EICAR, EXE + EICAR
PHRASE = b"a phrase that one set of signatures knows"


@pytest.fixture(autouse=True)
def _unconfigured(app: Flask) -> Iterator[None]:  # noqa: ARG001
    yield
    scanner.configure("")


@pytest.fixture
def scanning(app: Flask, clamd: str) -> Flask:
    """The site with a scanner."""
    scanner.configure(clamd)
    return app


def published(actor: Any, data: bytes = PDF) -> Document:
    return publishes(actor, data=data, day=date(2026, 11, 1))


def scan_of(row: Any) -> dict[str, Any] | None:
    return type(row).get_by_id(row.id).scan


def verdict_of(row: Any) -> str | None:
    scan = scan_of(row)
    return scan and scan["verdict"]


def put(row: Any, **scan: Any) -> None:
    made = {"engine": "ClamAV 1.4.6", "signatures_at": "", "at": utc_now().isoformat(), "found": [], **scan}
    type(row).update(scan=made).where(type(row).id == row.id).execute()


def logged() -> list[tuple[str, str]]:
    told = AuditEntry.select().where(AuditEntry.action.endswith(".scanned")).order_by(AuditEntry.number)
    return [(entry.action, entry.details["verdict"]) for entry in told]


def mails() -> list[Mail]:
    return list(Mail.select().where(Mail.kind.endswith("_withheld")).order_by(Mail.id))


def ordered() -> list[tuple[str, str]]:
    kinds = (scans.DOCUMENT, scans.INSTALLER)
    return [(job.kind, job.subject) for job in Job.select().where(Job.kind << kinds, Job.state << jobs.LIVE)]


def looks_again(app: Flask, after: timedelta) -> None:
    """What the chore asks for so much later, and its jobs."""
    scans.rescan_old(utc_now() + after)
    run_jobs(app)


# ── as soon as they lie there ──


def test_without_a_scanner_nothing_happens_and_nothing_is_claimed(app: Flask, cast: Cast) -> None:
    document = published(cast.kiku, BAD_PDF)
    scans.rescan_old(utc_now())
    assert ordered() == []
    run_jobs(app)
    assert (scan_of(document), logged()) == (None, [])
    assert fetches_document(cast.abc, document) == BAD_PDF


def test_a_manual_is_scanned_after_it_was_published(scanning: Flask, cast: Cast) -> None:
    document = published(cast.kiku)
    assert (scan_of(document), ordered()) == (None, [(scans.DOCUMENT, str(document.id))])
    run_jobs(scanning)
    scan = scan_of(document)
    assert scan is not None
    assert (scan["verdict"], scan["found"]) == ("clean", [])
    assert scan["engine"].startswith("ClamAV ")
    entry = AuditEntry.select().where(AuditEntry.action == "document.scanned").get()
    assert entry.details == {"label": document.label, "verdict": "clean", "scan": scan["engine"]}
    assert fetches_document(cast.abc, document) == PDF


def test_an_installer_is_scanned_after_it_was_uploaded(scanning: Flask, cast: Cast) -> None:
    installer = uploads(cast.dai, vacant(cast.abc))
    run_jobs(scanning)
    assert verdict_of(installer) == "clean"
    assert logged() == [("installer.scanned", "clean")]
    assert fetches_installer(cast.abc) == EXE


@wine.needs_makensis
def test_an_installer_that_the_server_built_is_scanned_like_any_other(scanning: Flask, cast: Cast) -> None:
    kits.configure(replace(kits._shop(), makensis="makensis"))
    installer_making.order(cast.kiku, cast.xyz, [vacant(cast.xyz)])
    run_jobs(scanning)
    installer = Installer.get()
    assert (installer.is_built, verdict_of(installer)) == (True, "clean")


# ── a finding ──


def test_a_manual_with_malware_is_withheld_and_its_clerks_are_told(scanning: Flask, cast: Cast) -> None:
    document, clean = published(cast.kiku, BAD_PDF), publishes(cast.kiku, "別の手順書")
    run_jobs(scanning)
    assert (verdict_of(document), verdict_of(clean)) == ("found", "clean")
    offer, other = counter.offers(cast.abc)[:2]
    assert (offer.is_withheld, other.is_withheld) == (True, False)
    with pytest.raises(Refused, match="点検しています"):
        counter.fetch(STRANGER, visit_of(cast.abc), offer)
    with pytest.raises(Refused, match="点検しています"):
        documents.read(cast.kiku, document)
    assert not AuditEntry.select().where(AuditEntry.action == documents.FETCHED).exists()
    assert fetches_document(cast.abc, clean) == PDF
    assert ("document.scanned", "withheld") in logged()
    told = mails()
    assert cast.member("kiku").user in [mail.to_user for mail in told]
    assert {mail.kind for mail in told} == {"document_withheld"}
    assert all(mail.facts["found"] == [NAME] for mail in told)


def test_an_installer_with_malware_is_withheld_and_the_desk_is_told(scanning: Flask, cast: Cast) -> None:
    device = vacant(cast.abc)
    installer = uploads(cast.dai, device, BAD_EXE)
    run_jobs(scanning)
    assert verdict_of(installer) == "found"
    with pytest.raises(Refused, match="点検しています"):
        fetches_installer(cast.abc)
    assert Device.get_by_id(device.id).state == "issued", "nobody has got it"
    assert Installer.get_by_id(installer.id).fetched_at is None
    assert [mail.to_user for mail in mails()] == [cast.member("dai").user]
    uploads(cast.dai, device, EXE)
    run_jobs(scanning)
    assert fetches_installer(cast.abc) == EXE


def test_malware_that_is_found_between_list_and_click_is_not_handed_out(cast: Cast, clamd: str) -> None:
    document = published(cast.kiku, BAD_PDF)
    offer = counter.offers(cast.abc)[0]
    assert not offer.is_withheld
    scanner.configure(clamd)
    scans.scan_document(system(), document.id)
    with pytest.raises(Refused, match="点検しています"):
        counter.fetch(STRANGER, visit_of(cast.abc), offer)


def test_a_job_that_runs_again_tells_nobody_twice(scanning: Flask, cast: Cast) -> None:
    document = published(cast.kiku, BAD_PDF)
    run_jobs(scanning)
    before = len(mails())
    scans.scan_document(system(), document.id)
    assert len(mails()) == before > 0


@needs_clamd
def test_a_false_alarm_ends_with_newer_signatures(app: Flask, cast: Cast, clamd: str, tmp_path: Path) -> None:
    with running(tmp_path, {"Ours.Phrase": PHRASE}) as hasty:
        scanner.configure(hasty)
        document = published(cast.kiku, PDF + PHRASE)
        run_jobs(app)
        assert scan_of(document)["found"] == ["Ours.Phrase.UNOFFICIAL"]  # type: ignore[index]
    scanner.configure(clamd)
    looks_again(app, timedelta(hours=1))
    assert verdict_of(document) == "found", "not so soon"
    looks_again(app, scan_ages.ALARM + timedelta(minutes=1))
    assert verdict_of(document) == "clean"
    assert fetches_document(cast.abc, document) == PDF + PHRASE
    assert [verdict for _, verdict in logged()] == ["withheld", "clean"]


def test_malware_that_newer_signatures_know_is_found_where_it_lies(app: Flask, cast: Cast, clamd: str) -> None:
    document = published(cast.kiku, BAD_PDF)
    put(document, verdict="clean")
    scanner.configure(clamd)
    looks_again(app, timedelta(days=settings.get("rescan_days"), minutes=1))
    assert verdict_of(document) == "found"
    assert len(mails()) > 0


# ── no scanner for a while ──


def test_what_could_not_be_scanned_is_scanned_once_clamd_is_back(app: Flask, cast: Cast, clamd: str) -> None:
    scanner.configure("/nowhere/clamd.ctl")
    document, installer = published(cast.kiku), uploads(cast.dai, vacant(cast.abc), BAD_EXE)
    run_jobs(app)
    assert (scan_of(document) or {}).get("why") == "unreachable"
    assert verdict_of(installer) == "not_scanned"
    assert fetches_document(cast.abc, document) == PDF, "未検査 is said, and it is handed out"
    looks_again(app, scan_ages.AGAIN + timedelta(minutes=1))
    assert verdict_of(document) == "not_scanned", "while clamd is away nothing is even asked for"
    assert Job.select().where(Job.kind == scans.DOCUMENT).count() == 1
    scanner.configure(clamd)
    looks_again(app, scan_ages.AGAIN + timedelta(minutes=1))
    assert (verdict_of(document), verdict_of(installer)) == ("clean", "found")
    assert [verdict for _, verdict in logged()] == ["not_scanned", "not_scanned", "clean", "withheld"]


def test_a_scanner_that_says_nothing_of_use_clears_nobody(app: Flask, cast: Cast) -> None:
    document = published(cast.kiku, BAD_PDF)
    put(document, verdict="found", found=[NAME])
    with Odd(says(b"stream: OK")).listening() as odd:
        scanner.configure(odd.address)
        looks_again(app, scan_ages.ALARM + timedelta(minutes=1))
        assert odd.connections == 3, "how it is, its version, and the file"
    assert verdict_of(document) == "found"


def test_one_that_could_not_be_scanned_is_logged_once(app: Flask, cast: Cast) -> None:
    document = published(cast.kiku)
    with Odd(says(b"")).listening() as odd:
        scanner.configure(odd.address)
        for _ in range(3):
            scans.scan_document(system(), document.id)
    assert verdict_of(document) == "not_scanned"
    assert logged() == [("document.scanned", "not_scanned")]
    assert Job.select().where(Job.kind == scans.DOCUMENT).count() == 0


def test_a_silent_scanner_holds_the_chore_up_for_seconds_only(
    app: Flask, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanner, "HEALTH_SECONDS", 0.2)
    for number in range(5):
        publishes(cast.kiku, f"手順書{number}", data=PDF + b"%d" % number)
    with Odd(hangs, version=b"ClamAV").listening() as odd:
        scanner.configure(odd.address)
        scans.rescan_old(utc_now())
        assert (odd.connections, ordered()) == (1, [])


# ── which of them ──


def test_the_chore_asks_for_what_is_due_once_and_for_nothing_else(app: Flask, cast: Cast, clamd: str) -> None:
    never, fresh, gone = (publishes(cast.kiku, f"手順書{name}", data=PDF + name.encode()) for name in "123")
    put(fresh, verdict="clean")
    documents.withdraw(cast.kiku, gone)
    installer = uploads(cast.dai, vacant(cast.abc))
    scanner.configure(clamd)
    for _ in range(2):
        scans.rescan_old(utc_now())
        assert ordered() == [(scans.DOCUMENT, str(never.id)), (scans.INSTALLER, str(installer.id))]
    run_jobs(app)
    scans.rescan_old(utc_now())
    assert ordered() == []
    scans.rescan_old(utc_now() + timedelta(days=settings.get("rescan_days"), minutes=1))
    assert len(ordered()) == 3


def test_what_is_gone_is_not_scanned(scanning: Flask, cast: Cast) -> None:
    device = vacant(cast.abc)
    installer = uploads(cast.dai, device)
    uploads(cast.dai, device, EXE + b"newer")
    run_jobs(scanning)
    assert scan_of(installer) is None, "its bytes are erased"
    scans.scan_installer(system(), 0)
    scans.scan_document(system(), 0)
    assert logged() == [("installer.scanned", "clean")]
