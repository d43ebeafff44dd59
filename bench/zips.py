"""Password ZIPs as 7-Zip makes them, of what offices send; the same bytes in every run."""

import random
import shutil
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

PASSWORD = "bench-of-verifying-77"
CSV, NOISE, SMALL, PDFS = "100 MB CSV", "100 MB incompressible", "1,000 files of 20 KB", "81 PDFs of 250 KB"
SIZE = 100 * 10**6
_SEED = 20260401

SEVEN = shutil.which("7zz") or shutil.which("7z")


def archive(kind: str, method: str, folder: Path, size: int = SIZE, password: str = PASSWORD) -> Path:
    """Makes it; kind is one of the words above, method "AES256" or "ZipCrypto", size that of CSV and NOISE."""
    source = folder / kind
    if not source.exists():
        source.mkdir()
        _KINDS[kind](source, random.Random(_SEED), size)
    target = folder / f"{kind} {method}.zip"
    _seven("a", f"-p{password}", "-tzip", f"-mem={method}", "-mx1", str(target), ".", folder=source)
    return target


def seven_tests(target: Path) -> None:
    """The reference: 7-Zip's own test of an archive, a process with its start."""
    _seven("t", f"-p{PASSWORD}", str(target), folder=target.parent)


def _seven(verb: str, *more: str, folder: Path) -> None:
    subprocess.run([SEVEN or "7zz", verb, *more], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def rows(rng: random.Random, size: int) -> bytes:
    """So many bytes, or up to a row more, of a form as payroll programs write it, in CP932."""
    out: list[bytes] = []
    while size > 0:
        born = f"{rng.randrange(40, 64)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}"
        row = f"22{rng.randrange(10**6):06},{rng.randrange(10**4)},ﾋﾎｹﾝｼｬ ﾊﾅｺ,被保険者　花子,5,{born},"
        row += f"{rng.randrange(98, 650) * 1000},{rng.randrange(98, 650) * 1000},R080{rng.randrange(1, 9)}01\r\n"
        out.append(row.encode("cp932"))
        size -= len(out[-1])
    return b"".join(out)


def _csv(folder: Path, rng: random.Random, size: int) -> None:
    with (folder / "form.csv").open("wb") as file:
        while file.tell() < size:
            file.write(rows(rng, 10**6))


def _noise(folder: Path, rng: random.Random, size: int) -> None:
    with (folder / "scan.bin").open("wb") as file:
        while file.tell() < size:
            file.write(rng.randbytes(10**6))


def _small(folder: Path, rng: random.Random, size: int) -> None:
    for number in range(1000):
        (folder / f"{number:04}.csv").write_bytes(rows(rng, 20_000))


def _pdfs(folder: Path, rng: random.Random, size: int) -> None:
    for number in range(81):
        (folder / f"{number:04}.pdf").write_bytes(_pdf(rng))


def _pdf(rng: random.Random) -> bytes:
    """Ten pages of compressed text and a font of 80 KB: for a compressor nearly noise, as real ones are."""
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    places: list[int] = []
    for data in [rng.randbytes(80_000), *(zlib.compress(rows(rng, 50_000)) for _ in range(10))]:
        places.append(len(out))
        out += b"%d 0 obj\n<</Length %d/Filter/FlateDecode>>\nstream\n" % (len(places), len(data))
        out += data + b"\nendstream\nendobj\n"
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(places) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(out + b"trailer\n<</Size %d>>\nstartxref\n%d\n%%%%EOF\n" % (len(places) + 1, start))


_KINDS: dict[str, Callable[[Path, random.Random, int], None]] = {CSV: _csv, NOISE: _noise, SMALL: _small, PDFS: _pdfs}
