"""The inspection job: every upload is opened with the office's 圧縮パスワード and read to its end before anyone can
approve it.
"""

from collections.abc import Callable
from dataclasses import asdict, replace

from database import db, utc_now
from exchange import archive_passwords, archives, audit, outbox, settings, vault
from exchange.actors import Actor
from models import Inspection, Transfer

STATES = {"accept": "passed", "warn": "warned", "reject": "failed"}
OPEN = ("waiting", "running")
COULD_NOT = (
    "サーバーの不具合により、検査を終えられませんでした。"
    "取り消してもう一度アップロードし、続くときは基金事務局へご連絡ください。"
)


def run(actor: Actor, transfer_id: int, limits: archives.Limits, progress: Callable[[int, int], None]) -> None:
    """Inspect one transfer and tell who waits for it. Run again after a crash it does the same; once over, nothing."""
    transfer = Transfer.get_by_id(transfer_id)
    if transfer.inspection.is_over:
        return
    Inspection.update(state="running").where(Inspection.transfer == transfer, Inspection.state << OPEN).execute()
    password = archive_passwords.reveal(transfer.archive_password)
    with vault.open_stream(transfer.stored) as stream:
        result = archives.inspect(stream, password, limits, on_progress=progress)
    _conclude(actor, transfer, result)


def give_up(actor: Actor, transfer_id: int) -> None:
    """The inspection could not be done, whatever was tried: nobody waits for it any longer."""
    transfer = Transfer.get_by_id(transfer_id)
    finding = archives.Finding("NOT_SCANNED", COULD_NOT, None)
    _conclude(actor, transfer, archives.Inspection("reject", (finding,), ()))


def _conclude(actor: Actor, transfer: Transfer, result: archives.Inspection) -> None:
    codes = sorted({finding.code for finding in result.findings})
    verdict = result.verdict
    actor = replace(actor, at=max(actor.at, utc_now()))  # when it ended, not when it began
    if "ZIPCRYPTO" in codes and settings.get("zipcrypto") == "refuse":
        verdict = "reject"
    with db.atomic():
        concluded = Inspection.update(
            state=STATES[verdict],
            findings=[
                {"code": found.code, "message": found.message, "entry": found.entry} for found in result.findings
            ],
            entries=[asdict(entry) for entry in result.entries],
            finished_at=actor.at,
        ).where(Inspection.transfer == transfer, Inspection.state << OPEN)
        if concluded.execute() != 1:
            return
        facts = {"verdict": verdict, "codes": codes}
        audit.record(actor, f"{transfer.direction}.inspected", transfer.uid, transfer.office, **facts)
        if verdict == "reject":
            outbox.inspection_failed(transfer)
        elif transfer.is_filing and transfer.state == "uploaded":
            outbox.approval_wanted(transfer)
