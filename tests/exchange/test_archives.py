"""The judge of password ZIPs: what it tells, what it reads, and that nothing breaks it."""

import io
import random
import time

import pytest

from exchange import archives, zip_findings
from exchange.archives import ArchiveError, inspect, open_entry, read_single
from tests.exchange.archive_judging import codes_of, judged, sha256
from tests.exchange.archive_writer import CSV, PASSWORD, PDF, XLSX, Item, flipped, made
from tests.processes import IS_SOAK

MUTANTS = 15_000 if IS_SOAK else 600  # test_fuzzing looks further
PINNED = [
    *("NOT_ZIP", "EMPTY_ARCHIVE", "NOT_ENCRYPTED", "PARTLY_ENCRYPTED", "WRONG_PASSWORD", "ZIPCRYPTO", "WEAK_AES"),
    *("BAD_METHOD", "DAMAGED", "TOO_BIG", "RATIO", "TOO_MANY", "OVERLAP", "EXTRA_BYTES", "SPLIT", "HEADER_MISMATCH"),
    *("BAD_NAME", "DUPLICATE_NAME", "SPECIAL_ENTRY", "BAD_TYPE", "NESTED", "MACRO", "ENCRYPTED_INSIDE", "EMPTY_FILE"),
    *("MY_NUMBER", "MALWARE", "NOT_SCANNED"),
]


def test_every_pinned_code_has_a_severity_and_a_sentence() -> None:
    assert list(archives.CODES) == [*PINNED, "OTHER_OFFICE"]
    assert set(zip_findings.MESSAGES) == set(archives.CODES)
    assert all(message.endswith("ください。") for message in zip_findings.MESSAGES.values())


def test_entries_carry_name_size_method_and_digest() -> None:
    items = Item("届書/給与.xlsx", XLSX), Item("b.csv", crypt="ZipCrypto"), Item("c.pdf", PDF, "AES-128")
    entries = judged(made(*items)).entries
    assert [(entry.name, entry.size, entry.method, entry.sha256) for entry in entries] == [
        ("届書/給与.xlsx", len(XLSX), "AES-256", sha256(XLSX)),
        ("b.csv", len(CSV), "ZipCrypto", sha256(CSV)),
        ("c.pdf", len(PDF), "AES-128", sha256(PDF)),
    ]


def test_an_unread_entry_keeps_its_name_and_has_no_digest() -> None:
    inspection = judged(made(Item("a.csv"), Item("b.csv", password="Hazure-2026")))
    assert [(entry.name, bool(entry.sha256)) for entry in inspection.entries] == [("a.csv", True), ("b.csv", False)]
    assert [(finding.code, finding.entry) for finding in inspection.findings] == [("WRONG_PASSWORD", "b.csv")]


def test_a_password_that_opens_nothing_is_told_once() -> None:
    inspection = judged(made(*(Item(f"{n}.csv") for n in range(5))), "Hazure-2026-Hiyoko")
    assert [(finding.code, finding.entry) for finding in inspection.findings] == [("WRONG_PASSWORD", None)]


def test_wrong_zipcrypto_passwords_are_told_as_such_whatever_their_check_byte() -> None:
    data = made(*(Item(f"{n}.csv", data=CSV + b"%d" % n, crypt="ZipCrypto") for n in range(3)))
    told = {frozenset(codes_of(judged(data, f"Hazure-{n}-Hiyoko"))) for n in range(600)}
    assert told == {frozenset({"ZIPCRYPTO", "WRONG_PASSWORD"})}


def test_many_findings_of_one_kind_are_counted() -> None:
    inspection = judged(made(*(Item(f"{n}?.csv", b"1", method=0) for n in range(50))))
    assert codes_of(inspection) == {"BAD_NAME"}
    assert len(inspection.findings) == zip_findings.FINDINGS_PER_CODE
    assert "ほかに30件" in inspection.findings[-1].message


def test_a_message_shows_no_invisible_characters() -> None:
    (finding,) = judged(made(Item("届書\u202evsc.exe\r\n"))).findings
    assert "届書\\u202evsc.exe\\u000d\\u000a" in finding.message


# Limits, progress, sinks


def test_limits_are_inclusive() -> None:
    data = made(Item("a.csv"), Item("b.csv"))
    size = 2 * len(CSV)
    assert judged(data, unpacked=size, entries=2, packed=len(data)).verdict == "accept"
    assert codes_of(judged(data, unpacked=size - 1)) == {"TOO_BIG"}
    assert codes_of(judged(data, entries=1)) == {"TOO_MANY"}
    assert codes_of(judged(data, packed=len(data) - 1)) == {"TOO_BIG"}
    assert codes_of(judged(data, directory=10)) == {"TOO_BIG"}


def test_progress_grows_to_the_size_of_the_archive() -> None:
    data = made(Item("a.bin", random.Random(1).randbytes(3_000_000)), Item("b.csv"))
    told: list[tuple[int, int]] = []
    inspect(io.BytesIO(data), PASSWORD, on_progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert len(told) > 5
    assert told[-1] == (len(data), len(data))


class Onlooker:
    """Reads along and keeps what it is given."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pieces: dict[str, list[bytes]] = {}
        self.closed: list[str] = []

    def __call__(self, name: str, size: int) -> "Onlooker":
        self.asked.append(name)
        return self

    def write(self, piece: bytes) -> None:
        self.pieces.setdefault(self.asked[-1], []).append(piece)

    def finish(self) -> list[tuple[str, str]]:
        return [("MALWARE", "Test.Onlooker")] if self.asked[-1] == "b.csv" else []

    def __enter__(self) -> "Onlooker":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.append(self.asked[-1])


def test_who_reads_along_gets_the_plain_bytes_of_each_file_in_pieces_and_may_say_something() -> None:
    noise = random.Random(2).randbytes(200_000)
    onlooker = Onlooker()
    data = made(Item("a.bin", noise), Item("b.csv", crypt="ZipCrypto"), Item("c.csv"))
    inspection = inspect(io.BytesIO(data), PASSWORD, readers=[onlooker])
    assert {name: b"".join(parts) for name, parts in onlooker.pieces.items()} == {
        **{"a.bin": noise, "b.csv": CSV, "c.csv": CSV},
    }
    assert max(map(len, onlooker.pieces["a.bin"])) <= 64 * 1024
    assert onlooker.closed == ["a.bin", "b.csv", "c.csv"]
    assert ("MALWARE", "b.csv") in {(finding.code, finding.entry) for finding in inspection.findings}


@pytest.mark.parametrize("size", [2_000, 3_000_000])
def test_nothing_of_a_tampered_aes_entry_is_handed_on(size: int) -> None:
    onlooker = Onlooker()
    data = made(Item("a.bin", random.Random(3).randbytes(size), method=0, tamper=flipped(-20)))
    inspection = inspect(io.BytesIO(data), PASSWORD, readers=[onlooker])
    assert codes_of(inspection) == {"DAMAGED"}
    assert (onlooker.pieces, onlooker.closed) == ({}, ["a.bin"])


def test_a_crooked_container_is_never_unpacked() -> None:
    onlooker = Onlooker()
    inspect(io.BytesIO(made(Item("a.csv"), after=b"x")), PASSWORD, readers=[onlooker])
    inspect(io.BytesIO(made(Item("a.csv"), Item("b.csv", crypt="none"))), PASSWORD, readers=[onlooker])
    assert onlooker.asked == []


def test_the_errors_of_who_reads_along_are_the_callers() -> None:
    class Broken(Onlooker):
        def write(self, piece: bytes) -> None:
            raise ConnectionError("the scanner is gone")

    with pytest.raises(ConnectionError, match="the scanner is gone"):
        inspect(io.BytesIO(made(Item("a.csv"))), PASSWORD, readers=[Broken()])


def test_what_the_fund_decides_is_refused_warned_of_or_passed_over() -> None:
    data = made(Item("a.csv", b"", method=0), Item("b.exe"))
    verdicts = {}
    for decision in ("reject", "warn", "ignore"):
        inspection = inspect(io.BytesIO(data), PASSWORD, policy={"empty_file": decision, "program": "ignore"})
        verdicts[decision] = (inspection.verdict, codes_of(inspection))
    assert verdicts == {
        **{"reject": ("reject", {"EMPTY_FILE"}), "warn": ("warn", {"EMPTY_FILE"}), "ignore": ("accept", set())},
    }


# Reading


def test_one_entry_is_opened_by_its_name() -> None:
    stream = io.BytesIO(made(Item("a.csv"), Item("b.pdf", PDF, "ZipCrypto")))
    assert b"".join(open_entry(stream, PASSWORD, "b.pdf")) == PDF
    assert b"".join(open_entry(stream, PASSWORD, "a.csv")) == CSV


def test_two_entries_of_one_stream_can_be_read_in_turn() -> None:
    noise = random.Random(4).randbytes(200_000)
    stream = io.BytesIO(made(Item("a.bin", noise), Item("b.bin", noise[::-1])))
    first, second = open_entry(stream, PASSWORD, "a.bin"), open_entry(stream, PASSWORD, "b.bin")
    parts = list(zip(first, second, strict=True))
    assert b"".join(part for part, _ in parts) == noise
    assert b"".join(part for _, part in parts) == noise[::-1]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (Item("a.csv", password="Hazure-2026"), "WRONG_PASSWORD"),
        (Item("a.csv", tamper=flipped(-1)), "DAMAGED"),
        (Item("a.csv", crypt="none"), "NOT_ENCRYPTED"),
        (Item("a.csv", local={"size": 1}), "HEADER_MISMATCH"),
    ],
)
def test_an_entry_that_cannot_be_read_is_an_error_with_its_finding(item: Item, code: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        list(open_entry(io.BytesIO(made(item)), PASSWORD, "a.csv"))
    assert caught.value.finding.code == code
    assert caught.value.inspection is not None
    assert caught.value.inspection.verdict == "reject"


def test_an_entry_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        open_entry(io.BytesIO(made(Item("a.csv"))), PASSWORD, "z.csv")


@pytest.mark.parametrize("crypt", ["AES-256", "ZipCrypto"])
def test_the_single_file_of_an_archive_is_read(crypt: str) -> None:
    companion = Item("__MACOSX/._届出.csv", b"\0\5\x16\7", crypt)
    assert read_single(made(Item("届出.csv", CSV, crypt), companion), PASSWORD, 10_000) == ("届出.csv", CSV)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (made(Item("a.csv"), Item("b.csv")), "TOO_MANY"),
        (made(Item("a.csv", CSV * 20)), "TOO_BIG"),
        (made(Item("__MACOSX/a.csv")), "EMPTY_ARCHIVE"),
        (made(Item("a.csv", password="Hazure-2026")), "WRONG_PASSWORD"),
        (CSV, "NOT_ZIP"),
    ],
)
def test_anything_but_a_single_readable_file_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        read_single(data, PASSWORD, 10_000)
    assert caught.value.finding.code == code


# Whatever comes


def test_no_mutant_crashes_the_judge_or_changes_what_is_accepted() -> None:
    rng = random.Random(20261123)
    small = b"1,2,3\r\n" * 9
    seeds = [
        made(Item("届書.csv", small), Item("b.pdf", small, "AES-128", 0)),
        made(Item("a.csv", small, descriptor="<4s3L"), zip64="pair"),
        made(Item("a.csv", small, "ZipCrypto"), Item("表.csv".encode("cp932"), small, "ZipCrypto", descriptor="<3L")),
    ]
    good = [[(entry.size, entry.sha256) for entry in judged(seed).entries] for seed in seeds]
    assert all(sha256(small) in str(entries) for entries in good)
    slowest, accepted = 0.0, 0
    for number in range(MUTANTS):
        data = _mutated(seeds[number % 3], rng)
        began = time.process_time()
        inspection = judged(data)
        slowest = max(slowest, time.process_time() - began)
        if inspection.verdict != "reject":
            accepted += 1
            assert [(entry.size, entry.sha256) for entry in inspection.entries] == good[number % 3]
    assert slowest < 1
    assert accepted > MUTANTS / 1500


@pytest.mark.parametrize(
    ("hostile", "number"),
    [
        # marks of two combining classes in turn, which composing would have to sort
        (Item("e" + "\u0301\u0323" * 15_000, b"", "none", 0), 60),
        (Item("a.csv", b"", "none", 0, extra=b"", local_extra=b"\x99\x99\0\0" * 16_000), 900),
        (Item("a.csv", b"", "none", 0, extra=b"".join(n.to_bytes(2) + b"\0\0" for n in range(16_000))), 60),
    ],
    ids=["long names", "the same field again and again", "many fields"],
)
def test_long_names_and_fields_cost_no_time(hostile: Item, number: int) -> None:
    data = made(*[hostile] * number)
    began = time.process_time()
    assert judged(data).verdict == "reject"
    assert time.process_time() - began < 1


def _mutated(seed: bytes, rng: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data))
        match rng.randrange(6):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                data[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\7"))
            case 3:
                del data[at : at + rng.randrange(1, 40)]
            case 4:
                data[at:at] = data[rng.randrange(len(data)) :][: rng.randrange(1, 60)]
            case _:
                data[at : at + 2] = rng.randbytes(2)
        if not data:
            break
    return bytes(data)
