"""What is seen in the files of an archive while they pass: types, macros, locks and numbers, wherever a piece ends."""

import io
import random
import struct
import time
import tracemalloc
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exchange import contents, documents_inside, my_number
from exchange.archives import inspect
from exchange.my_number import NumberSearch, has_right_digit
from exchange.zip_findings import CHECKS, DEFAULTS, make_finding
from tests.exchange import office_writer
from tests.exchange.archive_corpus_clean import PARTS
from tests.exchange.archive_corpus_contents import CELLS, HIDDEN, NUMBER, ROWS, VBA, WIDE
from tests.exchange.archive_judging import judged
from tests.exchange.archive_writer import CSV, PASSWORD, XLSX, Item, made
from tests.exchange.workbook_writer import Sheet, packed, workbook

few = settings(max_examples=150, deadline=None, derandomize=True, database=None)


def seen(name: str, pieces: Iterable[bytes], size: int = 1) -> list[tuple[str, str]]:
    with contents.reader(name, size) as reading:
        for piece in pieces:
            reading.write(piece)
        return list(reading.finish())


def checks(name: str, data: bytes, piece: int = 64 * 1024) -> set[str]:
    return {check for check, _ in seen(name, in_pieces(data, piece), len(data))}


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def right(start: int) -> str:
    """The number of twelve digits that begins with these eleven, its last one right."""
    return next(number for last in range(10) if has_right_digit(number := f"{start:011d}{last}"))


# Numbers


def test_the_check_digit_is_that_of_the_ordinance() -> None:
    # 1·6+2·5+3·4+4·3+5·2+6·7+7·6+8·5+9·4+0·3+1·2 = 212, which leaves 3 by 11; 11 - 3 = 8
    assert has_right_digit("123456789018")
    # 1·6 = 6, and 11 - 6 = 5
    assert has_right_digit("100000000005")
    # remainders of 0 and 1 give 0: 2·6 + 1·5 + 1·5 = 22 and 2·6 = 12
    assert has_right_digit("210000010000")
    assert has_right_digit("200000000000")


@few
@given(st.integers(0, 10**11 - 1))
def test_one_last_digit_in_ten_is_right(start: int) -> None:
    assert [has_right_digit(f"{start:011d}{last}") for last in range(10)].count(True) == 1


@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [NUMBER, WIDE, "1234-5678-9018", "１２３４－５６７８－９０１８"])
def test_a_number_is_counted_once_wherever_the_pieces_end(encoding: str, text: str) -> None:
    data = f"{ROWS * 30}{text}\r\n{ROWS * 30}".encode(encoding)
    told = set()
    for size in range(150, 400, 3):
        search = NumberSearch(encoding if encoding.startswith("utf-16") else "")
        for piece in in_pieces(data, size):
            search.write(piece)
        search.finish()
        told.add((search.seen, search.right))
    assert told == {(1, 1)}


@few
@given(st.lists(st.sampled_from([NUMBER, "1180301018771", "1234567890", ",", "\r\n", "氏", "x", " "]), max_size=60))
def test_small_pieces_tell_the_same_as_one(words: list[str]) -> None:
    data = ",".join(words).encode("cp932")
    told = set()
    for size in (1, 7, 64, 129, 100_000):
        search = NumberSearch()
        for piece in in_pieces(data, size):
            search.write(piece)
        search.finish()
        told.add((search.seen, search.right))
    assert len(told) == 1


@pytest.mark.parametrize(
    "text",
    [
        "1180301018771",  # a corporate number
        "1234567890",  # a pension number
        "9123456789018",  # one digit more
        "AB123456789018",
        "123456789018X",
        "01-123456789018",
        "123456789018-01",
        "1234-5678-9018-1234",
        "1234 5678 9018 1234",
        "1111 2222 3333 1234 5678 9018",
        "0.123456789018",
        "１２３４５６７８９０１８７",
        right(2026_07_15_12_3),  # a moment
        right(25_000),  # an amount filled up
    ],
)
def test_what_is_part_of_something_else_is_no_number(text: str) -> None:
    assert checks("a.csv", f"氏名,{text},髙橋\r\n".encode("cp932")) == set()
    assert "." in text or not my_number.in_name(f"届書 {text}.csv")


@pytest.mark.parametrize(
    "text", [f"No.1 {NUMBER} 5", f"番号{NUMBER}です", f"<v>{NUMBER}</v>", f'"{NUMBER}"', f"ア{NUMBER}。"]
)
@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-16"])
def test_what_stands_around_a_number_does_not_hide_it(text: str, encoding: str) -> None:
    assert checks("a.csv", f"氏名\r\n{text}\r\n".encode(encoding)) == {"my_number"}


def test_chance_is_told_from_numbers_that_are_meant() -> None:
    rng = random.Random(20261123)
    others = [f"{rng.randrange(10**11, 10**12)}" for _ in range(2000)]
    meant = [right(rng.randrange(10**10, 10**11)) for _ in range(300)]
    assert sum(map(has_right_digit, others)) > 150
    assert checks("a.csv", "\r\n".join(others).encode()) == set()
    assert checks("a.csv", "\r\n".join(others + meant).encode()) == {"my_number"}
    assert checks("a.csv", "\r\n".join(others[:500] + meant).encode()) == {"my_number"}
    head = "氏名,個人番号\r\n".encode("cp932")
    assert checks("a.csv", head + "\r\n".join(others[:100]).encode()) == {"my_number"}


def test_a_finding_counts_the_numbers_and_never_shows_one() -> None:
    name = f"届書_{NUMBER}_{WIDE}_1234-5678-9018.csv"
    inspection = judged(made(Item(name, f"{ROWS}{NUMBER}\r\n{ROWS}{WIDE}\r\n".encode())))
    messages = [finding.message for finding in inspection.findings]
    assert [finding.code for finding in inspection.findings] == ["MY_NUMBER", "MY_NUMBER"]
    assert "（2件）" in messages[0]
    assert "（ファイルの名前）" in messages[1]
    for message in messages:
        assert "9018" not in unicodedata.normalize("NFKC", message)
    assert NUMBER in make_finding("EMPTY_FILE", name).message  # other findings name the file as it is


def test_a_text_full_of_numbers_is_counted_only_so_far() -> None:
    ((check, detail),) = seen("a.csv", [f"{NUMBER}\r\n".encode()] * 25_000)
    assert (check, detail) == ("my_number", "20,000件以上")


# Documents


def test_a_locked_pdf_is_known_wherever_a_piece_ends() -> None:
    data = office_writer.pdf(b"/Encrypt 12 0 R", body=b"% " + b"x" * 5000)
    at = data.index(b"/Encrypt")
    for cut in range(at - 2, at + 20):
        assert ("encrypted_inside", "") in seen("a.pdf", [data[:cut], data[cut:]])


@pytest.mark.parametrize("algorithm", ["RC4-40", "RC4-128", "AES-128", "AES-256-R5", "AES-256"])
def test_locked_pdfs_of_a_real_program_are_known(algorithm: str) -> None:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(595, 842)
    plain, locked = io.BytesIO(), io.BytesIO()
    writer.write(plain)
    writer.encrypt("himitsu", algorithm=algorithm)
    writer.write(locked)
    assert checks("a.pdf", plain.getvalue()) == set()
    assert checks("a.pdf", locked.getvalue()) == {"encrypted_inside"}


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.xls", office_writer.xls(has_vba=True), {"macro"}),
        ("a.xls", office_writer.xls(is_locked=True), {"encrypted_inside"}),
        ("a.xls", office_writer.xls(has_macro_sheet=True), {"macro"}),
        ("a.doc", office_writer.doc(is_locked=True, has_vba=True), {"macro", "encrypted_inside"}),
        ("a.xlsx", office_writer.locked_office(), {"encrypted_inside"}),
        ("a.xlsm", workbook(CELLS, files=VBA), {"macro", "my_number"}),
        ("a.xlsx", XLSX, set()),
    ],
)
def test_office_documents_are_known_wherever_the_pieces_end(name: str, data: bytes, expected: set[str]) -> None:
    assert all(checks(name, data, size) == expected for size in (1, 33, 500, 511, 512, 513, 4097, 2**20))


def test_a_large_workbook_is_known_by_its_end() -> None:
    noise = random.Random(5).randbytes(documents_inside.KEPT + 100_000)
    pictures = {"xl/media/image1.bin": noise}
    assert checks("a.xlsx", workbook(CELLS, files=pictures)) == set()  # its cells are too far from its end
    assert checks("a.xlsx", workbook(CELLS, files={**pictures, **VBA})) == {"macro"}
    types = {"[Content_Types].xml": HIDDEN.format("vbaProject").encode(), "xl/p.dat": bytes(90)}
    assert checks("a.xlsx", workbook(CELLS, files={**types, **pictures})) == {"macro"}  # told at its beginning
    package = {"a.dat": noise[: 2**21], **types, **pictures, "xl/workbook.xml": b"<workbook/>"}
    assert checks("a.xlsx", packed(package)) == {"macro"}  # neither at its beginning nor at its end: nobody can say
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.bin", noise)
    assert checks("a.xlsx", other.getvalue()) == {"nested"}


def test_a_directory_that_cannot_be_read_makes_no_archive_of_a_workbook() -> None:
    assert checks("a.xlsx", XLSX[:-30]) == set()
    assert checks("a.csv", XLSX[:-30]) == {"nested"}


def test_a_bomb_in_a_workbook_costs_little() -> None:
    data = workbook(Sheet([]), files={f"xl/worksheets/sheet{n}.xml": bytes(2**24) for n in range(1, 5)})
    began = time.process_time()
    assert checks("a.xlsx", data) == set()
    assert time.process_time() - began < 1


def test_the_documents_of_one_archive_unpack_only_so_much_together() -> None:
    (make,) = contents.readers(DEFAULTS)
    text = b"<sst>" + b"<si><t>000000250000</t></si>" * 800_000
    costly, plain = packed({**PARTS, "xl/sharedStrings.xml": text}), workbook(CELLS)
    macros, told = workbook(CELLS, files=VBA), []
    began = time.process_time()
    for data in (plain, *[costly] * 40, plain, macros):
        with make("a.xlsx", len(data)) as reading:
            reading.write(data)
            told.append([check for check, _ in reading.finish()])
    assert time.process_time() - began < 4
    assert (told[0], told[-2:]) == (["my_number"], [[], ["macro"]])


def test_honest_documents_are_never_too_many() -> None:
    (make,) = contents.readers(DEFAULTS)
    for _ in range(1000):
        with make("a.xlsx", len(XLSX)) as reading:
            reading.write(XLSX)
            assert list(reading.finish()) == []


def test_nobody_looks_where_the_fund_ignores_all_that_could_be_found() -> None:
    assert contents.readers(dict.fromkeys(CHECKS, "ignore")) == ()
    assert len(contents.readers({**dict.fromkeys(CHECKS, "ignore"), "macro": "warn"})) == 1
    assert len(contents.readers({})) == 1
    data = made(Item("a.exe", b"MZ\x90\0\3\0\0\0"))
    assert inspect(io.BytesIO(data), PASSWORD, policy=dict.fromkeys(CHECKS, "ignore")).verdict == "accept"


def test_a_document_cut_off_says_nothing_and_a_crooked_one_breaks_nothing() -> None:
    wide = b"PK\6\6" + bytes(52) + b"PK\6\7" + bytes(16) + b"PK\5\6" + bytes(18)
    for cut in range(len(wide)):
        assert checks("a.xlsx", b"PK\3\4" + wide[cut:]) <= {"wrong_type", "nested"}
        assert checks("a.xlsx", b"PK\3\4" + wide[:cut]) <= {"wrong_type", "nested"}


def hostile() -> Iterator[tuple[str, bytes]]:
    """Files of a few MB in which each thing looked for seems to begin again and again."""
    times, mark = 2**21, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".ljust(64, b"\0")
    yield "a.csv", b"202607151230," * (times // 13)
    yield "a.csv", b"A123456789018," * (times // 14)
    yield "a.csv", b"1234-5678-9018-" * (times // 15)
    yield "a.csv", b" " * times
    yield "a.pdf", b"%PDF-1.7" + b"/Encrypt " * (times // 9)
    yield "a.xls", mark + (b"\x09\x08\x10\0\0\x06\x05\0" + b"\x85\0" * 28) * (times // 64)
    yield "a.xls", mark + b"_\0V\0B\0A\0" * (times // 8)
    types = {"[Content_Types].xml": b"<Default vbaProject " * 50_000}
    yield "a.xlsm", packed({**types, **{f"xl/{n}.xml": b"" for n in range(5000)}})
    nothing = b"\0\0\0\xff\xff" * 400_000  # a deflate stream that unpacks to nothing
    name = b"xl/worksheets/sheet%05d.xml"
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(nothing), 0, 0, 0)
    rows = [
        (name % n, struct.pack("<4s6H3L5H2L", b"PK\1\2", 0, 0, 0, 8, *(0,) * 5, 27, *(0,) * 6)) for n in range(9000)
    ]
    directory = b"".join(row + text for text, row in [(b"[Content_Types].xml".ljust(27), rows[0][1]), *rows])
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9001, 9001, len(directory), len(local + nothing), 0)
    yield "a.xlsx", local + nothing + directory + end


@pytest.mark.parametrize(("name", "data"), list(hostile()), ids=[str(number) for number in range(9)])
def test_nothing_hostile_costs_time(name: str, data: bytes) -> None:
    began = time.process_time()
    checks(name, data)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.xlsx", lambda piece: b"PK\3\4" + piece),
        ("a.xls", lambda piece: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + piece),
        ("a.pdf", lambda piece: b"%PDF-1.7\n" + piece),
        ("a.csv", lambda _: CSV),
        ("a.bin", lambda piece: piece),
    ],
)
def test_64_mb_are_seen_in_constant_memory(name: str, make: Callable[[bytes], bytes]) -> None:
    piece = random.Random(6).randbytes(64 * 1024 - 9)
    tracemalloc.start()
    seen(name, (bytes(bytearray(make(piece) if n == 0 or name == "a.csv" else piece)) for n in range(1024)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * documents_inside.KEPT


# Whatever comes

SEEDS = [
    ("a.xlsm", workbook(CELLS, files=VBA)),
    ("a.xls", office_writer.xls(has_vba=True, is_locked=True, has_macro_sheet=True)),
    ("a.doc", office_writer.doc(is_locked=True)),
    ("a.pdf", office_writer.pdf(b"/Encrypt 9 0 R", has_stream_index=True)),
    ("a.csv", f"{ROWS}{NUMBER}\r\n".encode("cp932") * 30),
]


def test_no_mutant_breaks_the_reader() -> None:
    rng = random.Random(20261123)
    known = {"program", "wrong_type", "nested", "macro", "encrypted_inside", "empty_file", "my_number"}
    for number in range(3000):
        name, seed = SEEDS[number % len(SEEDS)]
        data = bytearray(seed[: rng.choice((len(seed), rng.randrange(len(seed))))])
        for _ in range(rng.choice((1, 3, 30))):
            if data:
                at = rng.randrange(len(data))
                data[at : at + rng.choice((0, 1, 1, 4))] = rng.choice((b"", b"\xff", b"\0\0\0\0", rng.randbytes(2)))
        assert checks(name, bytes(data), rng.choice((50, 700, 65536))) <= known


@few
@given(st.binary(max_size=300), st.sampled_from(["a.csv", "a.pdf", "a.xlsx", "a.xls", "a", "a.png", "._a.csv"]))
def test_any_bytes_are_seen(data: bytes, name: str) -> None:
    for start in (b"", b"PK\3\4", b"PK\5\6", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"%PDF-", b"\xff\xfe", b"\0\5\x16\7"):
        assert checks(name, start + data, 17) == checks(name, start + data)
