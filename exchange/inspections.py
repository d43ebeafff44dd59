"""The inspection job: every upload is opened with the office's 圧縮パスワード, scanned and read to its end before
anyone can approve it.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from database import db, utc_now
from exchange import archive_passwords, archives, audit, judging, other_offices, outbox, scanner, settings
from exchange.actors import Actor
from exchange.zip_findings import Severity
from models import Inspection, Transfer

KIND = Inspection.JOB
STATES = {"accept": "passed", "warn": "warned", "reject": "failed", "quarantined": "quarantined"}
SEVERITIES: dict[str, Severity] = {"refuse": "reject", "warn": "warn", "ignore": "ignore"}
OPEN = ("waiting", "running")
CANCELLABLE = ("uploaded", "approved")  # states of a transfer of which the mail about defects tells to cancel it
COULD_NOT = (
    "サーバーの不具合により、検査を終えられませんでした。"
    "取り消してもう一度アップロードし、続くときは基金事務局へご連絡ください。"
)


def could_not() -> archives.Finding:
    """Of an inspection that could not be done: our server's fault, and refused, since nothing is known of the file."""
    return archives.Finding("NOT_SCANNED", COULD_NOT, None, "reject")


def is_could_not(finding: dict[str, Any]) -> bool:
    """Whether a finding, as a row keeps it, is `could_not`. With the same code a scanner that was away only warns."""
    return finding["code"] == "NOT_SCANNED" and finding.get("severity") == "reject"


def run(actor: Actor, transfer_id: int, limits: archives.Limits, progress: Callable[[int, int], None]) -> None:
    """Inspect one transfer and tell who waits for it. Run again after a crash it does the same; once over, nothing."""
    transfer = Transfer.get_by_id(transfer_id)
    if transfer.inspection.is_over:
        return
    Inspection.update(state="running").where(Inspection.transfer == transfer, Inspection.state << OPEN).execute()
    password = archive_passwords.reveal(transfer.archive_password)
    _conclude(
        actor,
        transfer,
        judging.judge(transfer.stored, password, limits, policy(), scanner.address(), progress),
    )


def policy() -> archives.Policy:
    """What the fund has decided about each check."""
    decided = settings.every()
    return {check: SEVERITIES[decided[check]] for check in archives.CHECKS}


def give_up(actor: Actor, transfer_id: int) -> None:
    """The inspection could not be done, whatever was tried: nobody waits for it any longer."""
    transfer = Transfer.get_by_id(transfer_id)
    _conclude(actor, transfer, judging.Judgement(archives.Inspection("reject", (could_not(),), ()), None))


def _conclude(actor: Actor, transfer: Transfer, judged: judging.Judgement) -> None:
    """Only what waits for its verdict gets one; but malware that was found counts even where another run was faster."""
    found = other_offices.added_to(judged.inspection, transfer, policy())
    codes = sorted({finding.code for finding in found.findings})
    is_found = "MALWARE" in codes or scanner.is_found(judged.scan)
    verdict = "quarantined" if is_found else found.verdict
    waits = Inspection.state != "quarantined" if is_found else Inspection.state << OPEN
    actor = replace(actor, at=max(actor.at, utc_now()))  # when it ended, not when it began
    with db.atomic():
        concluded = Inspection.update(
            state=STATES[verdict],
            findings=[asdict(one) for one in found.findings],
            entries=[asdict(entry) for entry in found.entries],
            scan=judged.scan,
            finished_at=actor.at,
        ).where(Inspection.transfer == transfer, waits)
        if concluded.execute() != 1:
            return
        facts = {"verdict": verdict, "codes": codes, "scan": scanner.told(judged.scan)}
        audit.record(actor, f"{transfer.direction}.inspected", transfer.uid, transfer.office, **facts)
        _tell(Transfer.get_by_id(transfer.id), verdict)  # it may have been moved while it was judged


def _tell(transfer: Transfer, verdict: str) -> None:
    """Whoever can act on it as it stands now; of what was cancelled meanwhile only a virus concerns anybody."""
    if verdict == "quarantined":
        outbox.quarantined(transfer)
    elif verdict == "reject":
        if transfer.state in CANCELLABLE:
            outbox.inspection_failed(transfer)
    elif transfer.is_filing and transfer.state == "uploaded":
        outbox.approval_wanted(transfer)
