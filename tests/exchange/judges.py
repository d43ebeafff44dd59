"""For tests of the processes that judge archives: what they are given, and how they are seen from outside."""

import io
import os
import re
import resource
import select
import signal
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from database import db
from exchange import archives, judging, vault
from models import StoredObject
from tests.exchange.archive_writer import PASSWORD, Item, made

MB = 2**20
UNLIMITED = archives.Limits(ratio=10**6, packed=2**40, unpacked=2**40)


def kept(data: bytes) -> StoredObject:
    """In the vault."""
    with db.atomic():
        return vault.receive(io.BytesIO(data)).keep()


def zeros(megabytes: int) -> bytes:
    """A small archive that is long to read: 3,000 MB of zeros take the judge some four seconds, under UNLIMITED."""
    block, end = deflated_zeros()
    return made(Item("a.csv", b"", stream=block * megabytes + end, size=megabytes * MB))


def deflated_zeros() -> tuple[bytes, bytes]:
    """A deflated megabyte of zeros, to be repeated, and the end of the stream."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(bytes(MB)) + deflater.flush(zlib.Z_FULL_FLUSH), b"\3\0"


def judged(
    stored: StoredObject,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
    password: str = PASSWORD,
    clamd: str = "",
    **bounds: Any,
) -> judging.Judgement:
    """`bounds`: as in judging.Bounds, where they are not the usual ones."""
    bound = judging.Bounds(**{"seconds": 60, **bounds}) if bounds else None
    return judging.judge(stored, password, UNLIMITED, archives.DEFAULTS, clamd, on_progress, bound)


def codes(judgement: judging.Judgement) -> list[str]:
    return sorted({finding.code for finding in judgement.inspection.findings})


class Once:
    """A progress that does something at the first word of the judge, whose process is then `judge`."""

    def __init__(self, act: Callable[[int], object]) -> None:
        self._act = act
        self.judge = 0

    def __call__(self, done: int, total: int) -> None:
        if not self.judge:
            self.judge = max(children(room()))  # the one before may not be gone yet
            self._act(self.judge)


def room() -> int:
    """The warm process of this one."""
    rooms = [child for child in children(os.getpid()) if b"exchange.judge_process" in command(child)]
    assert len(rooms) == 1
    return rooms[0]


def command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def address_space(process: int) -> int:
    """In bytes."""
    return int(Path(f"/proc/{process}/statm").read_text().split()[0]) * resource.getpagesize()


def children(parent: int) -> list[int]:
    """Processes that live; what has ended and was not yet waited for isn't told."""
    return [process for process, of, state in _processes() if of == parent and state not in "ZX"]


def _processes() -> list[tuple[int, int, str]]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:  # it has ended
            continue
        found.append((int(folder.name), int(parent), state))
    return found


def ends(descriptor: int, seconds: float = 30) -> bool:
    """Whether the process behind a pidfd ends within that time; closes it."""
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def has_ended(process: int) -> bool:
    """After the time that its end may take."""
    try:
        return ends(os.pidfd_open(process))
    except ProcessLookupError:
        return True


def opened(process: int) -> list[str] | None:
    """What it has open, without the numbers of sockets; None where its owner may not look."""
    try:
        links = [os.readlink(link) for link in Path(f"/proc/{process}/fd").iterdir()]
    except PermissionError:
        return None
    return sorted(re.sub(r":\[\d+\]", "", link) for link in links)


def environment(process: int) -> bytes:
    """Empty where its owner may not look."""
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except PermissionError:
        return b""


def stop(process: int) -> None:
    os.kill(process, signal.SIGSTOP)


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
