"""XLSX workbooks written by hand, as Excel and those who mean harm write them, without the code under test."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
# style 1 shows a number as a date, style 2 with at least five digits
STYLES = (
    f'{HEAD}<styleSheet xmlns="{MAIN}"><numFmts count="1"><numFmt numFmtId="164" formatCode="00000"/></numFmts>'
    '<fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="3"><xf numFmtId="0"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>'
)


@dataclass(frozen=True)
class Number:
    """A number as Excel writes it; `style` as in STYLES."""

    text: str
    style: int = 0


@dataclass(frozen=True)
class Formula:
    text: str
    result: str


Written = str | Number | Formula


@dataclass
class Sheet:
    """Rows from the first one on; None leaves a row out. `state`: visible, hidden or veryHidden."""

    rows: Sequence[Sequence[Written] | None]
    name: str = "登録届"
    state: str = "visible"
    more: str = ""  # XML of further rows


def workbook(*sheets: Sheet, files: dict[str, bytes] | None = None) -> bytes:
    """`files` are added to the package or take the place of its own."""
    package = {
        "[Content_Types].xml": _content_types(len(sheets)),
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": _book(sheets),
        "xl/_rels/workbook.xml.rels": _relations(
            [*(("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, len(sheets) + 1)), ("styles", "styles.xml")]
        ),
        "xl/styles.xml": STYLES.encode(),
        **{f"xl/worksheets/sheet{n}.xml": sheet_xml(sheet) for n, sheet in enumerate(sheets, 1)},
        **(files or {}),
    }
    return packed(package)


def packed(package: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in package.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def sheet_xml(sheet: Sheet) -> bytes:
    rows = "".join(_row(number, row) for number, row in enumerate(sheet.rows, 1) if row is not None)
    return f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>{rows}{sheet.more}</sheetData></worksheet>'.encode()


def _row(number: int, cells: Sequence[Written]) -> str:
    written = "".join(_cell(f"{'ABCDEFGHIJ'[place]}{number}", cell) for place, cell in enumerate(cells) if cell != "")
    return f'<row r="{number}">{written}</row>'


def _cell(place: str, cell: Written) -> str:
    if isinstance(cell, Number):
        return f'<c r="{place}" s="{cell.style}"><v>{cell.text}</v></c>'
    if isinstance(cell, Formula):
        return f'<c r="{place}" t="str"><f>{escape(cell.text)}</f><v>{escape(cell.result)}</v></c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'


def _book(sheets: Iterable[Sheet]) -> bytes:
    listed = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{n}" state="{sheet.state}" r:id="rId{n}"/>'
        for n, sheet in enumerate(sheets, 1)
    )
    return f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>'.encode()


def _relations(targets: Iterable[tuple[str, str]]) -> bytes:
    listed = "".join(
        f'<Relationship Id="rId{n}" Type="{OFFICE}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{listed}</Relationships>'.encode()


def _content_types(sheets: int) -> bytes:
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for n in range(1, sheets + 1)
    )
    return (
        f'{HEAD}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET_TYPE}"/>{parts}</Types>'
    ).encode()
