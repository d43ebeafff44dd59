"""Reading a 電子連携管理者登録届: the CSV or XLSX an office fills in, bare or inside a password ZIP (guide §1-2).

Row 1 holds the headings of columns A to H, the records follow; blank rows and notes under the table do not count. In a
workbook the first visible sheet with headings counts, a date may be a date, and a formula is the result it was saved
with.
read() judges everything at once and never raises; MESSAGES holds what it can say about a file and about a cell. The ZIP
around it adds the codes of the archive's judge (NOT_ENCRYPTED, DAMAGED …).
"""

import csv
import datetime
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from exchange import normalise, registration_columns, workbooks
from exchange.archives import ArchiveError, read_single
from exchange.registration_columns import CELL_LENGTH, COLUMNS, MAX_DEVICES, Cell, CellError, Row, Rules

__all__ = ["COLUMNS", "MAX_DEVICES", "MESSAGES", "CellError", "RegistrationFile", "Row", "blank_form", "read"]

FILE_BYTES = 2**20
RECORDS = 1000
FORM_START = 2000  # bytes that hold the headings in any encoding
HEADINGS = 50  # looked at in row 1; a million empty ones fit into a file

_SAVE_AGAIN = "Excelの「名前を付けて保存」で「CSV UTF-8（コンマ区切り）」を選び、保存し直してください。"
MESSAGES = {
    # the whole file
    "EMPTY": "ファイルが空（0バイト）です。様式に入力して保存し直してください。",
    "TOO_LARGE": f"ファイルが大きすぎます（上限{FILE_BYTES // 2**20}MB）。様式の表だけを残して保存し直してください。",
    "PASSWORD_NEEDED": "パスワード付ZIPです。事業所から別に知らされたパスワードを入力してください。",
    "WRONG_PASSWORD": "このパスワードではZIPを開けません。パスワードを事業所に確認してください。",
    "XLSX": "このExcelブックは読めません（古い形式、パスワードやマクロ付き、または破損）。" + _SAVE_AGAIN,
    "NOT_CSV": "{line}行目から先をCSVとして読めません。" + _SAVE_AGAIN,
    "ENCODING": "文字コードがUTF-8でもShift_JISでもないか、途中で壊れています。" + _SAVE_AGAIN,
    "HEADER": "{letter}列の見出しが「{heading}」ではありません。1行目に様式の見出しを残し、列の順を戻してください。",
    "MISSING_COLUMNS": "見出しに{missing}がありません。様式の8列（A列からH列）を残してください。",
    "EXTRA_COLUMNS": "様式はA列からH列までです。I列から右の列を削除してください。",
    "NO_DATA": "届出のデータがありません。2行目のA列からH列に入力してください。",
    "TOO_MANY_ROWS": f"1つのファイルに入れられる届出は{RECORDS}件までです。ファイルを分けてください。",
    **registration_columns.MESSAGES,
}

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # also what Excel wraps around a workbook with a password
_NOTE = re.compile(
    r"(※|\(?注([意記:)0-9]|$)|\*|・|備考|記入例|入力例|以上$|以下余白).*"
    r"|.*(ください|[0-9]文字|半角|全角|大文字|小文字|要相談|最大[0-9]+台).*"
)


@dataclass(frozen=True)
class RegistrationFile:
    """All records read; `errors` are those of the file itself, found at `line`. Accepted only as a whole."""

    rows: tuple[Row, ...]
    errors: tuple[CellError, ...] = ()
    line: int = 1

    @property
    def verdict(self) -> str:
        return "reject" if self.errors or any(row.errors for row in self.rows) else "accept"

    def as_json(self, name: str) -> dict[str, object]:
        """The line printed for the file called `name`; errors of the file appear as one more, empty record."""
        nothing = Row(self.line, {column.field: column.nothing for column in COLUMNS}, self.errors)
        rows = (*self.rows, nothing) if self.errors else self.rows
        return {"file": name, "verdict": self.verdict, "rows": [row.as_json() for row in rows]}


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, *errors: CellError, line: int = 1) -> None:
        self.errors = errors
        self.line = line


def read(data: bytes, password: str | None, today: datetime.date, max_devices: int = MAX_DEVICES) -> RegistrationFile:
    """Judge a file, or the one file inside a password ZIP. Never raises: whatever is wrong is among the errors."""
    rules = Rules(today, max_devices)
    rows: list[Row] = []
    first_line: dict[str, int] = {}
    try:
        for line, cells in _records(_unpack(data, password)):
            if _is_blank_or_note(cells):
                continue
            if len(rows) == RECORDS:
                raise _refuse("TOO_MANY_ROWS", line)
            rows.append(registration_columns.read_row(line, cells, rules, first_line))
        if not rows:
            raise _refuse("NO_DATA")
    except _Refused as refused:
        return RegistrationFile(tuple(rows), refused.errors, refused.line)
    return RegistrationFile(tuple(rows))


def blank_form() -> bytes:
    """The empty form for an office to fill in: the headings only, in the encoding that Excel opens without damage."""
    form = io.StringIO(newline="")
    csv.writer(form).writerow(column.heading for column in COLUMNS)
    return form.getvalue().encode("utf-8-sig")


def _refuse(code: str, line: int = 1) -> _Refused:
    return _Refused(_error(code, line=line), line=line)


def _error(code: str, letter: str = "A", **details: object) -> CellError:
    return CellError(letter, code, MESSAGES[code].format(letter=letter, **details))


def _unpack(data: bytes, password: str | None) -> bytes:
    """The bytes of the CSV or the workbook itself."""
    _check_container(data)
    if not data.startswith(_ZIP) or _is_workbook(data):
        return data
    if not password:
        raise _refuse("PASSWORD_NEEDED")
    try:
        _, content = read_single(data, password, FILE_BYTES)
    except ArchiveError as error:
        raise _Refused(*_archive_errors(error)) from error
    _check_container(content)
    if content.startswith(_ZIP) and not _is_workbook(content):
        raise _refuse("NOT_CSV")
    return content


def _check_container(data: bytes) -> None:
    if not data:
        raise _refuse("EMPTY")
    if len(data) > FILE_BYTES:
        raise _refuse("TOO_LARGE")
    if data.startswith(_OLD_WORKBOOK):
        raise _refuse("XLSX")


def _is_workbook(data: bytes) -> bool:
    """Whether an unencrypted package of Office; whatever the file is called."""
    return data.startswith(_ZIP) and b"[Content_Types].xml" in data


def _archive_errors(error: ArchiveError) -> list[CellError]:
    """In the archive's words, unless they speak of the password registered later or of splitting large filings."""
    all_found = error.inspection.findings if error.inspection else ()
    refusing = [one for one in all_found if one.severity == "reject"] or [error.finding]
    ours = {"WRONG_PASSWORD": _error("WRONG_PASSWORD"), "TOO_BIG": _error("TOO_LARGE")}
    return [*dict.fromkeys(ours.get(one.code) or CellError("A", one.code, one.message) for one in refusing)]


def _decode(data: bytes) -> tuple[str, str]:
    """Text and delimiter: UTF-8 or CP932 with commas, or UTF-16 with a BOM (Excel's "Unicode text", with tabs)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and _reads(data, "utf-16"):
        text = data.decode("utf-16")
        return text, "\t" if "\t" in text.partition("\n")[0] else ","
    for codec in ("utf-8-sig",) if data.startswith(b"\xef\xbb\xbf") else ("utf-8", "cp932"):
        if _reads(data, codec):
            return data.decode(codec), ","
    raise _unreadable(data, None)


def _reads(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(data: bytes, text: str | None) -> _Refused:
    """Why a file is no registration at all; `text` is what it was decoded to, None if that failed."""
    if _is_other_encoding(data) or (text is None and b"\0" not in data):
        return _refuse("ENCODING")
    if text is None or "\0" in text:
        return _refuse("NOT_CSV")
    return _Refused(_error("HEADER", **COLUMNS[0]._asdict()))


def _is_other_encoding(data: bytes) -> bool:
    """True for EUC-JP (it passes as CP932 full of half-width kana), JIS, UTF-16 without a BOM, and damaged UTF-8."""
    is_utf8 = _reads(data, "utf-8")
    codecs = ["iso2022_jp", "utf-16-le", "utf-16-be"] + ["utf-8"] * (not is_utf8)
    is_named = any("事業所番号" in data[:FORM_START].decode(codec, "replace") for codec in codecs)
    return is_named or (not is_utf8 and _reads(data, "euc_jp"))


def _records(content: bytes) -> Iterator[tuple[int, Sequence[Cell]]]:
    """(line, cells) of each row under the headings, which have been checked."""
    if _is_workbook(content):
        return _records_of_workbook(content)
    text, delimiter = _decode(content)
    return _records_of_csv(content, text, delimiter)


def _records_of_workbook(content: bytes) -> Iterator[tuple[int, Sequence[Cell]]]:
    try:
        sheets = workbooks.read(content)
    except workbooks.TooLarge as error:
        raise _refuse("TOO_LARGE") from error
    except workbooks.Unreadable as error:
        raise _refuse("XLSX") from error
    for sheet in sheets:
        headings = _headings(sheet[0][1] if sheet and sheet[0][0] == 1 else [])
        if len(_missing(headings)) < len(COLUMNS):
            _check_headings(headings)
            yield from sheet[1:]
            return
    raise _Refused(_error("HEADER", **COLUMNS[0]._asdict()))


def _records_of_csv(data: bytes, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    rows = _rows(text, delimiter)
    _, cells = next(rows, (1, []))
    headings = _headings(cells)
    if len(_missing(headings)) == len(COLUMNS):
        raise _unreadable(data, text)
    if len(headings) == 1:  # separated by tabs or semicolons
        raise _refuse("NOT_CSV")
    _check_headings(headings)
    yield from rows


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(physical line it starts at, cells) of each row. Only LF, CRLF and CR end a line: U+2028 stays in its cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:  # an open quote, or a cell above the limit of the csv module (131,072)
        raise _refuse("NOT_CSV", line) from error


def _headings(cells: Sequence[Cell]) -> list[str]:
    found = [_loose(str(cell)) for cell in cells[:HEADINGS]]
    while found and not found[-1]:
        found.pop()
    return found


def _missing(headings: list[str]) -> list[str]:
    return [column.heading for column in COLUMNS if not any(re.search(column.pattern, title) for title in headings)]


def _check_headings(found: list[str]) -> None:
    missing = _missing(found)
    if len(found) < len(COLUMNS) and missing:
        raise _Refused(_error("MISSING_COLUMNS", missing="、".join(missing)))
    found += [""] * (len(COLUMNS) - len(found))
    pairs = zip(COLUMNS, found, strict=False)
    errors = [_error("HEADER", **column._asdict()) for column, title in pairs if not re.search(column.pattern, title)]
    if len(found) > len(COLUMNS):
        errors.append(_error("EXTRA_COLUMNS", "H"))
    if errors:
        raise _Refused(*errors)


def _loose(heading: str) -> str:
    """Without width, spaces, line breaks and what follows ※, so that a form typed anew still counts."""
    return re.sub(r"\s", "", normalise.half_width(heading[:CELL_LENGTH]).casefold()).partition("※")[0]


def _is_blank_or_note(cells: Iterable[Cell]) -> bool:
    """Real forms carry the guide's notes under the table; one cell of data makes a row a record nevertheless."""
    filled = [text[:CELL_LENGTH] for text in map(str, cells) if text.strip()]
    return all(_NOTE.fullmatch(normalise.half_width(cell)) and not normalise.is_formula_like(cell) for cell in filled)
