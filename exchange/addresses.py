"""Where offices are: postal codes and addresses read from a file and written to all of its offices, or to none.

The registration form has no column for them; the letters need them for their envelopes.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from database import db
from exchange import audit, normalise, permissions
from exchange.actors import Actor
from models import Office

FILE_BYTES = 2**20
RECORDS = 2000
CELL_LONGEST = 1000  # what is longer is not even normalised
NUMBER, POSTAL_CODE, ADDRESS, NAME = "事業所番号", "郵便番号", "住所", "事業所名"
COLUMNS = (NUMBER, POSTAL_CODE, ADDRESS, NAME)
NEEDED = COLUMNS[:3]  # the name is there for people; where it is filled in, it has to be the office's
REASON = "住所のCSVの取り込み"

_SAVE_AGAIN = "Excelの「名前を付けて保存」で「CSV UTF-8（コンマ区切り）」を選び、保存し直してください。"
MESSAGES = {
    # the whole file
    "EMPTY": "ファイルが空です。様式のCSVに入力して保存し直してください。",
    "TOO_LARGE": f"ファイルが大きすぎます（上限{FILE_BYTES // 2**20}MB）。様式のCSVだけを選んでください。",
    "WORKBOOK": "Excelブックや圧縮ファイルのままでは読めません。" + _SAVE_AGAIN,
    "ENCODING": "文字を読み取れません。文字コードが違うか、ファイルが途中で壊れています。" + _SAVE_AGAIN,
    "NOT_CSV": "この行から先をCSVとして読めません。" + _SAVE_AGAIN,
    "HEADER": "1行目に「{missing}」の見出しがありません。様式の見出しを1行目に残してください。",
    "TWICE": "1行目に「{heading}」の見出しが2つあります。どちらかを削除してください。",
    "NO_DATA": "住所が1件も入力されていません。2行目から入力してください。",
    "TOO_MANY": f"1つのファイルに入れられるのは{RECORDS}件までです。ファイルを分けてください。",
    # one line
    "FORMULA": "{heading}の先頭に = + - @ やタブは使えません（数式として動くため）。取り除いてください。",
    "CONTROL": "{heading}に目に見えない文字があります。入力し直してください。",
    "GAIJI": "{heading}に外字があります。ほかのPCでは表示できないため、別の漢字かカナで入力してください。",
    "BROKEN_TEXT": "{heading}に文字化けがあります。正しい文字を入力し、「CSV UTF-8」で保存し直してください。",
    "EXTRA_CELLS": "見出しより右に値があります。住所の中のコンマなどで列がずれていないか確かめてください。",
    "REQUIRED": "{heading}が入力されていません。郵便番号と住所は、両方を入力するか、両方を空欄にしてください。",
    "NO_NUMBER": "事業所番号が入力されていません。",
    "UNKNOWN": "事業所番号「{value}」の事業所は登録されていないか、契約が終了しています。番号を確かめてください。",
    "AMBIGUOUS": "事業所番号「{value}」は、先頭の0が消えているため、どの事業所か決められません。0を補ってください。",
    "DUPLICATE": "事業所番号「{value}」が{first}行目にもあります。1つの事業所は1行にまとめてください。",
    "NAME": "事業所番号「{value}」の事業所名は「{name}」です。行がずれていないか確かめてください。",
    "POSTAL_CODE": "郵便番号「{value}」は7桁の数字ではありません。100-0001 のように入力してください。",
    "ZERO_LOST": "郵便番号「{value}」は6桁しかありません。Excelで先頭の0が消えていないか確かめてください。",
    "TOO_LONG": f"住所が長すぎます。{normalise.ADDRESS_LINES}行まで、合わせて{normalise.ADDRESS_LENGTH}文字までで"
    "入力してください。",
    "TAKEN": "すでに別の住所が登録されています。訂正は、その事業所の画面の「登録の訂正」で行ってください。",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong in a row of the table, counted as Excel does."""

    line: int
    code: str
    message: str


@dataclass(frozen=True)
class Outcome:
    """How many offices got an address, how many had that one already, how many lines were left blank.

    With problems nothing was written.
    """

    written: int = 0
    same: int = 0
    blank: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Line:
    line: int
    cells: dict[str, str]  # heading → as it stands in the file, "" if it is missing
    has_more: bool  # to the right of the last heading


class _Unreadable(Exception):
    """Reading cannot go on."""

    def __init__(self, code: str, line: int = 1, **details: str) -> None:
        self.problem = _problem(line, code, **details)


def bring_in(actor: Actor, data: bytes) -> Outcome:
    """Write the addresses of a CSV (UTF-8 or CP932) to their offices: all of them or, with any problem, none.

    An office that has another address already is a problem: what is in force changes only with a reason of its own.
    """
    permissions.require(actor, "register")
    try:
        lines = list(_read(data))
    except _Unreadable as unreadable:
        return Outcome(problems=(unreadable.problem,))
    with db.atomic():
        judge = _Judge()
        changes = [change for line in lines if (change := judge.change(line)) is not None]
        if judge.problems:
            return Outcome(problems=tuple(judge.problems))
        if not changes:
            return Outcome(problems=(_problem(1, "NO_DATA"),))
        written = sum(_write(actor, *change) for change in changes)
    return Outcome(written, len(changes) - written, len(lines) - len(changes))


def form_rows(actor: Actor) -> list[tuple[str, ...]]:
    """The table to be filled in, to be taken away as a file: its headings, and the offices that have no address yet;
    logged.
    """
    permissions.require(actor, "register")
    with db.atomic():
        rows = [(office.office_number, office.postal_code, office.address, office.name) for office in missing()]
        audit.record(actor, "letters.addresses_listed", entries=len(rows))
    return [COLUMNS, *rows]


def missing() -> Any:
    """Open offices without an address."""
    return Office.open_ones().where((Office.address == "") | (Office.postal_code == ""))


def _write(actor: Actor, office: Office, values: dict[str, str]) -> bool:
    """Whether there was something to change."""
    before = {name: getattr(office, name) for name in values}
    changed = {name: [before[name], value] for name, value in values.items() if before[name] != value}
    if changed:
        Office.update(**values).where(Office.id == office.id).execute()
        audit.record(actor, "office.corrected", office.uid, office, changed=changed, reason=REASON)
    return bool(changed)


def _problem(line: int, code: str, **details: object) -> Problem:
    return Problem(line, code, MESSAGES[code].format(**details))


class _Judge:
    """Holds the lines against the offices as they are now. Made inside the transaction that writes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._by_number: dict[str, Office] = {}
        self._without_zeros: dict[str, list[Office]] = {}
        self._first_line: dict[int, int] = {}
        for office in Office.open_ones():
            self._by_number[office.office_number] = office
            self._without_zeros.setdefault(office.office_number.lstrip("0"), []).append(office)

    def change(self, line: _Line) -> tuple[Office, dict[str, str]] | None:
        """What the line wants; None for one that was left blank, or has problems."""
        wanted = (line.cells[POSTAL_CODE].strip(), line.cells[ADDRESS].strip())
        if not any(wanted):
            return None
        before = len(self.problems)
        if line.has_more:
            self._add(line, "EXTRA_CELLS")
        self._ask_texts(line)
        office = self._office(line)
        values = {"postal_code": self._postal_code(line), "address": self._address(line)}
        if office and any(getattr(office, name) not in ("", value) for name, value in values.items()):
            self._add(line, "TAKEN")
        return (office, values) if office and len(self.problems) == before else None

    def _add(self, line: _Line, code: str, **details: object) -> None:
        self.problems.append(_problem(line.line, code, **details))

    def _ask_texts(self, line: _Line) -> None:
        for heading, cell in line.cells.items():
            parts = _lines(cell[:CELL_LONGEST]) if heading == ADDRESS else [cell[:CELL_LONGEST]]
            for code in dict.fromkeys(code for part in (cell, *parts) for code in _unfit(part, heading)):
                self._add(line, code, heading=heading)

    def _office(self, line: _Line) -> Office | None:
        number = normalise.digits(line.cells[NUMBER])
        if not number:
            self._add(line, "NO_NUMBER")
            return None
        alike = [self._by_number[number]] if number in self._by_number else self._without_zeros.get(number, [])
        if len(alike) != 1:
            self._add(line, "AMBIGUOUS" if alike else "UNKNOWN", value=number[:20])
            return None
        (office,) = alike
        first = self._first_line.setdefault(office.id, line.line)
        if first != line.line:
            self._add(line, "DUPLICATE", value=office.office_number, first=first)
        named = normalise.half_width(line.cells[NAME])
        if named and named != normalise.half_width(office.name):
            self._add(line, "NAME", value=office.office_number, name=office.name)
        return office

    def _postal_code(self, line: _Line) -> str:
        code = normalise.postal_code(line.cells[POSTAL_CODE])
        if not code:
            self._add(line, "REQUIRED", heading=POSTAL_CODE)
        elif not normalise.is_postal_code(code):
            is_short = len(code) == 6 and normalise.is_digits(code)
            self._add(line, "ZERO_LOST" if is_short else "POSTAL_CODE", value=code[:20])
        return code

    def _address(self, line: _Line) -> str:
        found = normalise.address(line.cells[ADDRESS])
        if not found:
            self._add(line, "REQUIRED", heading=ADDRESS)
        elif not normalise.fits_window(found):
            self._add(line, "TOO_LONG")
        return found


def _unfit(cell: str, heading: str) -> list[str]:
    """Line breaks are what an address is made of: they are no hidden characters there."""
    found = normalise.unfit(cell)
    return [code for code in found if not (code == "CONTROL" and heading == ADDRESS and len(_lines(cell)) > 1)]


def _lines(cell: str) -> list[str]:
    return re.split(r"\r\n|\r|\n", cell)


def _read(data: bytes) -> Iterator[_Line]:
    """Every line that has something in it; _Unreadable for what is no such table."""
    records = _records(_decode(data))
    _, headings = next(records, (1, []))
    places = _places(headings)
    count = 0
    for line, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > RECORDS:
            raise _Unreadable("TOO_MANY", line)
        found = {heading: cells[at] if at is not None and at < len(cells) else "" for heading, at in places.items()}
        yield _Line(line, found, any(cell.strip() for cell in cells[len(headings) :]))


def _places(headings: list[str]) -> dict[str, int | None]:
    """Heading → its column, wherever it stands."""
    titles = [re.sub(r"\s", "", normalise.half_width(cell[:CELL_LONGEST])) for cell in headings]
    missing = [heading for heading in NEEDED if heading not in titles]
    if missing:
        raise _Unreadable("HEADER", missing="」「".join(missing))
    twice = [heading for heading in COLUMNS if titles.count(heading) > 1]
    if twice:
        raise _Unreadable("TWICE", heading=twice[0])
    return {heading: titles.index(heading) if heading in titles else None for heading in COLUMNS}


def _decode(data: bytes) -> str:
    if not data.strip():
        raise _Unreadable("EMPTY")
    if len(data) > FILE_BYTES:
        raise _Unreadable("TOO_LARGE")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise _Unreadable("WORKBOOK")
    for codec in ("utf-8-sig", "cp932"):
        try:
            text = data.decode(codec)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise _Unreadable("ENCODING")


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """(row as Excel numbers it, cells) of each record: line breaks inside a cell count for nothing."""
    row = 0
    try:
        for row, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), 1):
            yield row, cells
    except csv.Error as error:  # an open quote, or a cell above the limit of the csv module
        raise _Unreadable("NOT_CSV", row + 1) from error
