"""A judge that an archive has taken over can reach nothing but its own archive and clamd."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exchange import judging, walls
from tests.clamd import Odd, says
from tests.exchange.archive_writer import Item, made
from tests.exchange.judge_taken_over import DONE
from tests.exchange.judges import codes, judged, kept
from tests.people import Cast

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = "the kernel has no Landlock, or one that is too old"
TRY_AS = """
import json, sys
from exchange import walls
from tests.exchange.judge_taken_over import tries
known = int(sys.argv[1])
walls.version = lambda: known
walls.shut()
print(json.dumps(tries(json.loads(sys.argv[2]))))
"""
FILES = {
    *("read what everybody may", "read the database", "read what its parent knows", "list a folder"),
    *("write into a file", "make a file", "make a folder", "make a link", "rename a file", "remove a file"),
    *("run a program",),
}
CUTTING = {"cut a file"}
CONNECTING = {"connect to another port", "listen on a port"}
SIGNALS = {"signal its parent", "signal the server", "connect to an abstract socket"}

needs_walls = pytest.mark.skipif(walls.version() < walls.WHOLE, reason=SKIPPED)


@pytest.fixture
def at(instance: Path, cast: Cast, tmp_path: Path) -> Any:
    """Where to try; all of it is there."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_bytes(b"x")
    name = f"\0todoke-{os.getpid()}"
    with socket.create_server(("127.0.0.1", 0)) as other, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(name)
        abstract.listen()
        yield {
            "folder": str(folder),
            "database": str(instance / "exchange.sqlite"),
            "server": os.getpid(),
            "other_port": other.getsockname()[1],
            "abstract": name,
        }


@needs_walls
def test_a_judge_that_was_taken_over_reaches_nothing_but_clamd(
    at: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = kept(made(Item("届書.csv")))
    with Odd(says(b"stream: OK\0")).listening() as odd, monkeypatch.context() as taken_over:
        taken_over.setattr(judging, "PROGRAM", "tests.exchange.judge_taken_over")
        judging._room.close()
        told = json.dumps({**at, "port": int(odd.address.rpartition(":")[2])})
        entries = judged(archive, password=told, clamd=odd.address).inspection.entries
        judging._room.close()
    outcomes = dict(entry.name.split(": ") for entry in entries)
    assert outcomes.pop("connect to clamd") == DONE
    assert (outcomes.pop("dumpable"), outcomes.pop("no new privileges")) == ("0", "1")
    assert outcomes.keys() == FILES | CUTTING | CONNECTING | SIGNALS
    assert DONE not in outcomes.values(), outcomes


@needs_walls
@pytest.mark.parametrize(
    ("version", "shut"),
    [(0, set()), (1, FILES), (3, FILES | CUTTING), (5, FILES | CUTTING | CONNECTING)],
)
def test_an_older_kernel_shuts_what_it_can_and_one_without_landlock_nothing(
    at: dict[str, Any], version: int, shut: set[str]
) -> None:
    command = [sys.executable, "-c", TRY_AS, str(version), json.dumps(at)]
    # With none it does all that a judge was tried with.
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {name for name, outcome in json.loads(told).items() if outcome != DONE} == shut


def test_a_clamd_that_has_a_name_is_found_although_no_name_can_be_looked_up_behind_the_walls(cast: Cast) -> None:
    with Odd(says(b"stream: OK\0")).listening() as odd:
        judgement = judged(kept(made(Item("届書.csv"))), clamd=odd.address.replace("127.0.0.1", "localhost"))
    assert (judgement.inspection.verdict, codes(judgement)) == ("accept", [])
    assert judgement.scan is not None
    assert (judgement.scan["verdict"], judgement.scan["engine"]) == ("clean", "ClamAV 1.4.6")
