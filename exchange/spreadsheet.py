"""Tables as files that Excel opens by double click, and that it never takes for formulas."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from exchange import normalise

BYTE_ORDER_MARK = "\ufeff"  # without it Excel takes UTF-8 for the code page of the PC
PIECE = 64 * 1024  # characters


def as_csv(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """UTF-8 with its mark, lines ending in CRLF; cells with commas, quotes or line breaks are quoted."""
    page = io.StringIO(BYTE_ORDER_MARK, newline="")
    page.seek(0, io.SEEK_END)
    writer = csv.writer(page, lineterminator="\r\n")
    for row in rows:
        writer.writerow([harmless(cell) for cell in row])
        if page.tell() >= PIECE:
            yield page.getvalue().encode()
            page.seek(0)
            page.truncate()
    yield page.getvalue().encode()


def harmless(cell: str) -> str:
    """A text that a spreadsheet would run gets the apostrophe which makes it a text there."""
    return f"'{cell}" if normalise.is_formula_like(cell) else cell
