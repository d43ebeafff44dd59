"""kill -9 in the middle of inspecting: the work is done again, and nothing of the document was ever on a disk."""

import multiprocessing.util
import os
import subprocess
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from flask import Flask

import work
from database import utc_now
from exchange import archives, inspections, jobs, scanner
from exchange.actors import system
from models import Inspection, Job, Transfer
from tests.clamd import Odd, hangs
from tests.exchange.judges import MB, Once, ends, kill, room
from tests.people import Cast, aes_zip, uploads
from tests.processes import IS_SOAK, alone

PIECE = 64 * 1024
SIZE = (192 if IS_SOAK else 8) * MB
TRIALS = 20 if IS_SOAK else 2
CANARY = b"<<kanaria:" + os.urandom(16).hex().encode() + b">>"
# Doesn't shrink, and has the canary in every piece, so that any piece left in clear is found.
BLOCK = b"".join(CANARY + os.urandom(PIECE - len(CANARY)) for _ in range(16))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary folder for this test and whatever it starts."""
    multiprocessing.util.get_temp_dir()  # the test's own sockets stay where their names are short enough
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.fixture
def transfer(cast: Cast) -> Transfer:
    return uploads(cast.hanako, aes_zip(cast.archive_password, {"名簿.dat": BLOCK * (SIZE // len(BLOCK))}))


def work_until_killed(line: Connection, folder: str, clamd: str) -> None:
    """What the worker does with the job, up to the first word of its judge; then its processes are told."""
    os.environ["TMPDIR"], tempfile.tempdir = folder, None
    scanner.configure(clamd)

    def tell(judge: int) -> None:
        line.send([judge, room()])
        threading.Event().wait()

    handle = {"inspect": lambda job: inspections.run(system(), int(job.subject), archives.Limits(), Once(tell))}
    jobs.run_one(handle, utc_now())


def holders(*folders: Path) -> list[str]:
    """Files that hold the canary in clear. Another process looks: this one has the database open, and its locks would
    go with the first file of it that it closes.
    """
    found = subprocess.run(["grep", "-rlaF", "-e", CANARY, *folders], capture_output=True, text=True)
    assert found.returncode in (0, 1), found.stderr
    return found.stdout.splitlines()


def test_a_killed_inspection_is_done_again_and_leaves_nothing_in_clear(
    app: Flask, instance: Path, transfer: Transfer, temporary: Path
) -> None:
    for _ in range(TRIALS):
        # As often as one likes; a job that only ever dies is given up after a few.
        Job.update(state="waiting", due_at=utc_now(), tries=0).where(Job.kind == "inspect").execute()
        with (
            Odd(hangs).listening() as odd,
            alone(instance, work_until_killed, str(temporary), odd.address) as (process, ear),
        ):
            left = [os.pidfd_open(one) for one in ear.recv()]
            assert process.pid
            assert holders(instance, temporary) == []
            kill(process.pid)
            assert all(ends(one) for one in left)
        assert transfer.inspection.state == "running"
        assert holders(instance, temporary) == []
    assert [path for path in temporary.rglob("*") if path.is_file()] == []

    after_its_lease = utc_now() + jobs.LEASE * 1.1
    assert jobs.run_one(work.handlers(app), after_its_lease, work.give_ups())
    row = Inspection.get(Inspection.transfer == transfer)
    assert row.state in ("passed", "warned")
    assert [entry["size"] for entry in row.entries] == [SIZE]
    assert Job.latest("inspect", str(transfer.id)).state == "done"
    assert holders(instance, temporary) == []


def test_a_file_left_in_clear_would_be_found(instance: Path) -> None:
    (instance / "left.part").write_bytes(BLOCK)
    assert holders(instance) == [str(instance / "left.part")]
