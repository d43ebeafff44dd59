"""Registration files as offices really make and damage them, each with what must be found in it, written by hand.

Nothing here uses the code under test. Findings are spelled "2B:DUPLICATE" (line, column, code); "~2D:CONVERTED" warns.
"""

import io
import random
import zipfile
from dataclasses import dataclass, field

import pyzipper

from tests.exchange.workbook_writer import Number, Sheet, Written
from tests.exchange.workbook_writer import workbook as written

PASSWORD = "Todoke-2024-Kikin"

HEADING_CELLS = (
    "入力日",
    "事業所番号",
    "氏名1(漢字)",
    "氏名1(カナ)",
    "メールアドレス1",
    "ユーザーID",
    "事業所名(※顧客入力)",
    "電子連携サービス 利用予定台数",
)
HEADING = ",".join(HEADING_CELLS)
SAMPLE_CELLS = {
    "A": "2024/5/26",
    "B": "99999",
    "C": "基金 太郎",
    "D": "キキン タロウ",
    "E": "jigyousyo@office.example",
    "F": "kikinT001",
    "G": "ABC商事",
    "H": "2",
}
SAMPLE = ",".join(SAMPLE_CELLS.values())
SAMPLE_VALUES = {
    "entered_on": "2024-05-26",
    "office_number": "99999",
    "name": "基金　太郎",
    "kana": "キキン　タロウ",
    "mail": "jigyousyo@office.example",
    "login_id": "kikinT001",
    "office_name": "ABC商事",
    "device_limit": 2,
}
# the guide prints its notes under the table, in columns D, F and H
NOTES = (
    ",,,全角カナ50文字。,,8文字～15文字,,最大3台(超える場合は要相談)",
    ",,,姓名の間にスペースを入れてください。,,半角英数字,,",
    ",,,,,大文字小文字判別,,",
)


def record(**cells: str) -> str:
    """The guide's sample record with some cells (A to H) replaced; a cell that needs quotes brings them along."""
    return ",".join((SAMPLE_CELLS | cells).values())


def lines(*rows: str, end: str = "\r\n") -> str:
    return "".join(row + end for row in rows)


def form(*rows: str) -> bytes:
    """The heading and these rows in UTF-8 with CRLF."""
    return lines(HEADING, *rows).encode()


def one(**cells: str) -> bytes:
    return form(record(**cells))


def password_zip(content: bytes, name: str = "登録届.csv", password: str = PASSWORD) -> bytes:
    return password_zip_of({name: content}, password)


def password_zip_of(files: dict[str, bytes], password: str = PASSWORD) -> bytes:
    buffer = io.BytesIO()
    with pyzipper.AESZipFile(buffer, "w", compression=pyzipper.ZIP_DEFLATED, encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password.encode())
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def open_zip(files: dict[str, bytes]) -> bytes:
    """Without a password."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def workbook(**cells: Written) -> bytes:
    """The heading and the sample record in XLSX, some cells replaced."""
    return written(Sheet([HEADING_CELLS, list((SAMPLE_CELLS | cells).values()), None, ["※ 記入例"]]))


def no_workbook() -> bytes:
    """What begins like one."""
    return open_zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})


@dataclass(frozen=True)
class Case:
    """`values`: what differs from SAMPLE_VALUES in the first record; None where no record can be read."""

    name: str
    data: bytes
    found: str = ""
    values: dict[str, object] | None = field(default_factory=dict)
    rows: int = 1
    password: str | None = None


ACCEPTED = (
    # the file
    Case("UTF-8", form(SAMPLE)),
    Case("UTF-8 with a BOM", b"\xef\xbb\xbf" + form(SAMPLE)),
    Case("CP932 as Excel saves it", lines(HEADING, SAMPLE).encode("cp932")),
    Case("UTF-16 with tabs, Excel's Unicode text", lines(HEADING, SAMPLE).replace(",", "\t").encode("utf-16")),
    Case("UTF-16 big endian", b"\xfe\xff" + lines(HEADING, SAMPLE).replace(",", "\t").encode("utf-16-be")),
    Case("UTF-16 with commas", lines(HEADING, SAMPLE).encode("utf-16")),
    Case("LF", lines(HEADING, SAMPLE, end="\n").encode()),
    Case("CR, an old Macintosh", lines(HEADING, SAMPLE, end="\r").encode()),
    Case("no line break at the end", f"{HEADING}\n{SAMPLE}".encode()),
    Case("every cell in quotes", form(",".join(f'"{cell}"' for cell in SAMPLE_CELLS.values()))),
    Case("password ZIP", password_zip(form(SAMPLE)), password=PASSWORD),
    Case("password ZIP of a CP932 file", password_zip(lines(HEADING, SAMPLE).encode("cp932")), password=PASSWORD),
    Case("XLSX", workbook()),
    Case("XLSX with a ZIP password given", workbook(), password=PASSWORD),
    Case("password ZIP of a workbook", password_zip(workbook(), "届.xlsx"), password=PASSWORD),
    Case("a password where none is needed", form(SAMPLE), password=PASSWORD),
    # the heading
    Case("heading in full width, half-width kana", lines(HEADING.replace("(カナ)", "（ｶﾅ）"), SAMPLE).encode()),
    Case("heading without ※ and numbers", lines(HEADING.replace("(※顧客入力)", "").replace("1", ""), SAMPLE).encode()),
    Case("heading with spaces", lines(HEADING.replace(",", " , "), SAMPLE).encode()),
    Case("empty columns on the right", lines(HEADING + ",,", SAMPLE + ",, ").encode()),
    # rows that do not count
    Case("the guide's notes in rows 6 to 8", form(SAMPLE, ",,,,,,,", "", ",,,", *NOTES)),
    Case(
        "notes directly under the record",
        form(SAMPLE, "※ 3台を超える場合は要相談です。", "(注) 記入漏れに注意", "以上"),
    ),
    Case("notes before the record", form(*NOTES, SAMPLE), rows=1),
    Case("rows of spaces only", form(SAMPLE, " ,　, ", "\u00a0")),
    # values
    Case("leading zeros stay", one(B="00123"), values={"office_number": "00123"}),
    Case("a number in a workbook", workbook(B=Number("123")), "~2B:NUMBER_CELL", {"office_number": "123"}),
    Case("one digit", one(B="7"), values={"office_number": "7"}),
    Case("ten digits", one(B="0123456789"), values={"office_number": "0123456789"}),
    Case("full-width number", one(B="００１２３"), values={"office_number": "00123"}),
    Case("date with hyphens", one(A="2024-5-26")),
    Case("date without marks", one(A="20240526")),
    Case("date in words, full width", one(A="２０２４年５月２６日")),
    Case("Reiwa in short", one(A="R6.5.26")),
    Case("Reiwa in words", one(A="令和6年5月26日")),
    Case("today", one(A="2024/6/1"), values={"entered_on": "2024-06-01"}),
    Case("a year ago to the day", one(A="2023/6/1"), values={"entered_on": "2023-06-01"}),
    Case("a day more than a year ago", one(A="2023/5/31"), "~2A:OLD_DATE", {"entered_on": "2023-05-31"}),
    Case("Heisei is old", one(A="平成31年4月30日"), "~2A:OLD_DATE", {"entered_on": "2019-04-30"}),
    Case("full-width space in the name", one(C="基金　太郎")),
    Case("many spaces in the name", one(C="  基金 　 太郎 ")),
    Case("name without a space", one(C="基金太郎"), values={"name": "基金太郎"}),
    Case("a name of 50 characters", one(C="基" * 50), values={"name": "基" * 50}),
    Case(
        "NEC and IBM characters, second byte 0x5C",
        lines(HEADING, record(C="髙﨑 ソ能", G="㈱表示①")).encode("cp932"),
        values={"name": "髙﨑　ソ能", "office_name": "㈱表示①"},
    ),
    Case("the glyph of the name stays", one(C="\ufa1b田 花"), values={"name": "\ufa1b田　花"}),
    Case("a variation selector stays", one(C="葛\U000e0100城 花"), values={"name": "葛\U000e0100城　花"}),
    Case("full-width space in the kana", one(D="キキン　タロウ")),
    Case("half-width kana", one(D="ｷｷﾝ ﾀﾛｳ"), "~2D:CONVERTED"),
    Case("hiragana", one(D="ききん　たろう"), "~2D:CONVERTED"),
    Case("a dash for the long vowel", one(D="オ－タ タロ-"), "~2D:CONVERTED", {"kana": "オータ　タロー"}),
    Case("sound marks join", one(D="ﾍﾞｯﾌﾟ ｶﾞｸ"), "~2D:CONVERTED", {"kana": "ベップ　ガク"}),
    Case("decomposed kana, a Macintosh", one(D="ガク ベップ"), values={"kana": "ガク　ベップ"}),
    Case("three names", one(D="グエン ヴァン アン"), values={"kana": "グエン　ヴァン　アン"}),
    Case("50 characters of kana", one(D="ア" * 24 + " " + "イ" * 25), values={"kana": "ア" * 24 + "　" + "イ" * 25}),
    Case("full-width address", one(E="Ｔａｒｏ＠ＯＦＦＩＣＥ．ｅｘａｍｐｌｅ"), values={"mail": "Taro@office.example"}),
    Case("spaces around the address", one(E=" jigyousyo@office.example　")),
    Case("full-width user ID", one(F="ｋｉｋｉｎＴ００１")),
    Case("user ID of 8", one(F="kikinT01"), values={"login_id": "kikinT01"}),
    Case("user ID of 15", one(F="ABCDEFGH1234567"), values={"login_id": "ABCDEFGH1234567"}),
    Case("full-width letters in the office name stay", one(G="ＡＢＣ商事"), values={"office_name": "ＡＢＣ商事"}),
    Case("a comma in quotes", one(G='"ABC,商事"'), values={"office_name": "ABC,商事"}),
    Case("quotes in quotes", one(G='"ABC ""新"" 商事"'), values={"office_name": 'ABC "新" 商事'}),
    Case("a line break after the value", one(G='"ABC商事\r\n"')),
    Case("2台", one(H="２台")),
    Case("full-width 3", one(H="３"), values={"device_limit": 3}),
    Case("01", one(H="01"), values={"device_limit": 1}),
)

FOREIGN_DIGITS = "١٢٣٤٥"  # str.isdigit() is true

REJECTED = (
    # the file
    Case("empty", b"", "1A:EMPTY", None),
    Case("over 1 MB", form(SAMPLE) + b"\r\n" * 2**19, "1A:TOO_LARGE", None),
    Case(
        "1,001 offices",
        form(*(record(B=str(n)) for n in range(1001))),
        "1002A:TOO_MANY_ROWS",
        {"office_number": "0"},
        rows=1001,
    ),
    Case("heading only", form(), "1A:NO_DATA", None),
    Case("heading and notes only", form("", *NOTES), "1A:NO_DATA", None),
    Case("EUC-JP", lines(HEADING, SAMPLE).encode("euc_jp"), "1A:ENCODING", None),
    Case("EUC-JP without a heading", lines(SAMPLE).encode("euc_jp"), "1A:ENCODING", None),
    Case("JIS", lines(HEADING, SAMPLE).encode("iso2022_jp"), "1A:ENCODING", None),
    Case("UTF-16 without a BOM", lines(HEADING, SAMPLE).encode("utf-16-le"), "1A:ENCODING", None),
    Case("UTF-16 big endian without a BOM", lines(HEADING, SAMPLE).encode("utf-16-be"), "1A:ENCODING", None),
    Case("UTF-16 cut in a character", lines(HEADING, SAMPLE).encode("utf-16")[:-1], "1A:ENCODING", None),
    Case("UTF-8 with a record in CP932", form() + lines(SAMPLE).encode("cp932"), "1A:ENCODING", None),
    Case("UTF-8 with a BOM, cut in a character", b"\xef\xbb\xbf" + form(SAMPLE) + b"\xe5\x9f", "1A:ENCODING", None),
    Case("no text at all", bytes(range(256)), "1A:NOT_CSV", None),
    Case("PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\xff\xff\x80", "1A:NOT_CSV", None),
    Case("tabs in UTF-8", lines(HEADING, SAMPLE).replace(",", "\t").encode(), "1A:NOT_CSV", None),
    Case("semicolons", lines(HEADING, SAMPLE).replace(",", ";").encode(), "1A:NOT_CSV", None),
    Case("a quote left open", one(G='"ABC商事'), "2A:NOT_CSV", None),
    Case("a quote left open further down", form(SAMPLE, record(B="2", G='"ABC商事')), "3A:NOT_CSV", rows=2),
    Case("a cell above the limit of the csv module", form(SAMPLE, "a" * 140_000), "3A:NOT_CSV", rows=2),
    # containers
    Case("no XLSX", no_workbook(), "1A:XLSX", None),
    Case("no XLSX with a ZIP password given", no_workbook(), "1A:XLSX", None, password=PASSWORD),
    Case("XLS, or XLSX with a password", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504), "1A:XLSX", None),
    Case("ZIP without a password given", password_zip(form(SAMPLE)), "1A:PASSWORD_NEEDED", None),
    Case("ZIP with an empty password given", password_zip(form(SAMPLE)), "1A:PASSWORD_NEEDED", None, password=""),
    Case("wrong password", password_zip(form(SAMPLE)), "1A:WRONG_PASSWORD", None, password="not this one"),
    Case("ZIP not encrypted", open_zip({"a.csv": form(SAMPLE)}), "1A:NOT_ENCRYPTED", None, password=PASSWORD),
    Case("ZIP of two files", password_zip_of({"a.csv": b"a", "b.csv": b"b"}), "1A:TOO_MANY", None, password=PASSWORD),
    Case(
        "ZIP of 1.2 MB",
        password_zip(random.Random(1).randbytes(600_000).hex().encode()),
        "1A:TOO_LARGE",
        None,
        password=PASSWORD,
    ),
    Case("ZIP of 2 MB of line breaks", password_zip(b"\n" * 2**21), "1A:RATIO 1A:TOO_LARGE", None, password=PASSWORD),
    Case("ZIP of an empty file", password_zip(b""), "1A:EMPTY", None, password=PASSWORD),
    Case("damaged ZIP", password_zip(form(SAMPLE))[:-30], "1A:DAMAGED", None, password=PASSWORD),
    Case("no workbook in a ZIP", password_zip(no_workbook(), "届.xlsx"), "1A:XLSX", None, password=PASSWORD),
    # the heading
    Case("no heading", lines(SAMPLE).encode(), "1A:HEADER", None),
    Case("a title above the heading", lines("電子連携管理者登録届", HEADING, SAMPLE).encode(), "1A:HEADER", None),
    Case("a blank row above the heading", lines("", HEADING, SAMPLE).encode(), "1A:HEADER", None),
    Case(
        "two columns exchanged",
        lines(HEADING.replace("氏名1(漢字),氏名1(カナ)", "氏名1(カナ),氏名1(漢字)"), SAMPLE).encode(),
        "1C:HEADER 1D:HEADER",
        None,
    ),
    Case("a column less", lines(HEADING.replace(",ユーザーID", ""), SAMPLE).encode(), "1A:MISSING_COLUMNS", None),
    Case("a second person", lines(HEADING + ",氏名2(漢字)", SAMPLE).encode(), "1H:EXTRA_COLUMNS", None),
    # any cell
    Case(
        "only the date",
        form("2024/5/26"),
        "2B:REQUIRED 2C:REQUIRED 2D:REQUIRED 2E:REQUIRED 2F:REQUIRED 2G:REQUIRED 2H:REQUIRED",
        None,
    ),
    Case("all but the date", one(A=""), "2A:REQUIRED", {"entered_on": None}),
    Case("a name of spaces", one(C=" 　"), "2C:REQUIRED", {"name": ""}),
    Case("nothing but a separator character", one(C="\x1c"), "2C:REQUIRED", {"name": ""}),
    Case("value right of H", form(SAMPLE + ",2"), "2H:EXTRA_CELLS"),
    Case("=", one(G="=1+1"), "2G:FORMULA", {"office_name": "=1+1"}),
    Case("+", one(E="+taro@office.example"), "2E:FORMULA", {"mail": "+taro@office.example"}),
    Case("-", one(H="-1"), "2H:FORMULA", {"device_limit": None}),
    Case("@", one(C="@SUM(A1)"), "2C:FORMULA", {"name": "@SUM(A1)"}),
    Case("full-width =", one(G="＝ABC"), "2G:FORMULA", {"office_name": "＝ABC"}),
    Case("full-width -", one(G="－ABC"), "2G:FORMULA", {"office_name": "－ABC"}),
    Case("minus sign", one(G="−ABC"), "2G:FORMULA", {"office_name": "−ABC"}),
    Case("space before =", one(G=" =ABC"), "2G:FORMULA", {"office_name": "=ABC"}),
    Case("TAB first", one(G="\tABC"), "2G:FORMULA", {"office_name": "ABC"}),
    Case("CR first", one(G='"\rABC"'), "2G:FORMULA", {"office_name": "ABC"}),
    Case("Excel's way to keep zeros", one(B='"=""00123"""'), "2B:FORMULA", {"office_number": '="00123"'}),
    Case(
        "formula in a note",
        form(SAMPLE, "=A1&入力してください"),
        "3A:FORMULA " + " ".join(f"3{letter}:REQUIRED" for letter in "BCDEFGH"),
        rows=2,
    ),
    Case("NUL", one(C="基金\0太郎"), "2C:CONTROL", {"name": "基金太郎"}),
    Case("ESC", one(G="ABC\x1b[31m"), "2G:CONTROL", {"office_name": "ABC[31m"}),
    Case("U+2028 does not end a line", one(C="基金\u2028太郎"), "2C:CONTROL", {"name": "基金 太郎"}),
    Case("VT does not end a line", one(G="ABC\v商事"), "2G:CONTROL", {"office_name": "ABC 商事"}),
    Case("FF does not end a line", one(G="ABC\f商事"), "2G:CONTROL", {"office_name": "ABC 商事"}),
    Case("a line break in a cell", one(G='"ABC\n商事"'), "2G:CONTROL", {"office_name": "ABC 商事"}),
    Case(
        "a mail header injected",
        one(E='"a@b.example\r\nBcc: c@d.example"'),
        "2E:CONTROL",
        {"mail": "a@b.example  Bcc: c@d.example"},
    ),
    Case("right to left", one(G="ABC\u202e商事"), "2G:CONTROL", {"office_name": "ABC商事"}),
    Case("zero width", one(F="kikin\u200bT001"), "2F:CONTROL"),
    Case(
        "Gaiji",
        lines(HEADING, SAMPLE).encode("cp932").replace("基金 ".encode("cp932"), b"\xf0\x40 "),
        "2C:GAIJI",
        {"name": "\ue000 太郎"},
    ),
    Case("a lost character", one(G="ABC\ufffd商事"), "2G:BROKEN_TEXT", {"office_name": "ABC\ufffd商事"}),
    Case("a name that Shift_JIS could not hold", one(C="?田 太郎"), "2C:BROKEN_TEXT", {"name": "?田　太郎"}),
    # A
    Case("tomorrow", one(A="2024/6/2"), "2A:FUTURE_DATE", {"entered_on": "2024-06-02"}),
    Case("Excel's serial date", one(A="45438"), "2A:EXCEL_DATE", {"entered_on": None}),
    Case("no such day", one(A="2024/2/30"), "2A:DATE", {"entered_on": None}),
    Case("Heisei 36", one(A="平成36年5月26日"), "2A:DATE", {"entered_on": None}),
    Case("the month first", one(A="5/26/2024"), "2A:DATE", {"entered_on": None}),
    Case("two digits of the year", one(A="24/5/26"), "2A:DATE", {"entered_on": None}),
    Case("Excel's narrow column", one(A="########"), "2A:DATE", {"entered_on": None}),
    Case("Arabic digits in the date", one(A="٢٠٢٤/٥/٢٦"), "2A:DATE", {"entered_on": None}),
    # B
    Case("1E+05", one(B="1E+05"), "2B:EXCEL_NUMBER", {"office_number": "1E+05"}),
    Case("1.23457E+09", one(B="1.23457E+09"), "2B:EXCEL_NUMBER", {"office_number": "1.23457E+09"}),
    Case("a decimal point", one(B="99999.0"), "2B:EXCEL_NUMBER", {"office_number": "99999.0"}),
    Case("thousands", one(B='"99,999"'), "2B:EXCEL_NUMBER", {"office_number": "99,999"}),
    Case("eleven digits", one(B="12345678901"), "2B:TOO_LONG", {"office_number": "12345678901"}),
    Case("letters in the number", one(B="A9999"), "2B:OFFICE_NUMBER", {"office_number": "A9999"}),
    Case("Arabic digits in the number", one(B=FOREIGN_DIGITS), "2B:OFFICE_NUMBER", {"office_number": FOREIGN_DIGITS}),
    Case("the same office twice", form(SAMPLE, record(C="別 人", F="betsujin1")), "3B:DUPLICATE", rows=2),
    Case("the same row twice", form(SAMPLE, "", SAMPLE), "4B:DUPLICATE", rows=2),
    Case("the same office in another width", form(SAMPLE, record(B="９９９９９")), "3B:DUPLICATE", rows=2),
    # C and D
    Case("51 characters of name", one(C="基" * 51), "2C:TOO_LONG", {"name": "基" * 51}),
    Case(
        "51 characters of kana",
        one(D="ア" * 25 + " " + "イ" * 25),
        "2D:TOO_LONG",
        {"kana": "ア" * 25 + "　" + "イ" * 25},
    ),
    Case("kana without a space", one(D="キキンタロウ"), "2D:KANA_SPACE", {"kana": "キキンタロウ"}),
    Case("kanji in the kana", one(D="基金 タロウ"), "2D:KANA", {"kana": "基金　タロウ"}),
    Case("letters in the kana, no space", one(D="KikinTaro"), "2D:KANA 2D:KANA_SPACE", {"kana": "KikinTaro"}),
    Case("a long vowel first", one(D="キキン ータロウ"), "2D:KANA", {"kana": "キキン　ータロウ"}),
    # E
    Case("no @", one(E="jigyousyo.office.example"), "2E:MAIL", {"mail": "jigyousyo.office.example"}),
    Case("two addresses", one(E="a@b.example;c@d.example"), "2E:MAIL", {"mail": "a@b.example;c@d.example"}),
    Case("a name before the address", one(E="基金 <a@b.example>"), "2E:MAIL", {"mail": "基金 <a@b.example>"}),
    Case("no domain", one(E="taro@localhost"), "2E:MAIL", {"mail": "taro@localhost"}),
    Case("two dots", one(E="taro@office..example"), "2E:MAIL", {"mail": "taro@office..example"}),
    Case(
        "255 characters of address",
        one(E="a@" + "b." * 123 + "example"),
        "2E:TOO_LONG",
        {"mail": "a@" + "b." * 123 + "example"},
    ),
    # F
    Case("user ID of 7", one(F="kikin01"), "2F:LOGIN_ID_LENGTH", {"login_id": "kikin01"}),
    Case("user ID of 16", one(F="kikinT0012345678"), "2F:LOGIN_ID_LENGTH", {"login_id": "kikinT0012345678"}),
    Case("a hyphen in the user ID", one(F="kikin-T001"), "2F:LOGIN_ID", {"login_id": "kikin-T001"}),
    Case("kana in a short user ID", one(F="キキン1"), "2F:LOGIN_ID 2F:LOGIN_ID_LENGTH", {"login_id": "キキン1"}),
    Case(
        "Arabic digits in the user ID",
        one(F="kikin" + FOREIGN_DIGITS),
        "2F:LOGIN_ID",
        {"login_id": "kikin" + FOREIGN_DIGITS},
    ),
    # G and H
    Case("101 characters of office", one(G="商" * 101), "2G:TOO_LONG", {"office_name": "商" * 101}),
    Case("0 devices", one(H="0"), "2H:DEVICES", {"device_limit": None}),
    Case("devices in words", one(H="二台"), "2H:DEVICES", {"device_limit": None}),
    Case("one and a half", one(H="1.5"), "2H:DEVICES", {"device_limit": None}),
    Case("4 devices", one(H="4"), "2H:TOO_MANY_DEVICES", {"device_limit": 4}),
    Case("a number of 290 digits", one(H="9" * 290), "2H:TOO_MANY_DEVICES", {"device_limit": None}),
    Case("a number of 5,000 digits", one(H="9" * 5000), "2H:TOO_LONG", {"device_limit": None}),
    # several at once
    Case(
        "everything wrong at once",
        form("2024/13/1,1E+05,=x,キキンタロウ,taro,ab,,9", ""),
        "2A:DATE 2B:EXCEL_NUMBER 2C:FORMULA 2D:KANA_SPACE 2E:MAIL 2F:LOGIN_ID_LENGTH 2G:REQUIRED 2H:TOO_MANY_DEVICES",
        None,
    ),
    Case(
        "a good record and a bad one after a heading of two lines",
        lines(
            HEADING.replace("電子連携サービス 利用予定台数", '"電子連携サービス\n利用予定台数"'),
            SAMPLE,
            record(B="2", H="5"),
        ).encode(),
        "4H:TOO_MANY_DEVICES",
        rows=2,
    ),
)
