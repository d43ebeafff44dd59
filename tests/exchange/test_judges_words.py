"""A judge has read what strangers sent: what it says counts only in the exact shapes it was asked for."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from exchange import judging, testimony
from exchange.archives import Entry, Finding, Inspection
from exchange.scanner import MOST_NAMES

SIZE = 5000  # bytes of the archive
MOST = 1000  # entries
ENTRY = {"name": "届書.csv", "size": 3, "method": "AES-256", "sha256": "0" * 64}
FINDING = {"code": "MACRO", "message": "マクロが含まれています。", "entry": "届書.csv", "severity": "warn"}
SCAN = {
    "engine": "ClamAV 1.4.6",
    "signatures_at": "2026-11-20T08:26:00+00:00",
    "at": "2026-11-20T09:00:00+00:00",
    "verdict": "clean",
    "found": [],
}
FOUND = {**SCAN, "verdict": "found", "found": ["Test.Malware"]}
UNSEEN = {**SCAN, "verdict": "not_scanned", "why": "too_big"}
LONG = "a" * (testimony.LONGEST_TEXT + 1)
DEEP = b"[" * 100_000


def last_word(scan: object = None, verdict: object = "accept", **inspection: object) -> dict[str, Any]:
    told = {"verdict": verdict, "findings": [], "entries": [ENTRY], **inspection}
    return {"inspection": told, "scan": scan}


def hit(**other: object) -> dict[str, Any]:
    return {"malware": "Test.Malware", "entry": "届書.csv", "scan": FOUND, **other}


def understood(*lines: object) -> judging.Judgement:
    """What is made of a judge who says so and ends."""
    hits = testimony.Hits()
    ours, theirs = socket.socketpair()
    with ours:
        theirs.settimeout(5)
        with theirs:
            for line in lines:
                theirs.sendall((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n")
        said = judging._answer(ours, SIZE, judging.Bounds(60, silence=5), lambda done, total: None, hits.add)
    return hits.added_to(testimony.understood(said, MOST))


def test_what_a_judge_says_in_the_right_shapes_is_taken_as_it_is() -> None:
    progress = {"done": 5, "total": SIZE}
    told = understood(progress, b'{"done": ', last_word(UNSEEN, "warn", findings=[FINDING]))
    assert told.inspection == Inspection("warn", (Finding(**FINDING),), (Entry(**ENTRY),))
    assert told.scan == UNSEEN
    unread = {**ENTRY, "sha256": "", "size": 2**64 - 1}
    assert understood(last_word(entries=[unread])) == judging.Judgement(
        Inspection("accept", (), (Entry(**unread),)), None
    )


def test_malware_is_not_taken_back_by_a_later_word() -> None:
    told = understood(hit(), last_word(SCAN))
    assert (told.inspection.verdict, told.scan) == ("reject", FOUND)


def odd(name: str, *said: object) -> Any:
    return pytest.param(said, id=name)


@pytest.mark.parametrize(
    "said",
    [
        odd("nothing"),
        odd("no JSON", b"\xff\xfe{", b"null", b"[]", b'"inspection"'),
        odd("nested too deep", DEEP),
        odd("nested too deep inside", b'{"inspection": ' + DEEP),
        odd("done of nothing", {"done": 1}, last_word()),
        odd("done as a text", {"done": "1", "total": SIZE}, last_word()),
        odd("done as a truth", {"done": True, "total": SIZE}, last_word()),
        odd("done of a part", {"done": 1.5, "total": SIZE}, last_word()),
        odd("done of no number", b'{"done": NaN, "total": 5000}', last_word()),
        odd("less than nothing", {"done": -1, "total": SIZE}, last_word()),
        odd("more than all", {"done": SIZE + 1, "total": SIZE}, last_word()),
        odd("another size", {"done": 1, "total": SIZE + 1}, last_word()),
        odd("a part of the size", {"done": 1, "total": SIZE - 1}, last_word()),
        odd("a huge number", {"done": 10**100, "total": 10**100}, last_word()),
        odd("an end of many kinds", {"error": ["x"], "ended": {}}),
        odd("an end with contents", {"error": "山田太郎 1234-5678-9012"}),
        odd("an end of a huge number", {"ended": 10**100}),
        odd("inspection of nothing", {"inspection": None, "scan": None}),
        odd("no scan", {"inspection": last_word()["inspection"]}),
        odd("more than was asked for", {**last_word(), "more": 1}),
        odd("another verdict", last_word(verdict="fine")),
        odd("a verdict of many kinds", last_word(verdict={})),
        odd("a milder verdict than its findings", last_word(findings=[FINDING])),
        odd("findings in no list", last_word(findings={})),
        odd("too many findings", last_word(verdict="warn", findings=[FINDING] * (testimony.MOST_FINDINGS + 1))),
        odd("too many entries", last_word(entries=[ENTRY] * (MOST + 1))),
        odd("an unknown code", last_word(verdict="warn", findings=[{**FINDING, "code": "FINE"}])),
        odd("a code of many kinds", last_word(verdict="warn", findings=[{**FINDING, "code": []}])),
        odd("an unknown severity", last_word(findings=[{**FINDING, "severity": "ignore"}])),
        odd("no message", last_word(verdict="warn", findings=[{**FINDING, "message": None}])),
        odd("a long message", last_word(verdict="warn", findings=[{**FINDING, "message": LONG}])),
        odd("an entry that is no text", last_word(verdict="warn", findings=[{**FINDING, "entry": 3}])),
        odd("an entry that is a list", last_word(entries=[["a", 1, "none", ""]])),
        odd("an entry with more", last_word(entries=[{**ENTRY, "path": "/"}])),
        odd("an entry with less", last_word(entries=[{"name": "a"}])),
        odd("a long name", last_word(entries=[{**ENTRY, "name": LONG}])),
        odd("half a character", last_word(entries=[{**ENTRY, "name": "\ud800"}])),
        odd("a size of nothing", last_word(entries=[{**ENTRY, "size": None}])),
        odd("a size below nothing", last_word(entries=[{**ENTRY, "size": -1}])),
        odd("a size of no ZIP", last_word(entries=[{**ENTRY, "size": 2**64}])),
        odd("an unknown method", last_word(entries=[{**ENTRY, "method": "AES-512"}])),
        odd("another hash", last_word(entries=[{**ENTRY, "sha256": "g" * 64}])),
        odd("a scan in a list", last_word([])),
        odd("a scan that is empty", last_word({})),
        odd("a scan with more", last_word({**SCAN, "by": "me"})),
        odd("clean for a reason", last_word({**SCAN, "why": "too_big"})),
        odd("clean with malware", last_word({**FOUND, "verdict": "clean"})),
        odd("found without malware", last_word({**FOUND, "found": []})),
        odd("malware that is no text", last_word({**FOUND, "found": [1]})),
        odd("too much malware", last_word({**FOUND, "found": ["x"] * (MOST_NAMES + 1)})),
        odd("not scanned for no reason", last_word({**SCAN, "verdict": "not_scanned"})),
        odd("not scanned for an unknown reason", last_word({**UNSEEN, "why": "tired"})),
        odd("a long engine", last_word({**SCAN, "engine": LONG})),
        odd("a moment without a zone", last_word({**SCAN, "at": "2026-11-20T09:00:00"})),
        odd("a moment in another form", last_word({**SCAN, "at": "2026-11-20 09:00:00+00:00"})),
        odd("a moment no calendar has", last_word({**SCAN, "signatures_at": "9999-12-31T23:59:59+00:00"})),
        odd("signatures of no moment", last_word({**SCAN, "signatures_at": 0})),
        odd("malware of nothing", {"malware": "x"}, last_word()),
        odd("malware in no file", hit(entry=None), last_word()),
        odd("malware that is clean", hit(scan=SCAN), last_word()),
        odd("malware of a long name", hit(malware=LONG), last_word()),
    ],
)
def test_what_has_another_shape_is_no_answer(said: tuple[object, ...]) -> None:
    with pytest.raises(judging.Died) as died:
        understood(*said)
    assert re.fullmatch("[A-Za-z0-9 -]{1,60}", str(died.value)), "what it says is not passed on"


# ── how long it may talk ──


def heard(*lines: object, silence: float = 0) -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """(The last word, the progress told) of a judge who says so; without patience every word has to be one."""
    told: list[tuple[int, int]] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(
            b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)
        )
        said = judging._answer(
            ours, SIZE, judging.Bounds(60, silence=silence), lambda *done: told.append(done), testimony.Hits().add
        )
    return said, told


@pytest.mark.parametrize(
    "talk",
    [b"{}\n", b"\n", b"no JSON\n", {"done": 7, "total": SIZE}, {"done": 3, "total": SIZE}],
    ids=["nothing", "an empty line", "no JSON", "as far as before", "less far than before"],
)
def test_talking_alone_is_silence(talk: object) -> None:
    said, told = heard({"done": 7, "total": SIZE}, talk, last_word())
    assert said == {"error": "TimeoutError"}
    assert told[-1] == (7, SIZE)


def test_a_line_that_never_ends_is_silence() -> None:
    assert heard(b'{"inspection": ')[0] == {"error": "TimeoutError"}


def test_a_judge_that_never_stops_talking_is_ended() -> None:
    ours, theirs = socket.socketpair()
    with ThreadPoolExecutor(1) as beside, ours, theirs:
        talking = beside.submit(talk_until_nobody_listens, theirs)
        said = judging._answer(
            ours, SIZE, judging.Bounds(60, silence=0.2), lambda done, total: None, testimony.Hits().add
        )
        ours.close()
        talking.result(30)
    assert said == {"error": "TimeoutError"}


def talk_until_nobody_listens(line: socket.socket) -> None:
    with suppress(OSError):
        while True:
            line.sendall(b'{"done": 0, "total": 5000}\n')


def test_progress_that_grows_and_malware_end_the_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "time", SimpleNamespace(monotonic=count(0).__next__))  # a second for each word
    growing = [{"done": 1, "total": SIZE}, hit(), b"{}\n", {"done": 2, "total": SIZE}, b"{}\n"]
    said, told = heard(*growing, last_word(), silence=2)
    assert testimony.understood(said, MOST).inspection.verdict == "accept"
    assert sorted(set(told)) == [(1, SIZE), (2, SIZE)]
    assert heard(*growing, b"{}\n", last_word(), silence=2)[0] == {"error": "TimeoutError"}


def test_whoever_leads_the_job_hears_that_it_goes_on_while_a_judge_only_talks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "BEAT", 0)
    said, told = heard({"done": 7, "total": SIZE}, b"{}\n", hit(), last_word(), silence=5)
    assert "inspection" in said
    assert told.count((7, SIZE)) > 2
