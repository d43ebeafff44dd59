"""Reading a 電子連携管理者登録届: the CSV an office fills in, bare or inside a password ZIP (guide §1-2).

Row 1 holds the headings of columns A to H, the records follow; blank rows and notes under the table do not count.
read() judges everything at once and never raises; MESSAGES holds what it can say about a file and about a cell. The ZIP
around it adds the codes of the archive's judge (NOT_ENCRYPTED, DAMAGED …).
"""

import csv
import datetime
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import NamedTuple

from exchange import normalise
from exchange.archives import ArchiveError, read_single

FILE_BYTES = 2**20
RECORDS = 1000
FORM_START = 2000  # bytes that hold the headings in any encoding
HEADINGS = 50  # looked at in row 1; a million empty ones fit into a file
CELL_LENGTH = 300  # no column allows more; what is longer is not even normalised (normalise.LONGEST says why)
MAX_DEVICES = 3
WARNINGS = frozenset({"OLD_DATE", "CONVERTED"})

_SAVE_AGAIN = "Excelの「名前を付けて保存」で「CSV UTF-8（コンマ区切り）」を選び、保存し直してください。"
MESSAGES = {
    # the whole file
    "EMPTY": "ファイルが空（0バイト）です。様式に入力して保存し直してください。",
    "TOO_LARGE": f"ファイルが大きすぎます（上限{FILE_BYTES // 2**20}MB）。様式のCSVだけを送ってください。",
    "PASSWORD_NEEDED": "パスワード付ZIPです。事業所から別に知らされたパスワードを入力してください。",
    "WRONG_PASSWORD": "このパスワードではZIPを開けません。パスワードを事業所に確認してください。",
    "XLSX": "Excelブックのままでは読めません。" + _SAVE_AGAIN,
    "NOT_CSV": "{line}行目から先をCSVとして読めません。" + _SAVE_AGAIN,
    "ENCODING": "文字コードがUTF-8でもShift_JISでもないか、途中で壊れています。" + _SAVE_AGAIN,
    "HEADER": "{letter}列の見出しが「{heading}」ではありません。1行目に様式の見出しを残し、列の順を戻してください。",
    "MISSING_COLUMNS": "見出しに{missing}がありません。様式の8列（A列からH列）を残してください。",
    "EXTRA_COLUMNS": "様式はA列からH列までです。I列から右の列を削除してください。",
    "NO_DATA": "届出のデータがありません。2行目のA列からH列に入力してください。",
    "TOO_MANY_ROWS": f"1つのファイルに入れられる届出は{RECORDS}件までです。ファイルを分けてください。",
    # any cell
    "REQUIRED": "{heading}が入力されていません。必ず入力してください。",
    "TOO_LONG": "{heading}は{limit}文字以内です（いまは{length}文字）。短くして入力し直してください。",
    "FORMULA": "{heading}の先頭に = + - @ やタブは使えません（数式として動くため）。取り除いて入力し直してください。",
    "CONTROL": "{heading}の途中に改行か目に見えない文字があります。取り除いて1行で入力し直してください。",
    "GAIJI": "{heading}に外字があります。ほかのPCでは表示できないため、別の漢字かカナで入力してください。",
    "BROKEN_TEXT": "{heading}に文字化けがあります。正しい文字を入力し、「CSV UTF-8」で保存し直してください。",
    "EXTRA_CELLS": "I列から右に値があります。列のずれがないか確かめ、A列からH列だけに入力してください。",
    # one column
    "DATE": "{heading}を日付として読めません。2024/5/26か令和6年5月26日のように入力してください。",
    "EXCEL_DATE": "{heading}がExcelの通し番号です。セルの書式を日付にして（例 2024/5/26）保存し直してください。",
    "FUTURE_DATE": "{heading}が今日（{today}）より後です。届を記入した日を入力してください。",
    "OLD_DATE": "{heading}が1年より前です。誤りがないか事業所に確認してください。",
    "OFFICE_NUMBER": "{heading}は数字だけです（{limit}桁以内）。番号を確かめて入力し直してください。",
    "EXCEL_NUMBER": "{heading}がExcelで数値に変わっています。セルの書式を文字列にして入力し直してください。",
    "DUPLICATE": "{heading}が{line}行目と同じです。同じ事業所の届出は1行にまとめてください。",
    "KANA": "{heading}はカタカナだけです。漢字・英数字・記号をカタカナに直してください。",
    "KANA_SPACE": "{heading}は姓と名の間にスペースが必要です。「キキン　タロウ」のように入力してください。",
    "CONVERTED": "{heading}を全角カタカナ「{value}」に直しました。正しいか確認してください。",
    "MAIL": "{heading}の形が正しくありません。name@office.exampleのように1つだけ入力してください。",
    "LOGIN_ID": "{heading}に使えるのは英字と数字だけです。ほかの文字を取り除いてください。",
    "LOGIN_ID_LENGTH": "{heading}は8文字から15文字です（いまは{length}文字）。文字数を直してください。",
    "DEVICES": "{heading}は1から{max_devices}までの数字で入力してください。",
    "TOO_MANY_DEVICES": "{heading}は最大{max_devices}台です。超える場合は基金事務局へご相談ください。",
}

_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # also what Excel wraps around a workbook with a password
_EXCEL_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?E[+-]?[0-9]+|[0-9]+\.0+|[0-9]{1,3}(,[0-9]{3})+", re.IGNORECASE)
_EXCEL_DATE = re.compile(r"[0-9]{5}(\.[0-9]+)?")
_DEVICES = re.compile(r"([0-9]+)\s*台?")
_NOTE = re.compile(
    r"(※|\(?注([意記:)0-9]|$)|\*|・|備考|記入例|入力例|以上$|以下余白).*"
    r"|.*(ください|[0-9]文字|半角|全角|大文字|小文字|要相談|最大[0-9]+台).*"
)

Value = str | int | None


@dataclass(frozen=True)
class CellError:
    """What is wrong with (or, among the warnings, odd about) one cell; column A also stands for the whole file."""

    column: str
    code: str
    message: str


@dataclass(frozen=True)
class Row:
    """One record; `line` counts physical lines from 1. `values` as they would be stored: entered_on an ISO date or
    None, device_limit a number or None, the others str ("" if empty)."""

    line: int
    values: dict[str, Value]
    errors: tuple[CellError, ...] = ()
    warnings: tuple[CellError, ...] = ()

    @property
    def verdict(self) -> str:
        return "reject" if self.errors else "accept"

    def as_json(self) -> dict[str, object]:
        found = {"errors": [asdict(e) for e in self.errors], "warnings": [asdict(w) for w in self.warnings]}
        return {"line": self.line, "verdict": self.verdict, "values": dict(self.values)} | found


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


class _Rules(NamedTuple):
    today: datetime.date
    max_devices: int


class _Refused(Exception):
    """Reading cannot go on."""

    def __init__(self, *errors: CellError, line: int = 1) -> None:
        self.errors = errors
        self.line = line


def read(data: bytes, password: str | None, today: datetime.date, max_devices: int = MAX_DEVICES) -> RegistrationFile:
    """Judge a CSV, or the one CSV inside a password ZIP. Never raises: whatever is wrong is among the errors."""
    rules = _Rules(today, max_devices)
    rows: list[Row] = []
    first_line: dict[str, int] = {}
    try:
        content = _unpack(data, password)
        text, delimiter = _decode(content)
        records = _records(text, delimiter)
        _, headings = next(records, (1, []))
        _check_headings(headings, text, content)
        for line, cells in records:
            if _is_blank_or_note(cells):
                continue
            if len(rows) == RECORDS:
                raise _refuse("TOO_MANY_ROWS", line)
            rows.append(_read_row(line, cells, rules, first_line))
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
    """The bytes of the CSV itself."""
    _check_container(data)
    if not data.startswith(_ZIP):
        return data
    if not password:
        raise _refuse("PASSWORD_NEEDED")
    try:
        _, content = read_single(data, password, FILE_BYTES)
    except ArchiveError as error:
        raise _Refused(*_archive_errors(error)) from error
    _check_container(content)
    if content.startswith(_ZIP):
        raise _refuse("NOT_CSV")
    return content


def _check_container(data: bytes) -> None:
    if not data:
        raise _refuse("EMPTY")
    if len(data) > FILE_BYTES:
        raise _refuse("TOO_LARGE")
    if data.startswith(_OLD_WORKBOOK) or (data.startswith(_ZIP) and b"[Content_Types].xml" in data):
        raise _refuse("XLSX")


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


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(physical line it starts at, cells) of each record. Only LF, CRLF and CR end a line: U+2028 stays in its cell."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:  # an open quote, or a cell above the limit of the csv module (131,072)
        raise _refuse("NOT_CSV", line) from error


def _check_headings(cells: list[str], text: str, data: bytes) -> None:
    found = [_loose(cell) for cell in cells[:HEADINGS]]
    while found and not found[-1]:
        found.pop()
    missing = [column.heading for column in COLUMNS if not any(re.search(column.pattern, title) for title in found)]
    if len(missing) == len(COLUMNS):
        raise _unreadable(data, text)
    if len(found) == 1:  # separated by tabs or semicolons
        raise _refuse("NOT_CSV")
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


def _is_blank_or_note(cells: list[str]) -> bool:
    """Real forms carry the guide's notes under the table; one cell of data makes a row a record nevertheless."""
    filled = [cell[:CELL_LENGTH] for cell in cells if cell.strip()]
    return all(_NOTE.fullmatch(normalise.half_width(cell)) and not normalise.is_formula_like(cell) for cell in filled)


def _read_row(line: int, cells: list[str], rules: _Rules, first_line: dict[str, int]) -> Row:
    """`first_line`: office number -> line of its first record; the number of this record is entered there."""
    values: dict[str, Value] = {}
    found: list[CellError] = []
    for column, cell in zip(COLUMNS, cells + [""] * len(COLUMNS), strict=False):
        values[column.field], errors = _read_cell(column, cell, rules)
        found += errors
    number = str(values["office_number"])
    if number and first_line.setdefault(number, line) != line:
        found.append(_error("DUPLICATE", **COLUMNS[1]._asdict(), line=first_line[number]))
    if any(cell.strip() for cell in cells[len(COLUMNS) :]):
        found.append(_error("EXTRA_CELLS", "H"))
    warnings = tuple(error for error in found if error.code in WARNINGS)
    return Row(line, values, tuple(error for error in found if error.code not in WARNINGS), warnings)


def _read_cell(column: "_Column", cell: str, rules: _Rules) -> tuple[Value, list[CellError]]:
    """The column's own rule is asked only when nothing is wrong with the text as such."""
    inside = cell.strip()
    value: Value = column.nothing if column.nothing is None else normalise.text(inside[:CELL_LENGTH])
    length = len(inside)
    codes = ["TOO_LONG"] if length > CELL_LENGTH else normalise.unfit(cell) if inside else ["REQUIRED"]
    if not codes:
        value, codes = column.check(cell, rules)
        length = len(value) if isinstance(value, str) else length
        if length > column.limit and "EXCEL_NUMBER" not in codes:
            codes = ["TOO_LONG", *codes]
    details = column._asdict() | rules._asdict() | {"length": length, "value": value}
    return value, [_error(code, **details) for code in codes]


def _entered_on(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    date = normalise.date_on(cell)
    if date is None:
        return None, ["EXCEL_DATE" if _EXCEL_DATE.fullmatch(normalise.half_width(cell)) else "DATE"]
    if date > rules.today:
        return date.isoformat(), ["FUTURE_DATE"]
    is_old = (date.year + 1, date.month, date.day) < (rules.today.year, rules.today.month, rules.today.day)
    return date.isoformat(), ["OLD_DATE"] if is_old else []


def _office_number(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    number = normalise.digits(cell)
    if normalise.is_digits(number):
        return number, []
    return number, ["EXCEL_NUMBER" if _EXCEL_NUMBER.fullmatch(number) else "OFFICE_NUMBER"]


def _name(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    name = normalise.person_name(cell)
    return name, ["BROKEN_TEXT"] if "?" in name else []  # Excel writes ? for what Shift_JIS does not have


def _kana(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    kana = normalise.kana(cell)
    codes = [] if normalise.is_katakana(kana) else ["KANA"]
    if "\u3000" not in kana:
        codes.append("KANA_SPACE")
    if not codes and kana.split() != normalise.text(cell).split():
        codes.append("CONVERTED")
    return kana, codes


def _mail(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    mail = normalise.mail(cell)
    return mail, [] if normalise.is_mail(mail) or len(mail) > normalise.MAIL_LENGTH else ["MAIL"]


def _login_id(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    login_id = normalise.login_id(cell)
    has_length, has_characters = 8 <= len(login_id) <= 15, login_id.isascii() and login_id.isalnum()
    return login_id, ["LOGIN_ID"] * (not has_characters) + ["LOGIN_ID_LENGTH"] * (not has_length)


def _office_name(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    return normalise.text(cell), []


def _device_limit(cell: str, rules: _Rules) -> tuple[Value, list[str]]:
    found = _DEVICES.fullmatch(normalise.half_width(cell))
    number = found[1].lstrip("0") if found else ""
    if not number:
        return None, ["DEVICES"]
    limit = int(number) if len(number) <= 4 else None  # int() raises for 5,000 digits
    return limit, ["TOO_MANY_DEVICES"] if limit is None or limit > rules.max_devices else []


class _Column(NamedTuple):
    letter: str
    field: str
    heading: str
    pattern: str  # searched in a _loose() heading
    check: Callable[[str, _Rules], tuple[Value, list[str]]]  # cell -> value, codes
    limit: int = CELL_LENGTH
    nothing: Value = ""  # the value of a cell that could not be read


COLUMNS = (
    _Column("A", "entered_on", "入力日", "入力日", _entered_on, nothing=None),
    _Column("B", "office_number", "事業所番号", "事業所番号", _office_number, normalise.OFFICE_NUMBER_LENGTH),
    _Column("C", "name", "氏名1(漢字)", "氏名(?!.*(カナ|かな|ガナ|がな))", _name, normalise.NAME_LENGTH),
    _Column("D", "kana", "氏名1(カナ)", "氏名.*(カナ|かな|ガナ|がな)", _kana, normalise.KANA_LENGTH),
    _Column("E", "mail", "メールアドレス1", "メール", _mail, normalise.MAIL_LENGTH),
    _Column("F", "login_id", "ユーザーID", "ユーザー?id", _login_id),
    _Column("G", "office_name", "事業所名(※顧客入力)", "事業所名", _office_name, normalise.OFFICE_NAME_LENGTH),
    _Column("H", "device_limit", "電子連携サービス 利用予定台数", "台数", _device_limit, nothing=None),
)
