"""Malware in what lies at the download counter: manuals and installers are scanned as soon as they lie there, and again
before their result is old. One with a finding is withheld until somebody takes it away, or newer signatures clear it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from peewee import fn

from database import db
from equipment import Installer
from exchange import audit, jobs, outbox, scan_ages, scanner, vault
from exchange.actors import Actor
from exchange.errors import Refused
from exchange.zip_findings import Report
from models import Device, Office, StoredObject
from papers import Document

DOCUMENT, INSTALLER = "scan_document", "scan_installer"  # kinds of jobs; the subject is the row's id

WITHHELD = (
    "このファイルは、ウイルス検査で異常が見つかったため、お渡しを止めて点検しています。"
    "すでに保存したファイルがあれば、開かずに削除し、基金事務局へご連絡ください。"
)


# ── for the verbs ──


def ask_document(document: Document) -> None:
    """Have it scanned, where there is a scanner. Inside the verb's transaction."""
    if scanner.is_configured():
        jobs.enqueue(DOCUMENT, str(document.id))


def ask_installer(installer: Installer) -> None:
    """As `ask_document`."""
    if scanner.is_configured():
        jobs.enqueue(INSTALLER, str(installer.id))


def is_found(row: Document | Installer) -> bool:
    """Whether malware was found in it."""
    return scanner.is_found(row.scan)


def require_clean(row: Document | Installer) -> None:
    """Refused for one in which malware was found, as its row is now."""
    if is_found(type(row).get_by_id(row.id)):
        raise Refused(WITHHELD)


# ── jobs ──


def scan_document(actor: Actor, document_id: int, report: Report | None = None) -> None:
    """Nothing for one that is gone; unreadable bytes are the vault's error."""
    document = _document(document_id)
    if document is not None and (scan := _looked_at(document.stored, report)) is not None:
        _conclude_document(actor, document, scan)


def give_up_document(actor: Actor, document_id: int) -> None:
    """It could not be read, whatever was tried: it counts as not scanned."""
    document = _document(document_id)
    if document is not None and _is_there(document.stored):
        _conclude_document(actor, document, scan_ages.not_scanned("broken"))


def scan_installer(actor: Actor, installer_id: int, report: Report | None = None) -> None:
    """As `scan_document`."""
    installer = _installer(installer_id)
    if installer is not None and (scan := _looked_at(installer.stored, report)) is not None:
        _conclude_installer(actor, installer, scan)


def give_up_installer(actor: Actor, installer_id: int) -> None:
    """As `give_up_document`."""
    installer = _installer(installer_id)
    if installer is not None and _is_there(installer.stored):
        _conclude_installer(actor, installer, scan_ages.not_scanned("broken"))


def _document(document_id: int) -> Document | None:
    return Document.select(Document, StoredObject).join(StoredObject).where(Document.id == document_id).first()


def _installer(installer_id: int) -> Installer | None:
    query = Installer.select(Installer, StoredObject, Device, Office).join(StoredObject).switch(Installer)
    return query.join(Device).join(Office).where(Installer.id == installer_id).first()


def _conclude_document(actor: Actor, document: Document, scan: scanner.Scan) -> None:
    with db.atomic():
        before, kept = _put(document, scan)
        if scan_ages.is_news(before, kept):
            facts = scan_ages.told(scan, found="withheld")
            audit.record(actor, "document.scanned", document.uid, label=document.label, **facts)
        if _is_first_finding(before, scan):
            outbox.document_withheld(document, scan["found"])


def _conclude_installer(actor: Actor, installer: Installer, scan: scanner.Scan) -> None:
    device = installer.device
    with db.atomic():
        before, kept = _put(installer, scan)
        if scan_ages.is_news(before, kept):
            facts = scan_ages.told(scan, found="withheld")
            audit.record(actor, "installer.scanned", installer.uid, device.office, slot=device.slot, **facts)
        if _is_first_finding(before, scan):
            outbox.installer_withheld(device, scan["found"])


def rescan_old(at: datetime) -> None:
    """A chore: asks for what nobody has scanned yet, could not be scanned, or was scanned too long ago.

    Nothing while clamd doesn't answer: then it would only be asked in vain for each of them.
    """
    if not scanner.is_configured():
        return
    wanted = [(kind, str(row.id)) for kind, row in _old(at)]
    if not wanted or not scanner.health().is_up:
        return
    with db.atomic():
        there = {(job.kind, job.subject) for job in scan_ages.asked(at, DOCUMENT, INSTALLER)}
        for kind, subject in wanted:
            if (kind, subject) not in there:
                jobs.enqueue(kind, subject)


def _old(at: datetime) -> Iterator[tuple[str, Any]]:
    for kind, model in ((DOCUMENT, Document), (INSTALLER, Installer)):
        rows = model.select(model.id).join(StoredObject).where(StoredObject.erased_at.is_null())
        for row in rows.where(model.withdrawn_at.is_null(), _is_old(model, at)):
            yield kind, row


def _is_old(model: Any, at: datetime) -> Any:
    """As SQL. Moments are compared as the text they are kept as: all are UTC, to the second."""
    verdict, looked = (fn.json_extract(model.scan, f"$.{key}") for key in ("verdict", "at"))
    lifetimes = {"clean": scan_ages.lasts(), "not_scanned": scan_ages.AGAIN, "found": scan_ages.ALARM}
    is_old = model.scan.is_null()
    for word, lifetime in lifetimes.items():
        is_old |= (verdict == word) & (looked < (at - lifetime).isoformat(timespec="seconds"))
    return is_old


def _looked_at(stored: StoredObject, report: Report | None) -> scanner.Scan | None:
    """None where there is nothing to scan, or nothing to scan with."""
    return scanner.scan(_reported(stored, report)) if _is_there(stored) else None


def _is_there(stored: StoredObject) -> bool:
    return stored.sealed_key is not None and scanner.is_configured()


def _reported(stored: StoredObject, report: Report | None) -> Iterator[bytes]:
    done = 0
    for piece in vault.pieces(stored):
        yield piece
        done += len(piece)
        if report is not None:
            report(done, stored.size)


def _put(row: Any, scan: scanner.Scan) -> tuple[scanner.Scan | None, scanner.Scan | None]:
    """Write it down; the result before, and what stands now in its place, None where that is the same one: a finding
    stays until clamd has seen the whole file once more.
    """
    before = type(row).get_by_id(row.id).scan
    if scanner.is_found(before) and scan["verdict"] == "not_scanned":
        return before, None
    type(row).update(scan=scan).where(type(row).id == row.id).execute()
    return before, scan


def _is_first_finding(before: scanner.Scan | None, scan: scanner.Scan) -> bool:
    return scanner.is_found(scan) and not scanner.is_found(before)
