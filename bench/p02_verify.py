"""P2: verifying AES-256 archives against `7zz t`.

Ours is archives.inspect in a warm process, as the judge is one: the container, every entry decrypted, inflated and
held against HMAC, CRC and size, its SHA-256, and its contents looked through. `7zz t` starts anew each time, knows no
SHA-256 and no contents. Both read the same file, which the system has in memory.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import goals, zips
from exchange import archives

ROUNDS = 7
AT_LEAST = {zips.CSV: 1.5, zips.PDFS: 0.9, zips.NOISE: 0.9, zips.SMALL: 0.7}
LIMITS = archives.Limits(unpacked=2**30, packed=2**30)


def run() -> Iterator[goals.Line]:
    if zips.SEVEN is None:
        yield goals.not_measured("P2 verifying AES-256", "7-Zip is not installed", "ratio >= 1.5, 0.9, 0.7")
        return
    with tempfile.TemporaryDirectory(prefix="todoke-bench-") as name:
        for kind, at_least in AT_LEAST.items():
            target = zips.archive(kind, "AES256", Path(name))
            yield against_seven(f"P2 verifying AES-256, {kind}", target, at_least)


def against_seven(title: str, target: Path, at_least: float) -> goals.Line:
    """Both speeds, in MB of plain bytes a second."""
    size = verify(target)  # the warm-up
    speeds = goals.rounds(
        ROUNDS,
        {"7zz": _speed(lambda: zips.seven_tests(target), size), "ours": _speed(lambda: verify(target), size)},
    )
    return goals.against(title, speeds["ours"], "MB/s", "7zz t", speeds["7zz"], at_least)


def verify(target: Path) -> int:
    """Judges the archive; gives the bytes of its files."""
    with target.open("rb") as file:
        inspection = archives.inspect(file, zips.PASSWORD, LIMITS)
    if inspection.verdict == "reject":
        raise RuntimeError(f"{target.name}: {inspection.findings[0].message}")
    return sum(entry.size for entry in inspection.entries)


def _speed(act: Callable[[], object], size: int) -> Callable[[], float]:
    def measure() -> float:
        before = time.perf_counter()
        act()
        return size / 1e6 / (time.perf_counter() - before)

    return measure
