"""What a process and its children hold: resident memory from /proc, and disk space including files already unlinked."""

import os
import threading
import time
from pathlib import Path
from types import TracebackType

SAMPLE_SECONDS = 0.02


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def resident(pid: int) -> int:
    """Resident bytes of a process and its children, shared pages counted once each."""
    total = 0
    for one in family(pid):
        try:
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except OSError:
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def on_disk(folder: Path, pids: list[int]) -> int:
    """Bytes allocated under `folder` or by regular files the processes hold open, every inode once."""
    inodes: dict[tuple[int, int], int] = {}
    descriptors = [entry for one in pids for entry in _listed(Path(f"/proc/{one}/fd"))]
    for path in [*folder.rglob("*"), *descriptors]:
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_mode & 0o170000 == 0o100000:
            inodes[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(inodes.values())


class Growth:
    """Within `with`: samples memory and disk; afterwards `memory` and `disk` are the most bytes above the start."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid, self.folder = pid, folder
        self.memory = self.disk = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Growth":
        self._memory_before = resident(self.pid)
        self._disk_before = on_disk(self.folder, family(self.pid))
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._sample()

    def _watch(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        self.memory = max(self.memory, resident(self.pid) - self._memory_before)
        self.disk = max(self.disk, on_disk(self.folder, family(self.pid)) - self._disk_before)


def wait_until_quiet(pid: int, seconds: float = 5) -> None:
    """Returns when the resident memory has not moved for half a second, at the latest after `seconds`."""
    until, last, since = time.monotonic() + seconds, -1, time.monotonic()
    while time.monotonic() < until and time.monotonic() - since < 0.5:
        now = resident(pid)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.1)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
