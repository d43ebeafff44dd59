"""Files for Excel: it reads their Japanese, keeps their lines together, and runs nothing in them."""

import csv
import io
from collections.abc import Iterator

import pytest

from exchange import spreadsheet

RUNS = ["=1+1", "+81 3", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠x", " =1", "\u200b=1", "−1", "\n=1"]
HARMLESS = ["甲野　太郎", "届書", "2026/11/23 17:06:41", "a=b", "1-2", "'=1", "", "192.0.2.10", "x@abc-shoji.example"]


def written(*rows: list[str]) -> bytes:
    return b"".join(spreadsheet.as_csv(rows))


def read(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))


def test_excel_sees_that_it_is_utf_8() -> None:
    assert written(["氏名"]) == b"\xef\xbb\xbf" + "氏名\r\n".encode()


def test_lines_end_as_on_windows_and_cells_stay_whole() -> None:
    rows = [["a,b", 'c"d', "e\nf", "g\rh", "i\r\nj", "、；;"], ["", " k ", "", "", "", ""]]
    data = written(*rows)
    assert data.count(b"\r\n") == 3  # two ends of lines and the one inside a cell
    assert read(data) == rows
    for cell in (b'"e\nf"', b'"g\rh"', b'"i\r\nj"', b'"a,b"', b'"c""d"'):
        assert cell in data


@pytest.mark.parametrize("cell", RUNS)
def test_what_a_spreadsheet_would_run_becomes_a_text(cell: str) -> None:
    assert read(written(["a", cell])) == [["a", f"'{cell}"]]


@pytest.mark.parametrize("cell", HARMLESS)
def test_what_is_harmless_stays_as_it_is(cell: str) -> None:
    assert read(written(["a", cell])) == [["a", cell]]


def test_no_rows_are_an_empty_file_with_its_mark() -> None:
    assert written() == b"\xef\xbb\xbf"


def test_a_long_table_is_handed_out_while_it_is_still_being_read() -> None:
    taken = 0

    def rows() -> Iterator[list[str]]:
        nonlocal taken
        for taken in range(1, 20_001):
            yield [str(taken), "内容" * 10]

    pieces = spreadsheet.as_csv(rows())
    first = next(pieces)
    assert 0 < taken < 20_000
    assert len(first) < 4 * spreadsheet.PIECE
    assert len(read(first + b"".join(pieces))) == 20_000
