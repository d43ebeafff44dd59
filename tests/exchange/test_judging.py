"""Archives are judged in a process of its own: what it says, what it may, and what ends it."""

import io
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from database import db
from exchange import archives, judge_process, judging, sealing, vault
from models import StoredObject
from tests.clamd import EICAR, NAME
from tests.exchange.archive_writer import CSV, PASSWORD, PDF, Item, made
from tests.exchange.judges import (
    MB,
    UNLIMITED,
    Once,
    address_space,
    children,
    codes,
    command,
    ends,
    environment,
    has_ended,
    judged,
    kept,
    kill,
    opened,
    room,
    stop,
    zeros,
)
from tests.people import Cast
from tests.processes import IS_SOAK, alone

ROOT = Path(__file__).resolve().parents[2]
LARGE = (200 if IS_SOAK else 48) * MB
TOO_LONG = 3000  # MB of zeros


@pytest.fixture(autouse=True)
def _opened(cast: Cast) -> None:
    """Every test has an installation with its vault."""


@pytest.fixture
def good() -> StoredObject:
    return kept(made(Item("届書.csv"), Item("添付/決定.pdf", PDF)))


@pytest.fixture
def endless() -> StoredObject:
    return kept(zeros(TOO_LONG))


# ── what it says ──


@pytest.mark.parametrize(
    "data",
    [
        made(Item("届書.csv"), Item("添付/決定.pdf", PDF)),
        made(Item("空.csv", b""), Item("a.exe", b"MZ\0\1")),
        made(Item("古い.csv", crypt="ZipCrypto")),
        made(Item("a.csv", password="another-password-42")),
        made(Item("a\u202excod.csv"), Item(b"\xff\xfe.csv")),
        b"no archive",
        b"",
    ],
    ids=["good", "types", "weak", "password", "names", "none", "empty"],
)
def test_the_judgement_is_that_of_the_judge_in_the_same_process(data: bytes) -> None:
    judgement = judged(kept(data))
    assert judgement.inspection == archives.inspect(io.BytesIO(data), PASSWORD, UNLIMITED)
    assert judgement.scan is None


def test_the_fund_decides_through_the_policy() -> None:
    empty = kept(made(Item("空.csv", b"")))
    for severity, verdict in (("reject", "reject"), ("warn", "warn"), ("ignore", "accept")):
        policy: archives.Policy = {"empty_file": severity}
        judgement = judging.judge(empty, PASSWORD, UNLIMITED, policy, "", lambda done, total: None)
        assert judgement.inspection.verdict == verdict


def test_progress_is_told_on_the_way_and_ends_at_the_whole() -> None:
    stored, seen = kept(zeros(300)), []
    judged(stored, lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == (stored.size, stored.size)


def test_changed_bytes_in_the_vault_are_an_error_and_no_verdict(good: StoredObject, instance: Path) -> None:
    path = instance / "vault" / "objects" / good.uid
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(sealing.Unsealable):
        judged(good)


def test_what_was_erased_can_not_be_judged(good: StoredObject) -> None:
    with db.atomic():
        vault.erase(good)
    with pytest.raises(FileNotFoundError):
        judged(StoredObject.get_by_id(good.id))


def test_malware_behind_the_password_is_found_and_its_neighbours_are_read(clamd: str) -> None:
    judgement = judged(kept(made(Item("a.csv"), Item("b.txt", EICAR), Item("c.pdf", PDF))), clamd=clamd)
    assert (judgement.inspection.verdict, codes(judgement)) == ("reject", ["MALWARE"])
    assert [finding.entry for finding in judgement.inspection.findings] == ["b.txt"]
    assert all(entry.sha256 for entry in judgement.inspection.entries)
    assert judgement.scan is not None
    assert (judgement.scan["verdict"], judgement.scan["found"]) == ("found", [NAME])


def test_what_a_scanner_has_seen_is_called_clean_and_what_none_could_see_is_not(
    clamd: str, good: StoredObject, tmp_path: Path
) -> None:
    seen, unseen = judged(good, clamd=clamd), judged(good, clamd=str(tmp_path / "no socket"))
    assert seen.scan is not None
    assert unseen.scan is not None
    assert (seen.scan["verdict"], seen.inspection.verdict) == ("clean", "accept")
    assert (unseen.scan["verdict"], unseen.scan["why"], codes(unseen)) == (
        *("not_scanned", "unreachable", ["NOT_SCANNED"]),
    )


# ── what ends it ──


def test_an_archive_over_its_time_is_refused_at_once(endless: StoredObject) -> None:
    judgement = judged(endless, seconds=1)
    assert (judgement.inspection.verdict, codes(judgement)) == ("reject", ["TOO_BIG"])
    assert "時間内に検査できません" in judgement.inspection.findings[0].message


def test_an_archive_over_its_memory_is_refused_at_once() -> None:
    with_notes = made(*(Item(f"{number}.csv", comment=bytes(60_000)) for number in range(40)))  # 2 MB of directory
    judgement = judged(kept(with_notes), memory=1)
    assert (judgement.inspection.verdict, codes(judgement)) == ("reject", ["TOO_BIG"])
    assert "メモリー" in judgement.inspection.findings[0].message


def test_a_large_archive_needs_little_memory(good: StoredObject) -> None:
    """Beside the program itself the whole file would have no room."""
    judged(good)
    out = io.BytesIO()
    with archives.Packer(out, PASSWORD, level=0) as packer, packer.open("a.dat") as entry:
        for _ in range(LARGE // MB):
            entry.write(os.urandom(MB))
    judgement = judged(kept(out.getvalue()), memory=address_space(room()) + LARGE // 3)
    assert "TOO_BIG" not in codes(judgement)
    assert [(entry.size, bool(entry.sha256)) for entry in judgement.inspection.entries] == [(LARGE, True)]


def test_a_judge_that_says_nothing_any_more_is_ended(endless: StoredObject, good: StoredObject) -> None:
    judged(good)  # so that the warm process is there
    first = Once(stop)
    judgement = judged(endless, first, silence=0.5)
    assert codes(judgement) == ["TOO_BIG"]
    assert has_ended(first.judge)


def test_a_judge_that_was_killed_gives_no_verdict_and_the_next_one_is_fine(
    endless: StoredObject, good: StoredObject
) -> None:
    with pytest.raises(judging.Died):
        judged(endless, Once(kill))
    assert judged(good).inspection.verdict == "accept"


def test_a_warm_process_that_was_killed_takes_its_judge_along_and_is_started_anew(
    endless: StoredObject, good: StoredObject
) -> None:
    judged(good)
    before, first = room(), Once(lambda judge: kill(room()))
    with pytest.raises(judging.Died):
        judged(endless, first)
    assert has_ended(first.judge)
    assert judged(good).inspection.verdict == "accept"
    assert room() != before


def test_trouble_of_whoever_asked_ends_the_judge(endless: StoredObject) -> None:
    class LeaseLost(Exception):
        pass

    def trouble(judge: int) -> None:
        raise LeaseLost

    first = Once(trouble)
    with pytest.raises(LeaseLost):
        judged(endless, first)
    assert has_ended(first.judge)


def test_a_small_archive_does_not_wait_for_a_large_one(endless: StoredObject, good: StoredObject) -> None:
    found, has_begun, may_end = [], threading.Event(), threading.Event()

    def pause(judge: int) -> None:
        stop(judge)
        has_begun.set()
        may_end.wait(30)
        kill(judge)

    def large() -> None:
        with pytest.raises(judging.Died):
            judged(endless, Once(pause))
        found.append("large")

    beside = threading.Thread(target=large)
    beside.start()
    assert has_begun.wait(30)
    found.append(judged(good).inspection.verdict)
    may_end.set()
    beside.join(30)
    assert found == ["accept", "large"]


def judge_until_killed(line: Connection, uid: str) -> None:
    """Say the processes that work for this one as soon as there are some."""
    stored = StoredObject.get(StoredObject.uid == uid)
    judged(stored, Once(lambda judge: line.send([judge, room()])))


def test_a_killed_parent_leaves_no_process_behind(instance: Path, endless: StoredObject) -> None:
    with alone(instance, judge_until_killed, endless.uid) as (process, ear):
        left = [os.pidfd_open(one) for one in ear.recv()]
        assert process.pid
        kill(process.pid)
        assert [ends(one) for one in left] == [True, True]


def judge_in_a_fork(line: Connection, stored: StoredObject) -> None:
    line.send((judged(stored).inspection.verdict, room()))


def test_a_forked_process_has_a_warm_one_of_its_own(good: StoredObject) -> None:
    judged(good)
    ear, mouth = multiprocessing.Pipe(duplex=False)
    forked = multiprocessing.get_context("fork").Process(target=judge_in_a_fork, args=(mouth, good))
    forked.start()
    verdict, its_own = ear.recv()
    forked.join(30)
    assert verdict == "accept"
    assert its_own != room()
    assert has_ended(its_own)
    assert judged(good).inspection.verdict == "accept"


# ── what it may, and what it knows ──


seen: dict[str, Any] = {}


def look_at(judge: int) -> None:
    """What the machine's operator, or anybody else, could see of a judge at work; kept in `seen`."""
    stop(judge)
    folder = Path(f"/proc/{judge}")
    seen.update(
        limits=dict(re.findall(r"^Max (.+?)  +(\S+)", (folder / "limits").read_text(), re.MULTILINE)),
        nice=int((folder / "stat").read_text().rpartition(")")[2].split()[16]),
        opened=opened(judge),
        told=command(judge) + command(room()) + environment(judge) + environment(room()),
    )
    kill(judge)


def test_a_judge_has_one_file_open_no_right_to_write_and_gives_way_to_pages(
    endless: StoredObject, instance: Path
) -> None:
    with pytest.raises(judging.Died):
        judged(endless, Once(look_at))
    limits = seen["limits"]
    assert (limits["file size"], limits["core file size"]) == ("0", "0")
    assert limits["address space"] == str(512 * MB)
    assert limits["cpu time"] == str(judging.Bounds.of(endless.size).seconds)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert seen["nice"] == min(19, own + judge_process.NICE)
    only = sorted(["/dev/null", "/dev/null", str(instance / "vault" / "objects" / endless.uid), "socket"])
    assert seen["opened"] == (only if os.geteuid() == 0 else None), "nobody but root may look into a judge"


def test_nothing_secret_stands_on_its_command_line_or_in_its_environment(
    endless: StoredObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TODOKE_CANARY", "canary-of-the-environment")
    judging._room.close()
    with pytest.raises(judging.Died):
        judged(endless, Once(look_at))
    assert endless.sealed_key is not None
    key = sealing.unseal(endless.sealed_key, f"object/{endless.uid}")
    assert b"exchange.judge_process" in seen["told"]
    assert (b"MALLOC_ARENA_MAX" in seen["told"]) is (os.geteuid() == 0), "nobody but root may look into it"
    for secret in (PASSWORD.encode(), key, b"canary-of-the-environment", endless.uid.encode()):
        assert secret not in seen["told"]


def test_its_program_knows_no_database_and_no_web() -> None:
    told = subprocess.run(
        [sys.executable, "-E", "-s", "-c", "import sys, exchange.judge_process; print(*sys.modules)"],
        cwd=ROOT,
        env={},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert "exchange.archives" in told
    strangers = {"peewee", "playhouse", "sqlite3", "models", "papers", "equipment", "database", "flask", "app"}
    assert strangers.isdisjoint(told)


JUDGE_ONE = """
import sys
from pathlib import Path
from exchange import sealing, vault
from models import StoredObject
from tests.exchange.judges import judged
folder, uid, sealed_key, size = sys.argv[1:]
sealing.load_keys(Path(folder) / "keys", False)
vault.configure(Path(folder) / "vault")
print(judged(StoredObject(uid=uid, sealed_key=sealed_key, size=int(size))).inspection.verdict)
"""


def test_nothing_is_opened_for_writing(good: StoredObject, instance: Path, tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "strace.log"
    what = [sys.executable, "-B", "-c", JUDGE_ONE, instance, good.uid, good.sealed_key, str(good.size)]
    watching = [strace, "-f", "-e", "trace=open,openat,openat2,creat,mkdir,mkdirat,memfd_create,execve", "-o", log]
    told = subprocess.run([*watching, *what], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout == "accept\n"
    calls = log.read_text()
    assert calls.count("exchange.judge_process") == 1
    assert f"objects/{good.uid}" in calls
    work = calls.partition("exchange.judge_process")[2]
    wrote = re.findall(r"^.*(?:O_WRONLY|O_RDWR|O_CREAT|O_TMPFILE|creat\(|mkdir|memfd).*$", work, re.MULTILINE)
    assert [line for line in wrote if '"/dev/null"' not in line] == []


def test_its_warm_process_is_alone_between_two_archives() -> None:
    judging._room.close()
    for _ in range(3):
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, Path(os.devnull).open("rb") as file:
                judging._room.take(theirs, file)
            ours.sendall(b"no question\n")
            ours.settimeout(30)
            while ours.recv(4096):  # ends when the judge and the warm process have both let go
                pass
    assert children(room()) == []
    descriptors = opened(room())
    assert (descriptors is not None) is (os.geteuid() == 0), "nobody but root may look into it"
    if descriptors is not None:
        assert descriptors[0] == "/dev/null"  # and its errors go where ours go
        assert descriptors.count("socket") == 1
        assert len(descriptors) == 3


def test_bounds_grow_with_the_archive() -> None:
    assert judging.Bounds.of(len(CSV)).seconds == 60
    assert judging.Bounds.of(200 * MB).seconds > 200 * MB / (2 * MB)  # ZipCrypto in Python: 2 MB a second
