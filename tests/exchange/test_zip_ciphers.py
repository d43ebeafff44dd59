"""The fast ways through an entry against the plain ones: the same bytes, the same refusals, little memory."""

import hashlib
import io
import random
import resource
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from exchange import archives, zip_ciphers, zip_streams, zip_structure
from exchange.zip_findings import Collector, Limits
from exchange.zip_reading import Opener
from exchange.zip_streams import Refused
from tests.exchange.archive_writer import AES_STRENGTH, PASSWORD, Item, deflated, made
from tests.processes import IS_SOAK

ROOT = Path(__file__).resolve().parents[2]
CRYPTS = [*AES_STRENGTH, "ZipCrypto"]
# Around the first piece of 64 bytes, a piece of 64 KB, what is made ahead, and what AES reads once (1 MB).
SIZES = [0, 1, 51, 52, 64, 65, 2**16 - 1, 2**16 + 64, 2**16 + 65, 3 * 2**16, 600_000]
BIG = [2**20 - 40, 2**20, 2**20 + 1]
NOISE = random.Random(1).randbytes(2**21)
TEXT = b"".join(b"%d,%d\r\n" % (n, n * n) for n in range(3000))
Outcome = bytes | tuple[str, str, bool]

FLIPS = 500 if IS_SOAK else 100

needs_libarchive = pytest.mark.skipif(
    zip_ciphers.libarchive is None, reason="libarchive (Debian package libarchive13) is not installed"
)


def records_of(data: bytes) -> list[zip_structure.Record]:
    return zip_structure.read_container(io.BytesIO(data), Limits(), Collector())[0]


def outcome(read: Callable[[], Iterable[bytes]]) -> Outcome:
    """The bytes, or how they are refused."""
    try:
        return b"".join(read())
    except Refused as refused:
        return refused.code, refused.detail, refused.is_doubtful


def at_once(data: bytes, password: str = PASSWORD) -> list[Outcome]:
    """Every entry, read in this thread."""
    opener = Opener(io.BytesIO(data), password.encode())
    return [outcome(lambda record=record: opener.plain(record)) for record in records_of(data)]


def ahead(data: bytes) -> list[Outcome]:
    """Every entry, made by threads before it is asked for."""
    records = records_of(data)
    with Opener(io.BytesIO(data), PASSWORD.encode(), records) as opener:
        return [outcome(lambda record=record: opener.plain(record)) for record in records]


def without_libarchive(monkeypatch: pytest.MonkeyPatch, data: bytes, password: str = PASSWORD) -> list[Outcome]:
    with monkeypatch.context() as patch:
        patch.setattr(zip_ciphers, "libarchive", None)
        return at_once(data, password)


def flips(item: Callable[[Callable[[bytes], bytes]], Item], number: int) -> Iterable[bytes]:
    """Archives of that one entry, each with another bit of its encrypted bytes turned over."""
    rng = random.Random(number)
    for _ in range(number):
        place, bit = rng.random(), 1 << rng.randrange(8)

        def flipped(data: bytes, place: float = place, bit: int = bit) -> bytes:
            at = int(place * len(data))
            return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]

        yield made(item(flipped))


@pytest.mark.parametrize("crypt", CRYPTS)
def test_every_size_comes_out_whole_at_once_and_ahead(crypt: str) -> None:
    sizes = SIZES + BIG * (crypt == "AES-256")
    data = made(*(Item(f"{size}.bin", NOISE[:size], crypt, method=0) for size in sizes))
    assert at_once(data) == [NOISE[:size] for size in sizes]
    assert ahead(data) == [NOISE[:size] for size in sizes]


@pytest.mark.parametrize("number", [0, 1, 15, 16, 17, 4095, 4096, 2**16 - 1, 2**16, 2**20 - 1])
def test_counters_go_on_from_piece_to_piece_up_to_64_gib(number: int) -> None:
    first = number * 4096 + 1
    assert zip_ciphers.counters(number) == b"".join(n.to_bytes(16, "little") for n in range(first, first + 4096))


def test_small_and_big_entries_mixed_come_in_their_order() -> None:
    sizes = [100, 2**20 + 7, 5, 90000, 2**21, 2**20, 0, *range(40, 70)]
    data = made(*(Item(f"{index}.bin", NOISE[:size], method=8) for index, size in enumerate(sizes)))
    assert ahead(data) == [NOISE[:size] for size in sizes]


@needs_libarchive
@pytest.mark.parametrize("descriptor", ["", "<4s3L"])
def test_libarchive_and_pure_python_read_the_same_zipcrypto(monkeypatch: pytest.MonkeyPatch, descriptor: str) -> None:
    sizes = [0, 1, 51, 52, 53, 64, 65, 2**16 + 64, 150_000]
    items = (Item(f"{size}", NOISE[:size], "ZipCrypto", descriptor=descriptor, method=0) for size in sizes)
    data = made(*items)
    assert at_once(data) == [NOISE[:size] for size in sizes] == without_libarchive(monkeypatch, data)


@needs_libarchive
def test_what_is_damaged_is_refused_by_libarchive_as_by_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = list(flips(lambda flip: Item("a.csv", TEXT[:3000], "ZipCrypto", tamper=flip), FLIPS))
    outcomes = [at_once(data) for data in damaged]
    assert outcomes == [without_libarchive(monkeypatch, data) for data in damaged]
    assert outcomes == [ahead(data) for data in damaged]
    read = [outcome for (outcome,) in outcomes if isinstance(outcome, bytes)]
    assert len(read) < FLIPS / 50, "what is after the end in the last byte"
    assert set(read) <= {TEXT[:3000]}


@pytest.mark.parametrize("password", ["p\0q", "ひみつの言葉"])
def test_a_password_that_is_no_c_string_opens_zipcrypto_too(password: str) -> None:
    data = made(Item("a.csv", TEXT, "ZipCrypto", password=password))
    assert at_once(data, password) == [TEXT]
    assert at_once(data, password[:1]) == [("WRONG_PASSWORD", "", False)]


@pytest.mark.parametrize("size", [3000, len(TEXT)])
def test_what_is_damaged_in_aes_is_refused_ahead_as_at_once(size: int) -> None:
    damaged = list(flips(lambda flip: Item("a.csv", TEXT[:size], tamper=flip), 100))
    outcomes = [at_once(data) for data in damaged]
    assert outcomes == [ahead(data) for data in damaged]
    assert {outcome[0] for (outcome,) in outcomes} <= {"WRONG_PASSWORD", "DAMAGED"}


def test_deflated_data_is_refused_as_zlib_refuses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    for number in range(FLIPS):
        text = rng.choice([TEXT, TEXT[:200], NOISE[:3000] + b"x" * 9000])
        packed = bytearray(deflated(text))
        for _ in range(rng.choice([1, 1, 3])):
            packed[rng.randrange(min(len(packed), rng.choice([4, 20, 2**20])))] ^= 1 << rng.randrange(8)
        pieces = [bytes(packed[:64]), *(bytes(packed[at : at + 1000]) for at in range(64, len(packed), 1000))]

        def inflated(pieces: list[bytes] = pieces, packed: int = len(packed), size: int = len(text)) -> Outcome:
            return outcome(lambda: zip_streams.inflated(pieces, packed, size))

        fast = inflated()
        with monkeypatch.context() as patch:
            patch.setattr(zip_streams, "zlib_ng", zlib)
            assert fast == inflated(), number


@pytest.mark.parametrize(("crypt", "size"), [("AES-256", 8 * 10**6), ("ZipCrypto", 2 * 10**6)])
def test_a_big_entry_takes_little_memory(crypt: str, size: int) -> None:
    plain = (NOISE * 4)[:size]
    data = made(Item("a.bin", plain, crypt, method=0))
    archives.inspect(io.BytesIO(data), PASSWORD)
    tracemalloc.start()
    try:
        inspection = archives.inspect(io.BytesIO(data), PASSWORD)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert inspection.entries[0].sha256 == hashlib.sha256(plain).hexdigest()
    assert peak < 1.5 * 2**20


def test_many_entries_take_little_memory() -> None:
    data = made(*(Item(f"{n}.bin", NOISE[n : n + 300_000], method=n % 2 * 8) for n in range(40)))
    tracemalloc.start()
    try:
        inspection = archives.inspect(io.BytesIO(data), PASSWORD)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(entry.sha256 for entry in inspection.entries)
    assert peak < 4 * 2**20


def test_the_threads_end_with_the_inspection_and_progress_is_told_in_its_own() -> None:
    before, told = threading.active_count(), []
    data = made(Item("a.bin", NOISE, method=0), Item("b.csv", TEXT))
    archives.inspect(
        io.BytesIO(data), PASSWORD, on_progress=lambda done, total: told.append((threading.current_thread(), done))
    )
    assert {thread for thread, _ in told} == {threading.current_thread()}
    assert [done for _, done in told] == sorted(done for _, done in told)
    assert threading.active_count() == before


class _Broken(io.BytesIO):
    """A disk that fails in the middle of a big entry."""

    def read(self, size: int | None = -1, /) -> bytes:
        if 700_000 < self.tell() < 900_000:
            raise OSError("the disk is gone")
        return super().read(size)


@pytest.mark.parametrize("crypt", ["AES-256", "ZipCrypto"])
def test_the_errors_of_the_stream_are_the_callers_whichever_thread_reads(crypt: str) -> None:
    data = made(Item("a.bin", NOISE[: 2**20 + 9], crypt, method=0))
    before = threading.active_count()
    with pytest.raises(OSError, match="the disk is gone"):
        archives.inspect(_Broken(data), PASSWORD)
    assert threading.active_count() == before


def test_the_address_space_of_a_judge_is_enough(tmp_path: Path) -> None:
    items = [Item(f"{n}", TEXT, CRYPTS[2 + n % 2]) for n in range(40)]
    big = [Item(f"big {crypt}", NOISE[:700_000], crypt, method=0) for crypt in CRYPTS]
    (tmp_path / "a.zip").write_bytes(made(*items, *big))
    program = (
        "import resource, sys; from exchange import archives\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({512 * 2**20}, {resource.RLIM_INFINITY}))\n"
        "print(archives.inspect(open(sys.argv[1], 'rb'), sys.argv[2]).verdict)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "a.zip", PASSWORD], cwd=ROOT, capture_output=True, text=True
    )
    assert (ran.stdout.strip(), ran.stderr) == ("warn", "")
