"""For tests about malware: archives as other programs make them, and inspections as a scanner would have left them."""

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from database import db, utc_now
from exchange import archives, jobs, pickups, rescans, scanner, settings, transfers
from exchange.actors import Actor, system
from models import Inspection, Job, Mail, Transfer
from tests.clamd import NAME
from tests.people import Cast, filing, statement

BY = {"engine": "ClamAV 1.4.6", "signatures_at": "", "at": "2026-11-20T00:00:00+00:00"}
CLEAN = {**BY, "verdict": "clean", "found": []}
FOUND = {**CLEAN, "verdict": "found", "found": [NAME]}
UNREACHABLE = {**CLEAN, "engine": "", "verdict": "not_scanned", "why": "unreachable"}
TOO_BIG = {**UNREACHABLE, "why": "too_big"}

Act = Callable[[Actor, Transfer], Any]


def encrypted(folder: Path, password: str, files: dict[str, bytes], cipher: str) -> bytes:
    """A ZIP by 7-Zip with AES256, or by Info-ZIP with ZipCrypto."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    target = folder / f"{cipher}.zip"
    program = ["zip", "-q", "-P", password] if cipher == "ZipCrypto" else ["7zz", "a", f"-p{password}", "-mem=AES256"]
    subprocess.run([*program, target, *files], cwd=folder, check=True, capture_output=True)
    return target.read_bytes()


def inspected(transfer: Transfer, **columns: Any) -> Transfer:
    """As if its inspection had ended so."""
    Inspection.update(**columns).where(Inspection.transfer == transfer).execute()
    return Transfer.get_by_id(transfer.id)


def quarantined(transfer: Transfer) -> Transfer:
    finding = {"code": "MALWARE", "message": "ウイルスが見つかりました", "entry": None, "severity": "reject"}
    return inspected(transfer, state="quarantined", scan=FOUND, findings=[finding])


def aged(transfer: Transfer, days: float = 8, **columns: Any) -> Transfer:
    """As if it had been scanned so long ago."""
    return inspected(transfer, **{"scan": CLEAN, "finished_at": utc_now() - timedelta(days=days), **columns})


def requested(cast: Cast) -> Transfer:
    paper = statement(cast, "delivered")
    pickups.request_pickup(cast.hanako, paper)
    return paper


def opened(actor: Actor, transfer: Transfer) -> bytes:
    return b"".join(pickups.open_entry(actor, transfer, 0, archives.Limits()))


# What hands bytes on, or prepares it: a transfer in the right state, whose act it is, the act, and its button.
USES: dict[str, tuple[Callable[[Cast], Transfer], str, Act, str]] = {
    "deliver": (lambda cast: filing(cast, "approved"), "taro", transfers.deliver, "deliver"),
    "approve and deliver": (filing, "taro", transfers.approve_and_deliver, "approve_and_deliver"),
    "deliver a statement": (lambda cast: statement(cast, "approved"), "kiku", transfers.deliver, "deliver"),
    "download": (requested, "hanako", pickups.download, "download"),
    "the office's copy": (filing, "jun", pickups.copy, ""),
    "the fund's copy": (lambda cast: filing(cast, "received"), "kiku", pickups.copy, ""),
    "a copy of a statement": (statement, "kiku", pickups.copy, ""),
    "open one file": (lambda cast: filing(cast, "received"), "kiku", opened, ""),
}


def decide(**values: Any) -> None:
    with db.atomic():
        for key, value in values.items():
            settings.put(key, value)


def asked() -> list[int]:
    """Transfers that are to be scanned again, in the order of asking."""
    live = Job.select().where(Job.kind == "rescan", Job.state << jobs.LIVE).order_by(Job.id)
    return [int(job.subject) for job in live]


def finished(transfer: Transfer) -> Transfer:
    """The job that was asked for is over."""
    Job.update(state="done").where(Job.kind == "rescan", Job.subject == str(transfer.id)).execute()
    return transfer


def rescan(transfer: Transfer, at: str | None = None) -> Inspection:
    """What the job does, by the clamd at that address."""
    if at is not None:
        scanner.configure(at)
    rescans.rescan(system(), transfer.id, archives.Limits(), lambda done, total: None)
    return Inspection.get(Inspection.transfer == transfer)


def codes(transfer: Transfer) -> list[str]:
    return [one["code"] for one in Inspection.get(Inspection.transfer == transfer).findings]


def mailed(transfer: Transfer) -> set[tuple[str, str]]:
    """(kind of mail, login ID of one place of the person) about its quarantine."""
    about = Mail.select().where(Mail.transfer == transfer, Mail.kind.startswith("quarantined"))
    return {(mail.kind, mail.to_user.memberships.get().login_id) for mail in about}
