"""The scanner for malware: clamd, spoken to over its socket while somebody else reads the bytes.

A leaf without rows, so that a child process can use it. What clamd says of a file is kept as a `Scan`, a dict for JSON.
No trouble with clamd is ever raised, and nothing is called clean that clamd has not called so in a whole answer.
"""

import contextlib
import re
import socket
import struct
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, NotRequired, TypedDict

from exchange.errors import NotConfigured
from exchange.zip_findings import Reading

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 60.0  # for one file, after its last byte; also for each piece that clamd has to take
HEALTH_SECONDS = 3.0  # somebody waits for the page
LONGEST_ANSWER = 4096  # bytes
MOST_NAMES = 20  # of malware in one result
OVER_ITS_LIMITS = "Heuristics.Limits.Exceeded."  # clamd with AlertExceedsMax: it has seen only a part
ITS_SIZES = ("MaxFileSize", "MaxScanSize")
LARGE = 25 * 2**20  # bytes: what no clamd is set up to be smaller than

_JAPAN = timezone(timedelta(hours=9))
_VERSION = re.compile(r"(ClamAV [0-9A-Za-z.+~-]{1,40})(?:/\d+/(.{1,40}))?")
_EXTENDED = re.compile(r"\([0-9a-f]{32}:\d+\)$")  # ExtendedDetectionInfo: of what the signature was found in

_address = ""


class Scan(TypedDict):
    """What clamd says of a file, or of all files of an archive.

    why it was not scanned: "unreachable" (no connection, or no answer in time), "too_big" (over clamd's own limits) or
    "broken" (an answer that is none).
    """

    engine: str  # ClamAV 1.4.6; "" where none has introduced itself
    signatures_at: str  # ISO, UTC; "" where it didn't say
    at: str  # ISO, UTC
    verdict: Literal["clean", "found", "not_scanned"]
    found: list[str]  # names of malware
    why: NotRequired[str]  # only of "not_scanned"


OnHit = Callable[[str, str, Scan], object]  # name of the file, name of the malware, the result so far


@dataclass(frozen=True)
class Health:
    """How clamd is now; `problem` says in Japanese what to do, "" when it is up."""

    is_up: bool
    engine: str
    signatures_at: datetime | None  # None: it has only signatures of our own making, or didn't say
    problem: str


class _Trouble(Exception):
    """Why a file could not be scanned."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def configure(address: str) -> None:
    """Where clamd listens: the path of its socket (/…) or host:port; "" when nothing is scanned."""
    global _address
    if address and not address.startswith("/"):
        host, _, port = address.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise NotConfigured("CLAMD is the path of clamd's socket (/run/clamav/clamd.ctl) or its host:port")
    _address = address


def address() -> str:
    return _address


def is_configured() -> bool:
    return bool(_address)


def health() -> Health:
    """Asks the clamd of this installation; within a few seconds whatever it does."""
    if not _address:
        return Health(False, "", None, "設定 CLAMD に、clamdのソケットの場所を書いてください。")
    try:
        engine, signatures_at = _version(_address, HEALTH_SECONDS)
    except _Trouble as trouble:
        return Health(False, "", None, _PROBLEMS[trouble.why])
    return Health(True, engine, signatures_at, "")


_PROBLEMS = {
    "unreachable": "clamdにつながらないか、答えがありません。clamav-daemon が動いているか、設定 CLAMD の場所と、"
    "ソケットを開く権限を確認してください。",
    "broken": "設定 CLAMD の相手の答えが、clamdのものではありません。設定 CLAMD の場所を確認してください。",
}


def is_found(scan: Scan | None) -> bool:
    """Whether malware was found."""
    return scan is not None and scan["verdict"] == "found"


def told(scan: Scan | None) -> str:
    """ClamAV 1.4.6　定義ファイル 2026/11/20 — who looked, as the audit says it; "" when nobody did."""
    if not scan or not scan["engine"]:
        return ""
    if not scan["signatures_at"]:
        return scan["engine"]
    signatures = datetime.fromisoformat(scan["signatures_at"]).astimezone(_JAPAN)
    return f"{scan['engine']}　定義ファイル {signatures:%Y/%m/%d}"


def scan(pieces: Iterable[bytes]) -> Scan:
    """What clamd says of one file, read to its end; errors of `pieces` pass through."""
    scanner = Scanner(_address)
    with scanner.reader("", 0) as reading:
        for piece in pieces:
            reading.write(piece)
        for _ in reading.finish():
            pass
    result = scanner.result()
    assert result is not None  # a file was read to its end
    return result


class Scanner:
    """One archive's worth of scanning: a connection for each file, and one result for them all.

    A clamd that can't be reached or leaves a file unanswered isn't asked again by the same Scanner: a thousand files
    must not wait for it a thousand times. Who wants to know of malware before the end gives `on_hit`.
    """

    def __init__(self, address: str, on_hit: OnHit | None = None) -> None:
        self._address = address
        self._on_hit = on_hit
        self._engine = ""
        self._signatures_at = ""
        self._given_up = ""  # why, for the files to come
        self._is_introduced = False
        self._clean = 0
        self._whys: list[str] = []
        self._found: list[str] = []
        self._is_partial = False

    def reader(self, name: str, size: int) -> Reading:  # noqa: ARG002 - a zip_findings.ReaderOf
        """Who sends one file to clamd while it is read. It finds ("MALWARE", its name) or ("NOT_SCANNED", "")."""
        return _Reading(self, name)

    def result(self) -> Scan | None:
        """The worst of all files that were read to their end.

        None when no file was, or when one was left half way and nothing was found: then the archive can't be read,
        and calling it clean would be as wrong as promising to scan it later.
        """
        if not self._found and (self._is_partial or not (self._clean or self._whys)):
            return None
        made: Scan = {
            "engine": self._engine,
            "signatures_at": self._signatures_at,
            "at": _iso(datetime.now(UTC)),
            "verdict": "clean",
            "found": self._found[:MOST_NAMES],
        }
        if self._found:
            made["verdict"] = "found"
        elif self._whys:
            made |= {"verdict": "not_scanned", "why": self._whys[0]}
        return made

    # for its readings

    def connect(self) -> socket.socket:
        """A connection that waits for the bytes of a file. _Trouble when there is none."""
        if self._given_up:
            raise _Trouble(self._given_up)
        try:
            if not self._is_introduced:
                self._engine, signatures_at = _version(self._address, ANSWER_SECONDS)
                self._signatures_at = _iso(signatures_at) if signatures_at else ""
                self._is_introduced = True
            connection = _connect(self._address)
        except _Trouble as trouble:
            self._given_up = trouble.why
            raise
        connection.settimeout(ANSWER_SECONDS)
        return connection

    def note(self, file: str, name: str, why: str) -> None:
        """How it ended with one file: a malware's name, or why it was not scanned, or neither."""
        if name:
            if name not in self._found:
                self._found.append(name)
            if self._on_hit is not None and (scan := self.result()):
                self._on_hit(file, name, scan)
        elif why:
            self._whys.append(why)
            if why == "unreachable":
                self._given_up = why
        else:
            self._clean += 1

    def note_partial(self) -> None:
        self._is_partial = True


class _Reading:
    """One file on its way to clamd."""

    def __init__(self, scanner: Scanner, file: str) -> None:
        self._scanner = scanner
        self._file = file
        self._connection: socket.socket | None = None
        self._sent = 0  # bytes
        self._name = ""  # of the malware
        self._why = ""
        self._is_answered = False
        self._is_over = False

    def write(self, piece: bytes) -> None:
        if piece and not self._is_answered:  # an empty piece would end the stream
            self._say(piece)

    def finish(self) -> list[tuple[str, str]]:
        if not self._is_answered:
            self._say(b"")
        if not self._is_answered:
            self._listen()
        self._close()
        self._is_over = True
        self._scanner.note(self._file, self._name, self._why)
        if self._name:
            return [("MALWARE", self._name)]
        return [("NOT_SCANNED", "")] if self._why else []

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if not self._is_over:
            self._scanner.note_partial()

    def _say(self, piece: bytes) -> None:
        """One piece of the stream; the empty one is its end."""
        try:
            if self._connection is None:
                self._connection = self._scanner.connect()
                self._connection.sendall(b"zINSTREAM\0")
            self._connection.sendall(struct.pack("!I", len(piece)) + piece)
            self._sent += len(piece)
        except _Trouble as trouble:
            self._end(why=trouble.why)
        except TimeoutError:
            self._end(why="unreachable")
        except OSError:  # it hangs up on what is too big for it, and says so first
            self._listen()
            if not self._name and not self._why:  # clean, without having heard the end
                self._end(why="broken")

    def _listen(self) -> None:
        assert self._connection is not None
        try:
            answer = _answer(self._connection, ANSWER_SECONDS)
        except _Trouble as trouble:
            self._end(why=trouble.why)
        else:
            self._end(*_understood(answer, self._sent))

    def _end(self, name: str = "", why: str = "") -> None:
        self._name, self._why, self._is_answered = name, why, True

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _understood(answer: str, size: int) -> tuple[str, str]:
    """(name of the malware, why it was not scanned) of a file of so many bytes; both empty for a clean one."""
    if answer == "stream: OK":
        return "", ""
    if answer.startswith("INSTREAM size limit exceeded"):
        return "", "too_big"
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        name = _EXTENDED.sub("", answer.removeprefix("stream: ").removesuffix(" FOUND"))
        if name.startswith(OVER_ITS_LIMITS):
            return _over_its_limits(name, size)
        return "".join(c if c.isprintable() else "?" for c in name)[:100] or "?", ""
    return "", "broken"


def _over_its_limits(name: str, size: int) -> tuple[str, str]:
    """Only the size is anybody's bad luck. Depth and number are made by whoever made the file, to blind the scanner."""
    limit = name.removeprefix(OVER_ITS_LIMITS)
    if limit.startswith("MaxScanTime"):
        return "", "broken"
    return ("", "too_big") if limit.startswith(ITS_SIZES) and size >= LARGE else (name, "")


def _version(address: str, seconds: float) -> tuple[str, datetime | None]:
    """The engine and the moment of its signatures: ClamAV 1.4.6/27800/Fri Nov 20 17:26:00 2026.

    clamd writes that moment as a clock on the wall of its machine shows it, which is taken to be this machine.
    """
    with _connect(address) as connection:
        connection.settimeout(seconds)
        with contextlib.suppress(OSError):  # the answer shows what became of it
            connection.sendall(b"zVERSION\0")
        told = _VERSION.fullmatch(_answer(connection, seconds))
    if told is None:
        raise _Trouble("broken")
    try:
        signatures_at = datetime.strptime(told[2] or "", "%a %b %d %H:%M:%S %Y").astimezone(UTC)
    except (ValueError, OverflowError):
        signatures_at = None
    return told[1], signatures_at


def _connect(address: str) -> socket.socket:
    is_path = address.startswith("/")
    connection = None
    try:
        if not is_path:
            host, _, port = address.rpartition(":")
            return socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(CONNECT_SECONDS)
        connection.connect(address)
    except (OSError, ValueError) as error:
        if connection is not None:
            connection.close()
        raise _Trouble("unreachable") from error
    return connection


def _answer(connection: socket.socket, seconds: float) -> str:
    """What clamd says up to the closing NUL. _Trouble when that doesn't come, or not within so many seconds in all."""
    until = time.monotonic() + seconds
    said = b""
    try:
        while b"\0" not in said:
            left = until - time.monotonic()
            if left <= 0:
                raise _Trouble("unreachable")
            connection.settimeout(left)
            data = connection.recv(LONGEST_ANSWER)
            said += data
            if not data or len(said) > LONGEST_ANSWER:
                raise _Trouble("broken")
    except TimeoutError as error:
        raise _Trouble("unreachable") from error
    except OSError as error:
        raise _Trouble("broken") from error
    return said.partition(b"\0")[0].decode("utf-8", "replace").strip()


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")
