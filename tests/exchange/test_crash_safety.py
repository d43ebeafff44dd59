"""kill -9 in the middle of the work: no row without its whole file, nothing told and then missing, nothing twice."""

import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from database import db
from exchange import audit, transfers, vault
from exchange.actors import Actor
from models import AuditEntry, Inspection, Job, Membership, Transfer
from tests.people import Cast, uploads
from tests.processes import IS_SOAK, alone, kill

TRIALS = 200 if IS_SOAK else 10
ROOT = Path(__file__).resolve().parent.parent.parent
Property = Callable[[str, object], None]


def upload_until_killed(line: Connection, seed: int) -> None:
    """Upload, cancel, upload again …; say each thing only when it is done."""
    hanako, sizes = Actor(Membership.get(Membership.login_id == "srHanako1")), random.Random(seed)
    for number in count():
        data = sizes.randbytes(sizes.choice((10, 1000, 70_000, 300_000)))
        transfer = uploads(hanako, data, token=f"{seed}/{number}")
        line.send(("uploaded", transfer.uid, transfer.sha256))
        if number % 3 == 0:
            transfers.cancel(hanako, transfer)
            line.send(("cancelled", transfer.uid, transfer.sha256))


def told_before_the_kill(instance: Path, seed: int, seconds: float) -> list[tuple[str, str, str]]:
    told = []
    with alone(instance, upload_until_killed, seed) as (process, ear):
        told.append(ear.recv())
        time.sleep(seconds)  # the moment of the kill is the experiment, not a wait for something
        kill(process)
        while ear.poll():
            try:
                told.append(ear.recv())
            except (EOFError, OSError):  # the last word was cut off
                break
    return told


def test_a_kill_leaves_no_row_without_its_file_and_loses_nothing_told(
    cast: Cast, instance: Path, record_property: Property
) -> None:
    chance, told = random.Random(20261124), []
    for seed in range(TRIALS):
        told += told_before_the_kill(instance, seed, chance.uniform(0, 0.08))
        report = vault.check(is_deep=seed == TRIALS - 1 or not IS_SOAK)
        assert report.is_sound, (seed, report)
    rows = {row.uid: row for row in Transfer.select()}
    assert [one for one in told if one[1] not in rows or rows[one[1]].sha256 != one[2]] == []
    assert all(rows[uid].state == "cancelled" for what, uid, _ in told if what == "cancelled")
    figures = f"{len(told)} acts told, none lost; {len(report.orphans)} orphans, {report.unfinished} unfinished files"
    record_property(f"{TRIALS} kill -9 trials", figures)
    assert_whole()
    assert vault.sweep(older_than=-1) == len(report.orphans) + report.unfinished
    assert vault.check() == vault.Report(len(rows), (), (), (), 0)


def assert_whole() -> None:
    """Each transfer has one inspection, one job, one entry; the trail and the database are sound."""
    uploaded = Transfer.select().count()
    assert Inspection.select().count() == uploaded
    assert Job.select().where(Job.kind == "inspect").count() == uploaded
    assert AuditEntry.select().where(AuditEntry.action == "filing.uploaded").count() == uploaded
    cancelled = Transfer.select().where(Transfer.state == "cancelled").count()
    assert AuditEntry.select().where(AuditEntry.action == "filing.cancelled").count() == cancelled
    assert audit.verify().is_sound
    assert db.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute_sql("PRAGMA foreign_key_check").fetchall() == []


UPLOAD_ONCE = """
import os, sys
from pathlib import Path
from exchange import installation
from exchange.actors import Actor
from database import db
from models import Membership
from tests.people import uploads
from tests.processes import post
installation.open_installation(Path(sys.argv[1]), post())
with db.connection_context():
    hanako = Actor(Membership.get(Membership.login_id == "srHanako1"))
    for number in range(3):
        os.write(1, b"BEFORE THE UPLOAD")
        uploads(hanako, bytes(200_000), token=f"traced {number}")
        os.write(1, b"THE ANSWER")
"""


def test_data_name_and_row_reach_the_disk_in_this_order_before_the_answer(
    cast: Cast, instance: Path, tmp_path: Path
) -> None:
    """Of an upload: fsync of the file < rename < fsync of the folder < sync of the database < the answer."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "strace.log"
    calls = "trace=fsync,fdatasync,rename,write"
    subprocess.run(
        [strace, "-f", "-y", "-e", calls, "-o", log, sys.executable, "-c", UPLOAD_ONCE, instance],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert Transfer.select().where(Transfer.token.startswith("traced")).count() == 3
    found = orders(log.read_text())
    assert found == [["part", "renamed", "folder", "database", "answer"]] * 3


def orders(log: str) -> list[list[str]]:
    """What of the five happened in each upload, in order, each counted once at its first time."""
    marks = {
        "part": r"f(data)?sync\(\d+<[^>]*/incoming/[^>]*\.part>",
        "renamed": r"rename\(\"[^\"]*/incoming/[^\"]*\", \"[^\"]*/objects/",
        "folder": r"f(data)?sync\(\d+<[^>]*/vault/objects>",
        "database": r"f(data)?sync\(\d+<[^>]*\.sqlite(-wal)?>",
        "answer": r"write\(1<[^>]*>, \"THE ANSWER",
    }
    found: list[list[str]] = []
    for line in log.splitlines():
        if "BEFORE THE UPLOAD" in line:
            found.append([])
        for mark, pattern in marks.items():
            if found and mark not in found[-1] and re.search(pattern, line):
                found[-1].append(mark)
    return found
