"""Judging an archive in a process of its own: with little memory and time, no right to write, and no secrets but those
of the one archive. What becomes of it when it doesn't come to an end is decided here.

exchange/judge_process.py is that process's program. A warm one of it belongs to each process that judges: an archive
then costs a fork instead of a start. Object key and password go through a socket, never into an argument, the
environment or a file.
"""

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from exchange import archives, testimony, vault
from exchange.testimony import Died, Judgement
from exchange.zip_findings import Report
from models import StoredObject

# Died and Judgement have these names for everybody but testimony, which makes them.
__all__ = ["Bounds", "Died", "Judgement", "judge"]

PROGRAM = "exchange.judge_process"
ROOT = Path(__file__).resolve().parent.parent
READ = 64 * 1024
LONGEST_LINE = 16 * 2**20  # bytes of an answer: 1,000 files with the longest names are half a megabyte
BEAT = 10  # seconds without progress after which the caller hears the last one again


@dataclass(frozen=True)
class Bounds:
    """What one archive may cost: seconds of the processor, bytes of address space, seconds in which it gets nowhere
    (a scanner may take two minutes over a file), and seconds altogether.
    """

    seconds: int
    memory: int = 512 * 2**20
    silence: float = 300
    whole: float = 2 * 3600

    @classmethod
    def of(cls, size: int) -> "Bounds":
        """Of an archive of so many bytes: a minute, and two seconds for each MiB."""
        return cls(60 + 2 * (size // 2**20))


def judge(
    stored: StoredObject,
    password: str,
    limits: archives.Limits,
    policy: archives.Policy,
    clamd: str,
    on_progress: Report,
    bounds: Bounds | None = None,
) -> Judgement:
    """What archives.inspect says of a stored archive, scanned by the clamd at that address ("": by none).

    An archive over its bounds is refused as too big. Malware that was found before stays found, however the judge
    ends. Died when there is no answer; FileNotFoundError once erased, Unsealable when the stored bytes were changed.
    Errors of on_progress pass through and end the judge.
    """
    bounds = bounds or Bounds.of(stored.size)
    loan = vault.lend(stored)
    asked = {
        "key": b64encode(loan.key).decode(),
        "size": loan.size,
        "password": password,
        "limits": asdict(limits),
        "policy": dict(policy),
        "clamd": clamd,
        "seconds": bounds.seconds,
        "memory": bounds.memory,
    }
    hits = testimony.Hits()
    ours, theirs = socket.socketpair()
    with ours:
        with theirs, loan.file:
            _ask(ours, asked)
            _room.take(theirs, loan.file)
        try:
            said = _answer(ours, loan.size, bounds, on_progress, hits.add)
            return hits.added_to(testimony.understood(said, limits.entries))
        except Died:
            if hits.scan is None:
                raise
            return hits.added_to(Judgement(archives.Inspection("reject", (), ()), None))


def _ask(line: socket.socket, asked: dict[str, Any]) -> None:
    try:
        line.sendall(json.dumps(asked).encode() + b"\n")
    except OSError as error:
        raise Died(type(error).__name__) from error


def _answer(
    line: socket.socket,
    size: int,
    bounds: Bounds,
    on_progress: Report,
    on_hit: Callable[[dict[str, Any]], object],
) -> dict[str, Any]:
    """The judge's last word. Died when there is none; {"error": "TimeoutError"} when it gets nowhere for too long:
    talking alone doesn't keep its slot, only progress that grows and malware that it found.
    """
    last, beat = (0, size), min(BEAT, bounds.silence)
    began_at = moved_at = told_at = time.monotonic()
    for said in _words(line, beat):
        now = time.monotonic()
        reached = testimony.progress(said, size) if "done" in said else last
        if reached > last:
            last, moved_at, told_at = reached, now, now
            on_progress(*last)
        elif "malware" in said:
            moved_at = now
            on_hit(said)
        elif said and "done" not in said:
            return said
        if now - moved_at >= bounds.silence or now - began_at >= bounds.whole:
            return {"error": "TimeoutError"}
        if now - told_at >= beat:  # whoever leads the job knows that it goes on, whatever is said meanwhile
            told_at = now
            on_progress(*last)
    raise Died("no answer")


def _words(line: socket.socket, beat: float) -> Iterator[dict[str, Any]]:
    """What the judge says, line by line; {} for what says nothing yet, and when so many seconds pass without a word."""
    line.settimeout(beat)
    rest = bytearray()
    while len(rest) <= LONGEST_LINE:
        try:
            data = line.recv(READ)
        except TimeoutError:
            yield {}
            continue
        except OSError as error:  # nobody has read the question: the warm process doesn't start
            raise Died(type(error).__name__) from error
        if not data:
            return
        rest += data
        *lines, rest = rest.split(b"\n") if b"\n" in data else (b"", rest)
        yield from map(testimony.parsed, map(bytes, lines))


class _Room:
    """The warm process: started with the first archive and whenever it has died, ended with ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def take(self, line: socket.socket, file: BinaryIO) -> None:
        """Have it fork a judge who listens on that line and reads that file."""
        with self._lock:
            if not self._gave(line, file) and not self._gave(line, file):  # it was killed; a new one is started, once
                raise Died("it doesn't start")

    def _gave(self, line: socket.socket, file: BinaryIO) -> bool:
        """Whether there is a warm process, started where there is none, that has got both."""
        if self._control is None:
            self._start()
        assert self._control is not None
        try:
            socket.send_fds(self._control, [b"+"], [line.fileno(), file.fileno()])
        except OSError:
            self._end()
            return False
        return True

    def _start(self) -> None:
        # Its own folder first among the places to import from, nothing from the environment, no compiled files written.
        command = [sys.executable, "-E", "-s", "-B", "-m", PROGRAM]
        # A heap for each thread would reserve 64 MiB of the address space that a judge is allowed.
        environment = {"MALLOC_ARENA_MAX": "1"}
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 — this program, fixed words
                command,
                cwd=ROOT,
                env=environment,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,  # what it says when it can't start goes where this process says its own
                process_group=0,  # Ctrl+C in a terminal is for this process, which then ends that one
            )

    def _end(self) -> None:
        if self._control is None or self._process is None:
            return
        self._control.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._control = self._process = None

    def close(self) -> None:
        with self._lock:
            self._end()

    def forget(self) -> None:
        """In a process forked from ours: the warm one isn't its own, and must not be kept alive by it."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.returncode = 0  # nothing that this process would have to wait for
        self._lock = threading.Lock()  # another thread may have held it
        self._control = self._process = None


_room = _Room()
atexit.register(_room.close)
os.register_at_fork(after_in_child=_room.forget)
