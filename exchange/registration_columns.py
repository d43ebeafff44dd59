"""The columns A to H of a 電子連携管理者登録届 and what may stand in their cells (guide §1-2).

It makes no difference whether the cells come from a file, from a form, or from the database, where they are kept as
they came and judged anew at each look.

A cell is a text, or a whole number if it was a number in a workbook.
"""

import datetime
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

from exchange import normalise

CELL_LENGTH = 300  # no column allows more; what is longer is not even normalised (normalise.LONGEST says why)
MAX_DEVICES = 3
WARNINGS = frozenset({"OLD_DATE", "CONVERTED", "NUMBER_CELL"})

MESSAGES = {
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
    "NUMBER_CELL": "{heading}がExcelの数値です。先頭の0が消えていないか確かめ、違うときは直してください。",
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

_EXCEL_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?E[+-]?[0-9]+|[0-9]+\.0+|[0-9]{1,3}(,[0-9]{3})+", re.IGNORECASE)
_EXCEL_DATE = re.compile(r"[0-9]{5}(\.[0-9]+)?")
_DEVICES = re.compile(r"([0-9]+)\s*台?")

Cell = str | int
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
    cells: tuple[Cell, ...] = ()  # as they came

    @property
    def verdict(self) -> str:
        return "reject" if self.errors else "accept"

    def as_json(self) -> dict[str, object]:
        found = {"errors": [asdict(e) for e in self.errors], "warnings": [asdict(w) for w in self.warnings]}
        return {"line": self.line, "verdict": self.verdict, "values": dict(self.values)} | found


class Rules(NamedTuple):
    today: datetime.date
    max_devices: int


def read_rows(
    records: Iterable[tuple[int, Sequence[Cell]]], today: datetime.date, max_devices: int = MAX_DEVICES
) -> tuple[Row, ...]:
    """Judge (line, cells) of each record, and each against those before it."""
    rules, first_line = Rules(today, max_devices), dict[str, int]()
    return tuple(read_row(line, cells, rules, first_line) for line, cells in records)


def read_row(line: int, cells: Sequence[Cell], rules: Rules, first_line: dict[str, int]) -> Row:
    """`first_line`: office number -> line of its first record; the number of this record is entered there."""
    values: dict[str, Value] = {}
    found: list[CellError] = []
    for column, cell in zip(COLUMNS, [*cells, *[""] * len(COLUMNS)], strict=False):
        values[column.field], errors = _read_cell(column, str(cell), rules)
        found += errors
    number = str(values["office_number"])
    if number and first_line.setdefault(number, line) != line:
        found.append(cell_error("DUPLICATE", **COLUMNS[1]._asdict(), line=first_line[number]))
    if isinstance(cells[1] if len(cells) > 1 else "", int):
        # 00123 typed into an ordinary cell is 123 to Excel, also where it shows the zeros: only a person can tell.
        found.append(cell_error("NUMBER_CELL", **COLUMNS[1]._asdict()))
    if any(str(cell).strip() for cell in cells[len(COLUMNS) :]):
        found.append(cell_error("EXTRA_CELLS", "H"))
    warnings = tuple(error for error in found if error.code in WARNINGS)
    errors = [error for error in found if error.code not in WARNINGS]
    return Row(line, values, tuple(errors), warnings, tuple(cells))


def cell_error(code: str, letter: str = "A", **details: object) -> CellError:
    return CellError(letter, code, MESSAGES[code].format(letter=letter, **details))


def _read_cell(column: "Column", cell: str, rules: Rules) -> tuple[Value, list[CellError]]:
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
    return value, [cell_error(code, **details) for code in codes]


def _entered_on(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    date = normalise.date_on(cell)
    if date is None:
        return None, ["EXCEL_DATE" if _EXCEL_DATE.fullmatch(normalise.half_width(cell)) else "DATE"]
    if date > rules.today:
        return date.isoformat(), ["FUTURE_DATE"]
    is_old = (date.year + 1, date.month, date.day) < (rules.today.year, rules.today.month, rules.today.day)
    return date.isoformat(), ["OLD_DATE"] if is_old else []


def _office_number(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    number = normalise.digits(cell)
    if normalise.is_digits(number):
        return number, []
    return number, ["EXCEL_NUMBER" if _EXCEL_NUMBER.fullmatch(number) else "OFFICE_NUMBER"]


def _name(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    name = normalise.person_name(cell)
    return name, ["BROKEN_TEXT"] if "?" in name else []  # Excel writes ? for what Shift_JIS does not have


def _kana(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    kana = normalise.kana(cell)
    codes = [] if normalise.is_katakana(kana) else ["KANA"]
    if "\u3000" not in kana:
        codes.append("KANA_SPACE")
    if not codes and kana.split() != normalise.text(cell).split():
        codes.append("CONVERTED")
    return kana, codes


def _mail(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    mail = normalise.mail(cell)
    return mail, [] if normalise.is_mail(mail) or len(mail) > normalise.MAIL_LENGTH else ["MAIL"]


def _login_id(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    login_id = normalise.login_id(cell)
    has_length, has_characters = 8 <= len(login_id) <= 15, login_id.isascii() and login_id.isalnum()
    return login_id, ["LOGIN_ID"] * (not has_characters) + ["LOGIN_ID_LENGTH"] * (not has_length)


def _office_name(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    return normalise.text(cell), []


def _device_limit(cell: str, rules: Rules) -> tuple[Value, list[str]]:
    found = _DEVICES.fullmatch(normalise.half_width(cell))
    number = found[1].lstrip("0") if found else ""
    if not number:
        return None, ["DEVICES"]
    limit = int(number) if len(number) <= 4 else None  # int() raises for 5,000 digits
    return limit, ["TOO_MANY_DEVICES"] if limit is None or limit > rules.max_devices else []


class Column(NamedTuple):
    letter: str
    field: str
    heading: str
    pattern: str  # searched in a _loose() heading
    check: Callable[[str, Rules], tuple[Value, list[str]]]  # cell -> value, codes
    limit: int = CELL_LENGTH
    nothing: Value = ""  # the value of a cell that could not be read


COLUMNS = (
    Column("A", "entered_on", "入力日", "入力日", _entered_on, nothing=None),
    Column("B", "office_number", "事業所番号", "事業所番号", _office_number, normalise.OFFICE_NUMBER_LENGTH),
    Column("C", "name", "氏名1(漢字)", "氏名(?!.*(カナ|かな|ガナ|がな))", _name, normalise.NAME_LENGTH),
    Column("D", "kana", "氏名1(カナ)", "氏名.*(カナ|かな|ガナ|がな)", _kana, normalise.KANA_LENGTH),
    Column("E", "mail", "メールアドレス1", "メール", _mail, normalise.MAIL_LENGTH),
    Column("F", "login_id", "ユーザーID", "ユーザー?id", _login_id),
    Column("G", "office_name", "事業所名(※顧客入力)", "事業所名", _office_name, normalise.OFFICE_NAME_LENGTH),
    Column("H", "device_limit", "電子連携サービス 利用予定台数", "台数", _device_limit, nothing=None),
)
