"""What a judge has told before it ended is kept, and why one can't start is said."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from exchange import judging
from models import StoredObject
from tests.clamd import EICAR, NAME, Odd, Talk, hangs
from tests.exchange.archive_writer import PDF, Item, made
from tests.exchange.judges import MB, children, codes, deflated_zeros, judged, kept, kill, room
from tests.people import Cast

ROOT = Path(__file__).resolve().parents[2]
TOO_LONG = 3000  # MB of zeros
ELSEWHERE = """
import sys
sys.platform = sys.argv[1]
import exchange.installation
"""


@pytest.fixture
def good(cast: Cast) -> StoredObject:
    return kept(made(Item("届書.csv"), Item("添付/決定.pdf", PDF)))


def at_the_second_file(act: Callable[[], object]) -> Talk:
    """Finds malware in the first file it is asked about, and does not answer for the next."""
    asked = []

    def talk(line: socket.socket) -> None:
        asked.append(line)
        if len(asked) == 1:
            line.sendall(b"stream: Test.Malware FOUND\0")
        else:
            act()
            hangs(line)

    return talk


def its_judge() -> int:
    return max(children(room()))


ENDS: dict[str, tuple[Callable[[], object], dict[str, float], list[str]]] = {
    "silence": (lambda: None, {"silence": 0.5}, ["MALWARE", "TOO_BIG"]),
    "time": (lambda: os.kill(its_judge(), signal.SIGXCPU), {}, ["MALWARE", "TOO_BIG"]),
    "killed": (lambda: kill(its_judge()), {}, ["MALWARE"]),
    "killed with its warm process": (lambda: kill(room()), {}, ["MALWARE"]),
}


@pytest.mark.parametrize("end", ENDS)
def test_malware_that_was_found_stays_found_however_the_judge_ends(end: str, good: StoredObject) -> None:
    act, bounds, expected = ENDS[end]
    with Odd(at_the_second_file(act)).listening() as odd:
        judgement = judged(good, clamd=odd.address, **bounds)
    assert (judgement.inspection.verdict, codes(judgement)) == ("reject", expected)
    assert judgement.inspection.findings[0].entry == "届書.csv"
    assert "Test.Malware" in judgement.inspection.findings[0].message
    assert judgement.scan is not None
    assert (judgement.scan["verdict"], judgement.scan["found"]) == ("found", ["Test.Malware"])
    assert judgement.scan["engine"] == "ClamAV 1.4.6"


def test_malware_before_the_file_that_takes_too_long_is_not_forgotten(cast: Cast, clamd: str) -> None:
    block, end = deflated_zeros()
    long = Item("b.csv", b"", stream=block * TOO_LONG + end, size=TOO_LONG * MB)
    judgement = judged(kept(made(Item("a.txt", EICAR), long)), clamd=clamd, seconds=1)
    assert codes(judgement) == ["MALWARE", "TOO_BIG"]
    assert [finding.entry for finding in judgement.inspection.findings] == ["a.txt", None]
    assert judgement.scan is not None
    assert (judgement.scan["verdict"], judgement.scan["found"]) == ("found", [NAME])


def test_a_program_that_does_not_start_says_why_and_gives_no_verdict(
    good: StoredObject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "exchange"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "judge_process.py").write_text("import a_library_that_is_missing\n", encoding="utf-8")
    with monkeypatch.context() as broken:
        broken.setattr(judging, "ROOT", tmp_path)
        judging._room.close()
        for _ in range(2):
            with pytest.raises(judging.Died):
                judged(good)
        judging._room.close()
    assert "No module named 'a_library_that_is_missing'" in capfd.readouterr().err
    assert judged(good).inspection.verdict == "accept"


@pytest.mark.parametrize("platform", ["darwin", "win32", "freebsd14"])
def test_where_judges_can_not_be_confined_the_site_does_not_start(platform: str) -> None:
    told = subprocess.run([sys.executable, "-c", ELSEWHERE, platform], cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr.splitlines()[-1].startswith("exchange.errors.NotConfigured: Todoke runs on Linux only")
