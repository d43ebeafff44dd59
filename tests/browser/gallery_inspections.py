"""Documents in every state that an inspection and its scan for malware can leave them in."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from database import utc_now
from exchange import archives, pickups, rescans, scanner
from exchange.actors import system
from models import Inspection, Job, Transfer
from tests import clamd
from tests.exchange.scanning import inspected
from tests.people import Cast, aes_zip, filing, inspect, statement, uploads

VIRUS = "Win.Test.Mihon-1"
# What all filings and statements of the cast hold: a scanner that knows these finds a virus in each of them.
CONTENTS = {VIRUS: "甲野".encode("cp932"), "Pdf.Test.Mihon-2": b"%PDF-1.7"}


def furnish_inspections(cast: Cast, work: Path, address: str) -> dict[str, str]:
    """Name → uid. `address`: of a clamd that finds nothing; "" where there is none."""
    made = {f"scanned {name}": transfer for name, transfer in _one_of_each(cast).items()}
    quarantined = {f"quarantined {name}": transfer for name, transfer in _one_of_each(cast).items()}
    with _knowing(work, address):
        for transfer in quarantined.values():
            _rescan(transfer)
    with _scanner("" if not address else str(work / "nobody")):
        made |= {"unscanned filing": filing(cast), "unscanned statement": statement(cast)}
        made["unscanned delivered filing"] = filing(cast, "delivered")
    made["many files"] = inspect(uploads(cast.hanako, aes_zip(cast.archive_password, _many())))
    if address:
        made |= _rescanning(cast)
    return {name: transfer.uid for name, transfer in (made | quarantined).items()}


def _one_of_each(cast: Cast) -> dict[str, Transfer]:
    made = {f"{state} filing": filing(cast, state) for state in ("uploaded", "delivered", "received")}
    made |= {f"{state} statement": statement(cast, state) for state in ("uploaded", "delivered")}
    made["received statement"] = statement(cast, "delivered")
    pickups.request_pickup(cast.taro, made["received statement"])
    for _ in pickups.download(cast.taro, made["received statement"]):
        pass
    return made


def _many() -> dict[str, bytes]:
    return {f"支店別/{number:02}_被保険者資格取得届.csv": b"1,2,3\r\n" * number for number in range(1, 31)}


def _rescanning(cast: Cast) -> dict[str, Transfer]:
    """Asked for once more, where no worker runs: one waits, one is at work, one will be tried again."""
    made = {name: filing(cast, "delivered") for name in ("rescan waiting", "rescan running", "rescan again")}
    for transfer in made.values():
        rescans.ask_rescan(cast.taro, inspected(transfer, finished_at=utc_now() - timedelta(days=1)))
    _job(made["rescan running"], state="running", done=1_234_567, total=4_000_000)
    _job(made["rescan again"], tries=2, due_at=utc_now())
    return made


def _job(transfer: Transfer, **columns: Any) -> None:
    Job.update(**columns).where(Job.kind == rescans.KIND, Job.subject == str(transfer.id)).execute()


def _rescan(transfer: Transfer) -> None:
    if scanner.is_configured():
        rescans.rescan(system(), transfer.id, archives.Limits(), lambda done, total: None)
        return
    # What a scanner would have left, where none is installed.
    at = utc_now().isoformat(timespec="seconds")
    scan = {"engine": "ClamAV 1.4.3", "signatures_at": at, "at": at, "verdict": "found", "found": [VIRUS]}
    Inspection.update(state="quarantined", scan=scan).where(Inspection.transfer == transfer).execute()


@contextmanager
def _knowing(work: Path, address: str) -> Iterator[None]:
    """A scanner that has learnt of viruses since."""
    if not address:
        yield
        return
    with clamd.running(work / "knowing", CONTENTS) as knowing, _scanner(knowing):
        yield


@contextmanager
def _scanner(address: str) -> Iterator[None]:
    before = scanner.address()
    scanner.configure(address)
    yield
    scanner.configure(before)
