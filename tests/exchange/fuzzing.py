"""A program that fuzzes the judge of archives, guided by which of its code an input reaches.

    python tests/exchange/fuzzing.py SEEDS ACCEPTED RUNS

An input is either an archive, byte for byte, or a recipe from which one is put together, encrypted and sealed rightly
with a few lies in it: bytes changed at random seldom get past a checksum. SEEDS: a folder of inputs to begin with, to
which what reaches further is added. Every archive that the judge would let pass is left in the folder ACCEPTED. Ends
with 0 after so many runs; with anything else at the first crash, at an input that takes longer than SECONDS, or beyond
MEGABYTES of memory.
"""

import hashlib
import io
import sys
from pathlib import Path
from typing import Any

import atheris

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
with atheris.instrument_imports(include=["exchange"]):
    from exchange import archives

from tests.exchange.archive_writer import CSV, PASSWORD, PDF, XLSX, Item, made  # noqa: E402 — after the instrumented

SECONDS, MEGABYTES = 10, 1024
LIMITS = archives.Limits(unpacked=2**20, entries=50)
ARCHIVE = b"\0"  # the first byte of an input that is an archive; any other begins a recipe
NAMES = ["届書.csv", "通知.pdf", "給与.xlsx", "a.txt", "届書/", "a/b.csv", "..", "届書.CSV", "表.csv".encode("cp932")]
CONTENTS = [CSV, PDF, XLSX, b"", b"0", bytes(3000), b"PK\3\4", "氏名\r\n".encode("utf-16")]


def archive_of(data: bytes) -> bytes:
    if data[:1] == ARCHIVE:
        return data[1:]
    recipe = atheris.FuzzedDataProvider(data)
    items = [_item(recipe) for _ in range(recipe.ConsumeIntInRange(1, 3))]
    archive = bytearray(made(*items, **_container(recipe)))
    for _ in range(recipe.ConsumeIntInRange(0, 2)):
        archive[recipe.ConsumeIntInRange(0, len(archive) - 1)] = recipe.ConsumeIntInRange(0, 255)
    return bytes(archive)


def _item(recipe: Any) -> Item:
    choose = recipe.PickValueInList
    item = Item(choose(NAMES), choose(CONTENTS) + recipe.ConsumeBytes(20))
    item.crypt = choose(["AES-256", "AES-256", "AES-128", "ZipCrypto", "none"])
    item.method = choose([8, 8, 0])
    item.ae = choose([2, 2, 1])
    item.descriptor = choose(["", "", "<4s3L", "<3L", "<4sLQQ"])
    lies = {
        "flags": lambda: recipe.ConsumeIntInRange(0, 0xFFFF),
        "size": lambda: recipe.ConsumeIntInRange(0, 2**32 - 1),
        "packed": lambda: recipe.ConsumeIntInRange(0, 2**16),
        "crc": lambda: recipe.ConsumeIntInRange(0, 2**32 - 1),
        "extra": lambda: recipe.ConsumeBytes(24),
        "local_extra": lambda: recipe.ConsumeBytes(24),
        "attributes": lambda: recipe.ConsumeIntInRange(0, 2**32 - 1),
        "comment": lambda: recipe.ConsumeBytes(8),
        "offset": lambda: recipe.ConsumeIntInRange(0, 2**12),
        "stream": lambda: recipe.ConsumeBytes(64),
        "name": lambda: recipe.ConsumeBytes(12),
        "is_ghost": lambda: True,
    }
    for _ in range(choose([0, 0, 1, 2])):
        lie = choose(sorted(lies))
        setattr(item, lie, lies[lie]())
    return item


def _container(recipe: Any) -> dict[str, Any]:
    lies = {
        "prefix": lambda: recipe.ConsumeBytes(8),
        "before_directory": lambda: recipe.ConsumeBytes(8),
        "after": lambda: recipe.ConsumeBytes(8),
        "comment": lambda: recipe.ConsumeBytes(30),
        "entries": lambda: recipe.ConsumeIntInRange(0, 5),
        "disk": lambda: recipe.ConsumeIntInRange(0, 2),
        "zip64": lambda: recipe.PickValueInList(["pair", "wrong place", "wrong count"]),
    }
    chosen = [recipe.PickValueInList(sorted(lies)) for _ in range(recipe.PickValueInList([0, 0, 0, 1]))]
    return {lie: lies[lie]() for lie in chosen}


def fuzz(seeds: Path, accepted: Path, runs: int) -> None:
    def judge(data: bytes) -> None:
        archive = archive_of(data)
        if archives.inspect(io.BytesIO(archive), PASSWORD, LIMITS).verdict != "reject":
            (accepted / f"{hashlib.sha256(archive).hexdigest()}.zip").write_bytes(archive)

    limits = [f"-runs={runs}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}", "-max_len=8192"]
    atheris.Setup([sys.argv[0], str(seeds), *limits, f"-artifact_prefix={accepted}/", "-seed=20261123"], judge)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
