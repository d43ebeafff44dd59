"""Registrations in Excel workbooks: what is read from them, and what is done about those made to do harm."""

import io
import time
import zipfile

import pytest

from exchange import workbooks
from exchange.registration_file import RegistrationFile, read
from tests.exchange.registration_corpus import HEADING_CELLS, PASSWORD, SAMPLE_CELLS, SAMPLE_VALUES, password_zip
from tests.exchange.test_registration_file import TODAY, found
from tests.exchange.workbook_writer import MAIN, Formula, Number, Sheet, Written, packed, sheet_xml, workbook

NOTES = ("", "", "", "全角カナ50文字。", "", "8文字～15文字", "", "最大3台(超える場合は要相談)")


def record(**cells: Written) -> list[Written]:
    return list((dict[str, Written](SAMPLE_CELLS) | cells).values())


def book(*rows: list[Written] | tuple[str, ...] | None, **files: bytes) -> bytes:
    return workbook(Sheet([HEADING_CELLS, *rows]), files=files)


def judged(data: bytes, password: str | None = None) -> RegistrationFile:
    return read(data, password, TODAY)


# Each row of the second sheet row: what differs from the sample's cells, what is found, what differs in its values.
CELLS: dict[str, tuple[dict[str, Written], str, dict[str, object]]] = {
    "texts alone": ({}, "", {}),
    "a date that is a date": ({"A": Number("45438", 1)}, "", {}),
    "a date with a time": ({"A": Number("45438.75", 1)}, "", {}),
    "a date that lost its format": ({"A": Number("45438")}, "2A:EXCEL_DATE", {"entered_on": None}),
    "a date after today": ({"A": Number("45445", 1)}, "2A:FUTURE_DATE", {"entered_on": "2024-06-02"}),
    "a date of the era": ({"A": "令和6年5月26日"}, "", {}),
    "devices as a number": ({"H": Number("3")}, "", {"device_limit": 3}),
    "four devices as a number": ({"H": Number("4")}, "2H:TOO_MANY_DEVICES", {"device_limit": 4}),
    "half a device": ({"H": Number("1.5")}, "2H:DEVICES", {"device_limit": None}),
    "less than nothing": ({"H": Number("-1")}, "2H:FORMULA", {"device_limit": None}),
    "zeros kept by a text": ({"B": "00123"}, "", {"office_number": "00123"}),
    "the number as a number": ({"B": Number("99999")}, "~2B:NUMBER_CELL", {}),
    "zeros lost to a number": ({"B": Number("123")}, "~2B:NUMBER_CELL", {"office_number": "123"}),
    "zeros that are only shown": ({"B": Number("123", 2)}, "~2B:NUMBER_CELL", {"office_number": "123"}),
    "a number in powers of ten": ({"B": Number("1.2E+4")}, "~2B:NUMBER_CELL", {"office_number": "12000"}),
    "a number too long": (
        {"B": Number("12345678901")},
        "2B:TOO_LONG ~2B:NUMBER_CELL",
        {"office_number": "12345678901"},
    ),
    "a number with a fraction": ({"B": Number("123.5")}, "2B:OFFICE_NUMBER", {"office_number": "123.5"}),
    "an ID of digits as a number": ({"F": Number("12345678")}, "", {"login_id": "12345678"}),
    "the result of a formula": ({"G": Formula('"ABC"&"商事"', "ABC商事")}, "", {}),
    "a formula that gives a formula": ({"G": Formula('"="&"1+1"', "=1+1")}, "2G:FORMULA", {"office_name": "=1+1"}),
    "a text that looks like a formula": ({"G": "=HYPERLINK(1)"}, "2G:FORMULA", {"office_name": "=HYPERLINK(1)"}),
    "a full-width formula": ({"C": "＝基金 太郎"}, "2C:FORMULA", {"name": "＝基金 太郎"}),
    "half-width kana": ({"D": "ｷｷﾝ ﾀﾛｳ"}, "~2D:CONVERTED", {}),
    "a line break within": ({"G": "ABC\n商事"}, "2G:CONTROL", {"office_name": "ABC 商事"}),
    "zero width": ({"F": "kikin\u200bT001"}, "2F:CONTROL", {}),
    "a name in Gaiji": ({"C": "\ue000 太郎"}, "2C:GAIJI", {"name": "\ue000 太郎"}),
    "an empty cell": ({"E": ""}, "2E:REQUIRED", {"mail": ""}),
}


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_of_a_workbook_is_read_and_judged(case: str) -> None:
    cells, expected, values = CELLS[case]
    result = judged(book(record(**cells)))
    assert sorted(found(result)) == sorted(expected.split())
    assert result.rows[0].values == SAMPLE_VALUES | values
    assert result.verdict == ("reject" if [one for one in expected.split() if one[0] != "~"] else "accept")


def test_an_empty_cell_in_front_keeps_the_others_in_their_columns() -> None:
    result = judged(book(record(A=""), record(A="", B="2")))
    assert found(result) == ["2A:REQUIRED", "3A:REQUIRED"]
    assert result.rows[1].values["office_number"] == "2"


def test_lines_are_counted_as_excel_counts_them() -> None:
    result = judged(book(None, record(B="1"), None, None, record(B="1"), NOTES))
    assert [row.line for row in result.rows] == [3, 6]
    assert found(result) == ["6B:DUPLICATE"]


def test_values_right_of_the_form_are_found() -> None:
    assert found(judged(book([*record(), "2"]))) == ["2H:EXTRA_CELLS"]


FILES = {
    "headings alone": (book(), "1A:NO_DATA"),
    "no headings": (workbook(Sheet([record()])), "1A:HEADER"),
    "a title above": (workbook(Sheet([["電子連携管理者登録届"], HEADING_CELLS, record()])), "1A:HEADER"),
    "a blank row above": (workbook(Sheet([None, HEADING_CELLS, record()])), "1A:HEADER"),
    "an empty sheet": (workbook(Sheet([])), "1A:HEADER"),
    "a column less": (workbook(Sheet([HEADING_CELLS[:7], record()])), "1A:MISSING_COLUMNS"),
    "a column more": (workbook(Sheet([[*HEADING_CELLS, "氏名2"], record()])), "1H:EXTRA_COLUMNS"),
    "only a hidden sheet": (workbook(Sheet([HEADING_CELLS, record()], state="hidden")), "1A:HEADER"),
    "1,001 offices": (
        book(*(record(B=str(number)) for number in range(1001))),
        "1002A:TOO_MANY_ROWS",
    ),
    "macros": (book(record(), **{"xl/vbaProject.bin": b"macro"}), "1A:XLSX"),
    "no workbook inside": (packed({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>"}), "1A:XLSX"),
    "a sheet that is no XML": (book(record(), **{"xl/worksheets/sheet1.xml": b"\x00\x01<"}), "1A:XLSX"),
    "cut off": (book(record())[:-40], "1A:XLSX"),
    "a sheet missing": (book(record(), **{"xl/_rels/workbook.xml.rels": b"<Relationships/>"}), "1A:XLSX"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_workbook_that_is_wrong_as_a_whole_says_so(case: str) -> None:
    data, expected = FILES[case]
    result = judged(data)
    assert result.verdict == "reject"
    assert found(result) == [expected]


def test_the_first_visible_sheet_with_headings_counts() -> None:
    sheets = (
        Sheet([["表紙"]], "表紙"),
        Sheet([HEADING_CELLS, record(B="1")], "古い控え", "hidden"),
        Sheet([HEADING_CELLS, record(B="2")], "登録届"),
        Sheet([HEADING_CELLS, record(B="3")], "予備"),
    )
    result = judged(workbook(*sheets))
    assert [row.values["office_number"] for row in result.rows] == ["2"]


def test_a_workbook_in_a_password_zip_is_read() -> None:
    result = judged(password_zip(book(record()), "登録届.xlsx"), PASSWORD)
    assert (result.verdict, result.rows[0].values) == ("accept", SAMPLE_VALUES)


def test_a_workbook_is_known_by_its_content_and_needs_no_password() -> None:
    assert judged(book(record()), "not needed").verdict == "accept"


def test_entities_are_never_resolved() -> None:
    secret = '<!DOCTYPE x [<!ENTITY leak SYSTEM "file:///etc/hostname">]>'
    xml = sheet_xml(Sheet([HEADING_CELLS, record(G="LEAK")])).decode().replace("LEAK", "&leak;")
    xml = xml.replace("<worksheet", secret + "<worksheet", 1)
    result = judged(book(**{"xl/worksheets/sheet1.xml": xml.encode()}))
    assert result.verdict == "reject"
    with open("/etc/hostname") as file:
        assert file.read().strip() not in str(result)


def test_a_cell_at_the_far_end_of_a_sheet_takes_neither_memory_nor_time() -> None:
    """Laid out from A1 to there it would be 17 thousand million cells."""
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    started = time.monotonic()
    result = judged(workbook(Sheet([HEADING_CELLS, record()], more=far)))
    assert found(result) == ["1A:XLSX"]
    assert time.monotonic() - started < 5


BOMBS = {
    "two thousand parts": book(record(), **{f"xl/part{number}.xml": b"" for number in range(2000)}),
    "30 MB packed into little": book(record(), **{"xl/media.xml": bytes(30 * 2**20)}),
    "a sheet of blanks alone": book(record(), **{"xl/worksheets/sheet1.xml": b" " * (2 * 2**20)}),
}


@pytest.mark.parametrize("case", BOMBS)
def test_a_workbook_that_unpacks_to_too_much_is_refused_before_it_is_read(case: str) -> None:
    assert found(judged(BOMBS[case])) == ["1A:TOO_LARGE"]
    with pytest.raises(workbooks.TooLarge):
        workbooks._check_package(BOMBS[case])


def test_a_text_repeated_thirty_thousand_times_is_too_large() -> None:
    shared = f'<sst xmlns="{MAIN}"><si><t>{"あ" * 1000}</t></si></sst>'.encode()
    cells = "".join(f'<row r="{number}"><c r="A{number}" t="s"><v>0</v></c></row>' for number in range(2, 30_000))
    xml = sheet_xml(Sheet([HEADING_CELLS], more=cells))
    rels = _with_shared_strings(book())
    data = workbook(
        Sheet([HEADING_CELLS]),
        files={"xl/worksheets/sheet1.xml": xml, "xl/sharedStrings.xml": shared, "xl/_rels/workbook.xml.rels": rels},
    )
    assert found(judged(data)) == ["1A:TOO_LARGE"]


def _with_shared_strings(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        rels = archive.read("xl/_rels/workbook.xml.rels").decode()
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"
    more = f'<Relationship Id="rId9" Type="{kind}" Target="sharedStrings.xml"/></Relationships>'
    return rels.replace("</Relationships>", more).encode()


def test_a_size_that_lies_is_met_by_the_limits_of_the_process() -> None:
    data = bytearray(book(record(), **{"xl/worksheets/sheet1.xml": b"<x>" + b" " * (400 * 2**20)}))
    true = (400 * 2**20 + 3).to_bytes(4, "little")
    assert data.count(true) == 2
    started = time.monotonic()
    result = judged(bytes(data.replace(true, (1000).to_bytes(4, "little"))))
    assert result.verdict == "reject"
    assert time.monotonic() - started < 2 * workbooks.SECONDS


def test_two_hundred_offices_in_a_workbook_are_judged_in_a_second() -> None:
    data = book(*(record(B=f"{number:05}") for number in range(200)))
    started = time.monotonic()
    assert judged(data).verdict == "accept"
    assert time.monotonic() - started < 1
