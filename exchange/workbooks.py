"""Reading XLSX workbooks: what stands in the cells, nothing else.

The reader (Rust, no XML entities) lays a sheet out from its first to its last cell, however far that is; so it works in
a process of its own with little memory, little time and no right to write, and this file is that process's program as
well. Formulas are what they were last calculated to be.
"""

import datetime
import io
import json
import math
import resource
import subprocess
import sys
import zipfile

from python_calamine import CalamineSheet, SheetTypeEnum, SheetVisibleEnum, load_workbook

ENTRIES = 1000
UNPACKED = 20 * 2**20  # bytes
RATIO, RATIO_FROM = 200, 2**20  # how much smaller than its content an entry larger than that may be
CHARACTERS = 4 * 2**20  # of all cells together
CELL_CHARACTERS = 4000
MEMORY = 512 * 2**20
SECONDS = 10
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Cell = str | int
Sheet = list[tuple[int, list[Cell]]]  # (row as Excel counts it, cells from column A on) of each row that isn't empty


class Unreadable(Exception):
    """No XLSX workbook that can be read: an old or foreign format, with macros, damaged, or made to do harm."""


class TooLarge(Unreadable):
    """More than a form ever holds."""


def read(data: bytes) -> list[Sheet]:
    """The visible sheets in their order. Whole numbers are int, dates `2024/5/26`, everything else is text."""
    _check_package(data)
    try:
        done = subprocess.run(  # noqa: S603 - this very file
            [sys.executable, "-I", __file__], input=data, capture_output=True, timeout=2 * SECONDS, check=True
        )
        sheets = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError) as error:
        raise Unreadable from error
    if sheets is None:
        raise TooLarge
    return [[(line, cells) for line, cells in sheet] for sheet in sheets]


def _check_package(data: bytes) -> None:
    """What the directory of the package says; what it hides is met by the limits of the process."""
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise Unreadable from error
    names = {entry.filename.lower() for entry in entries}
    is_odd = any(entry.flag_bits & 1 or entry.compress_type not in METHODS for entry in entries)
    has_macros = any(name.endswith("vbaproject.bin") for name in names)
    if "xl/workbook.xml" not in names or is_odd or has_macros:
        raise Unreadable
    is_bomb = any(entry.file_size > max(RATIO_FROM, RATIO * entry.compress_size) for entry in entries)
    if len(entries) > ENTRIES or is_bomb or sum(entry.file_size for entry in entries) > UNPACKED:
        raise TooLarge


# What follows runs in the process of its own: a workbook on its input, JSON on its output, null for one too large.


def _main() -> None:
    data = sys.stdin.buffer.read()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    workbook = load_workbook(io.BytesIO(data))
    sheets, left = [], CHARACTERS
    for number, about in enumerate(workbook.sheets_metadata):
        if about.typ != SheetTypeEnum.WorkSheet or about.visible != SheetVisibleEnum.Visible:
            continue
        sheet, used = _texts(workbook.get_sheet_by_index(number), left)
        left -= used
        sheets.append(sheet)
    sys.stdout.write(json.dumps(sheets if left >= 0 else None))


def _texts(sheet: CalamineSheet, left: int) -> tuple[Sheet, int]:
    """The sheet, read until more than `left` characters are used, and how many were."""
    found: Sheet = []
    used = 0
    if sheet.start is None:
        return found, used
    first, start = sheet.start[0] + 1, sheet.start[1]
    for line, values in enumerate(sheet.iter_rows(), first):
        cells = [_cell(value) for value in values]
        while cells and cells[-1] == "":
            cells.pop()
        if not cells:
            continue
        found.append((line, [*[""] * start, *cells]))
        used += sum(len(str(cell)) + 1 for cell in found[-1][1])
        if used > left:
            break
    return found, used


def _cell(value: object) -> Cell:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime.date):  # also one with a time: the day is what counts
        return f"{value.year}/{value.month}/{value.day}"
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value if isinstance(value, int) else str(value)[:CELL_CHARACTERS]


if __name__ == "__main__":
    _main()
