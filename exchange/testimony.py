"""What a judge says, understood: it has read what strangers sent, so it may not be itself any more. Only the exact
shapes that it was asked for count, and everything else is no answer. exchange/judge_process.py tells them.
"""

import json
import re
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from exchange import archives, sealing
from exchange.scanner import MOST_NAMES, Scan, is_found
from exchange.zip_findings import CODES, FINDINGS_PER_CODE, Collector, Entry, Finding, inspection_of, make_finding

LONGEST_TEXT = 8192  # characters: a name has up to 1,200, what clamd calls something 4,096
MOST_FINDINGS = len(CODES) * FINDINGS_PER_CODE
LARGEST = 2**64 - 1  # bytes: what a ZIP can say of a file's size
METHODS = ("AES-256", "AES-192", "AES-128", "ZipCrypto", "none", "unknown")
WHYS = ("unreachable", "too_big", "broken")
YEARS = range(1970, 9000)  # of a moment that can be told in any time zone


@dataclass(frozen=True)
class Judgement:
    """scan: as in models.Inspection; None where there is no scanner, or nothing that it could have scanned."""

    inspection: archives.Inspection
    scan: Scan | None


class Died(Exception):
    """The judge ended without an answer, and not by its limits; its text is a class or a number, never contents."""


@contextmanager
def _exactly() -> Iterator[None]:
    """Of what a judge has said: another shape than the one asked for is no answer."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as odd:
        raise Died(type(odd).__name__) from None  # whose own text may hold what is in the archive


def parsed(text: bytes) -> dict[str, Any]:
    """One line; {} for one that was cut off, or says nothing."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    except RecursionError:
        raise Died("RecursionError") from None
    return said if isinstance(said, dict) else {}


def understood(said: dict[str, Any], most: int) -> Judgement:
    """Its last word, of an archive that may have so many entries; Died when it says nothing of it."""
    if "inspection" in said:
        return _judgement(said, most)
    error, ended = said.get("error"), said.get("ended")
    if error == "TimeoutError" or ended == -signal.SIGXCPU:
        return _too_big("時間内に検査できません")
    if error == "MemoryError":
        return _too_big("検査に使えるメモリーを超えます")
    if error == "Unsealable":
        raise sealing.Unsealable("the stored bytes were changed or cut")
    if isinstance(error, str) and re.fullmatch("[A-Za-z]{1,40}", error):
        raise Died(error)
    raise Died(f"ended with {ended}" if type(ended) is int and abs(ended) < 256 else "no end")


# ── the shapes of what it says: each is built anew, of what it must hold ──


@_exactly()
def progress(said: dict[str, Any], size: int) -> tuple[int, int]:
    """(bytes done, bytes in all) of an archive of that size."""
    done, total = _values(said, "done", "total")
    return _number(done, size), _one_of(_number(total, size), (size,))


@_exactly()
def _judgement(said: dict[str, Any], most: int) -> Judgement:
    inspection, scan = _values(said, "inspection", "scan")
    verdict, findings, entries = _values(inspection, "verdict", "findings", "entries")
    told = inspection_of(
        tuple(map(_finding, _list(findings, MOST_FINDINGS))),
        tuple(map(_entry, _list(entries, most))),
    )
    _one_of(verdict, (told.verdict,))
    return Judgement(told, None if scan is None else _scan(scan))


def _finding(told: object) -> Finding:
    code, message, entry, severity = _values(told, "code", "message", "entry", "severity")
    return Finding(
        _one_of(code, CODES),
        _text(message),
        None if entry is None else _text(entry),
        _one_of(severity, ("reject", "warn")),
    )


def _entry(told: object) -> Entry:
    name, size, method, sha256 = _values(told, "name", "size", "method", "sha256")
    if not re.fullmatch("(?:[0-9a-f]{64})?", _text(sha256)):
        raise ValueError("no hash")
    return Entry(_text(name), _number(size, LARGEST), _one_of(method, METHODS), sha256)


def _scan(told: object) -> Scan:
    names = ("engine", "signatures_at", "at", "verdict", "found")
    is_open = isinstance(told, dict) and told.get("verdict") == "not_scanned"
    engine, signatures_at, at, verdict, found, *why = _values(told, *names, *(["why"] if is_open else []))
    scan: Scan = {
        "engine": _text(engine),
        "signatures_at": "" if signatures_at == "" else _moment(signatures_at),
        "at": _moment(at),
        "verdict": _one_of(verdict, ("found",) if found else ("clean", "not_scanned")),
        "found": [_text(name) for name in _list(found, MOST_NAMES)],
    }
    if why:
        scan["why"] = _one_of(why[0], WHYS)
    return scan


def _values(told: object, *names: str) -> list[Any]:
    """Those of a dict that has these names, and no others."""
    if not isinstance(told, dict) or told.keys() != set(names):
        raise TypeError("another shape")
    return [told[name] for name in names]


def _list(told: object, most: int) -> list[Any]:
    if not isinstance(told, list) or len(told) > most:
        raise TypeError("no list")
    return told


def _text(told: object) -> str:
    if not isinstance(told, str) or len(told) > LONGEST_TEXT:
        raise ValueError("no text")
    told.encode()  # of half a character it can't be made: UnicodeEncodeError
    return told


def _number(told: object, most: int) -> int:
    if type(told) is not int or not 0 <= told <= most:  # True is one, too
        raise ValueError("no number")
    return told


def _one_of(told: Any, allowed: Collection[Any]) -> Any:
    if told not in allowed:
        raise ValueError("none of these")
    return told


def _moment(told: object) -> str:
    """As exchange/scanner.py writes it."""
    at = datetime.fromisoformat(_text(told))
    if at.utcoffset() != timedelta(0) or at.year not in YEARS or at.isoformat(timespec="seconds") != told:
        raise ValueError("no moment")
    return at.isoformat(timespec="seconds")


def _too_big(detail: str) -> Judgement:
    return Judgement(archives.Inspection("reject", (make_finding("TOO_BIG", None, detail),), ()), None)


class Hits:
    """The malware that a judge has told of on the way, for when it can't say so at its end."""

    def __init__(self) -> None:
        self.scan: Scan | None = None  # after the last of them
        self._found = Collector()

    @_exactly()
    def add(self, said: dict[str, Any]) -> None:
        malware, entry, told = _values(said, "malware", "entry", "scan")
        scan = _scan(told)
        _one_of(scan["verdict"], ("found",))
        self._found.add("MALWARE", _text(entry), _text(malware))
        self.scan = scan

    def added_to(self, judgement: Judgement) -> Judgement:
        """Whatever it said in the end, what was found stays found."""
        if self.scan is None or is_found(judgement.scan):
            return judgement
        told = judgement.inspection
        return Judgement(archives.Inspection("reject", self._found.findings() + told.findings, told.entries), self.scan)
