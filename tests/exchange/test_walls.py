"""A judge that an archive has taken over can reach nothing but its own archive and clamd."""

import errno
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
SKIPPED = "the kernel has no Landlock, or one that is too old, or no filter is known for its processor"
TRY_AS = """
import json, sys
from exchange import walls
from tests.exchange.judge_taken_over import tries
known = int(sys.argv[1])
walls.version = lambda: known
if sys.argv[2] == "unknown":
    walls.processor = lambda: None
walls.shut()
print(json.dumps(tries(json.loads(sys.argv[3]))))
"""
FILES = {
    *("read what everybody may", "read the database", "read what its parent knows", "list a folder"),
    *("write into a file", "make a file", "make a folder", "make a link", "rename a file", "remove a file"),
    *("run a program",),
}
CUTTING = {"cut a file"}
CONNECTING = {"connect to another port", "bind a port"}
SCOPES = {"signal its parent", "signal the server", "connect to an abstract socket"}
FILTERED = {
    *("change a file's mode", "change a file's owner", "change a file's times", "change a file's attributes"),
    *("become a program", "fork", "outlive its parent", "reach into memory", "leave shared memory", "unshare"),
    *("read the server's limits", "set the server's priority", "set the server's processors"),
    *("set the server's scheduling", "listen without a port", "make a UDP socket", "make a netlink socket"),
}
PERHAPS = {"connect at once with data", "connect by MPTCP"}  # where the kernel has it

needs_walls = pytest.mark.skipif(walls.version() < walls.WHOLE or not walls.processor(), reason=SKIPPED)


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
        try:
            entries = judged(archive, password=told, clamd=odd.address).inspection.entries
        finally:
            judging._room.close()  # no other test's archives are judged by that one
    outcomes = dict(entry.name.split(": ") for entry in entries)
    assert (outcomes.pop("connect to clamd"), outcomes.pop("start a thread")) == (DONE, DONE)
    assert (outcomes.pop("dumpable"), outcomes.pop("no new privileges")) == ("0", "1")
    assert outcomes.keys() == FILES | CUTTING | CONNECTING | SCOPES | FILTERED | PERHAPS
    assert DONE not in outcomes.values(), outcomes


@needs_walls
@pytest.mark.parametrize(
    ("version", "processor", "shut"),
    [
        (0, "unknown", set()),
        (1, "unknown", FILES),
        (3, "unknown", FILES | CUTTING),
        (5, "unknown", FILES | CUTTING | CONNECTING),
        (walls.WHOLE, "unknown", FILES | CUTTING | CONNECTING | SCOPES),
        (0, "known", FILTERED | CONNECTING | {"run a program"}),
        (3, "known", FILTERED | CONNECTING | FILES | CUTTING),
    ],
)
def test_landlock_and_the_filter_each_shut_what_they_can_where_the_other_is_older_or_missing(
    at: dict[str, Any], version: int, processor: str, shut: set[str]
) -> None:
    command = [sys.executable, "-c", TRY_AS, str(version), processor, json.dumps(at)]
    # With neither it does all that a judge was tried with.
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert {name for name, outcome in json.loads(told).items() if outcome != DONE} - PERHAPS == shut


THREAD, CHILD = 0x3D0F00, 0x1200011  # what glibc asks clone for
X86, ARM, I386 = 0xC000003E, 0xC00000B7, 0x40000003


@pytest.mark.parametrize(
    ("processor", "told", "number", "arguments", "outcome"),
    [
        ("x86_64", X86, 257, (), "pass"),  # openat
        ("x86_64", X86, 90, (), "EPERM"),  # chmod
        ("x86_64", X86, 0x40000000 | 90, (), "EPERM"),
        ("x86_64", I386, 15, (), "EPERM"),  # chmod of a 32-bit program
        ("x86_64", X86, 435, (), "ENOSYS"),  # clone3
        ("aarch64", ARM, 56, (), "pass"),  # openat; on the other processor it is clone
        ("aarch64", ARM, 53, (), "EPERM"),  # fchmodat
        ("aarch64", X86, 56, (), "EPERM"),
        ("aarch64", ARM, 435, (), "ENOSYS"),
        ("aarch64", ARM, 220, (THREAD,), "pass"),
        ("aarch64", ARM, 220, (CHILD,), "EPERM"),
        ("aarch64", ARM, 261, (0,), "pass"),  # prlimit
        ("aarch64", ARM, 261, (4711,), "EPERM"),
        ("aarch64", ARM, 167, (4,), "pass"),  # prctl
        ("aarch64", ARM, 167, (1,), "EPERM"),
        ("aarch64", ARM, 206, (3, 0, 1, 0), "pass"),  # sendto
        ("aarch64", ARM, 206, (3, 0, 1, 0x20004000), "EPERM"),
        ("aarch64", ARM, 198, (2, 0x80801, 0), "pass"),  # socket
        ("aarch64", ARM, 198, (10, 1, 6), "pass"),
        ("aarch64", ARM, 198, (1, 1, 0), "EPERM"),
        ("aarch64", ARM, 198, (2, 2, 0), "EPERM"),
        ("aarch64", ARM, 198, (2, 1, 262), "EPERM"),
    ],
)
def test_the_filter_of_each_processor_lets_pass_what_it_should(
    processor: str, told: int, number: int, arguments: tuple[int, ...], outcome: str
) -> None:
    steps = walls._program(processor, (socket.AF_INET, socket.AF_INET6))
    assert _run(steps, {0: number, 4: told, **{16 + 8 * at: value for at, value in enumerate(arguments)}}) == outcome


def _run(steps: list[tuple[int, int, int, int]], call: dict[int, int]) -> str:
    """What a kernel would make of the filter: the few operations it consists of."""
    at, held = 0, 0
    while True:
        what, if_so, if_not, value = steps[at]
        at += 1
        if what == 0x20:
            held = call[value]
        elif what == 0x54:
            held &= value
        elif what == 0x06:
            return "pass" if value == 0x7FFF0000 else errno.errorcode[value ^ 0x50000]
        else:
            at += if_so if {0x15: held == value, 0x45: bool(held & value)}[what] else if_not


def test_a_clamd_that_has_a_name_is_found_although_no_name_can_be_looked_up_behind_the_walls(cast: Cast) -> None:
    with Odd(says(b"stream: OK\0")).listening() as odd:
        judgement = judged(kept(made(Item("届書.csv"))), clamd=odd.address.replace("127.0.0.1", "localhost"))
    assert (judgement.inspection.verdict, codes(judgement)) == ("accept", [])
    assert judgement.scan is not None
    assert (judgement.scan["verdict"], judgement.scan["engine"]) == ("clean", "ClamAV 1.4.6")
