"""Archives whose container is good and whose files are not: programs, false types, archives in archives, and so on.

The numbers with a right check digit here belong to nobody: their first eleven digits are made up.
"""

import bz2
import gzip
import io
import lzma
import tarfile

from tests.exchange import office_writer
from tests.exchange.archive_corpus_cases import Case, case, one
from tests.exchange.archive_writer import CSV, PDF, XLSX, Item, made
from tests.exchange.workbook_writer import Number, Sheet, packed, workbook

PROGRAMS = ["rdp", "one", "accde", "mdb", "slk", "svg", "html", "mht", "searchconnector-ms", "pl", "theme"]
PROGRAMS += ["exe", "lnk", "js", "hta", "iso", "bat", "cmd", "scr", "vbs", "ps1", "msi", "com", "pif", "jar", "EXE"]
MZ = b"MZ\x90\0\3\0\0\0" + bytes(80)
ZIP = packed({"届書.csv": CSV})
VBA = {"xl/vbaProject.bin": b"\xcc\x61" + bytes(90)}
HIDDEN_VBA = {  # named otherwise, and known by its content type alone
    "[Content_Types].xml": b'<Types><Override PartName="/xl/p.dat" ContentType="application/vnd.ms-office.vbaProject"/>'
    b"</Types>",
    "xl/p.dat": b"\xcc\x61" + bytes(90),
}
HIDDEN = '<Types><Override PartName="/xl/p.dat" ContentType="application/vnd.ms-office.{}"/></Types>'
NO_END = b"PK\5\6" + bytes(18)  # the end of an empty ZIP
ROWS = "氏名,番号\r\n髙橋　一郎,"
NUMBER, WIDE = "123456789018", "１２３４５６７８９０１８"
PLAIN = Sheet([["1"]])
CELLS = Sheet([["氏名", "番号"], ["髙橋", NUMBER]])


def hidden_vba(types: str | bytes, **more: bytes) -> bytes:
    raw = types.encode() if isinstance(types, str) else types
    return workbook(PLAIN, files={"[Content_Types].xml": raw, "xl/p.dat": bytes(90), **more})


def with_comment(document: bytes, comment: bytes) -> bytes:
    return document[:-2] + len(comment).to_bytes(2, "little") + comment


def foreign(name: str) -> bytes:
    """An archive with a password of its own."""
    return made(Item(name, password="Betsu-no-2026"))


def lying_vba() -> bytes:
    types = Item("[Content_Types].xml", HIDDEN.format("vbaProject").encode(), "none", 0, local={"packed": 0})
    return made(types, Item("xl/p.dat", bytes(90), "none"))


def foreign_document() -> bytes:
    return made(Item("[Content_Types].xml", b"<Types/>", "none"), Item("xl/a.xml", password="Betsu-no-2026"))


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("a.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return out.getvalue()


def bomb(levels: int, width: int = 16) -> bytes:
    """Archives in archives; at the bottom 1 MB of zeros, sixteen times as much on each level."""
    data = packed({"0.txt": bytes(2**20)})
    for _ in range(levels - 1):
        data = packed({f"{n}.zip": data for n in range(width)})
    return data


def cd_image() -> bytes:
    return bytes(0x8000) + b"\1CD001\1\0" + bytes(4096)


def holding(label: str, codes: str, name: str, data: bytes) -> Case:
    return one(label, codes, name=name, data=data)


TYPES = [
    *(one(f"a .{suffix}", "BAD_TYPE", name=f"届書.csv.{suffix}") for suffix in PROGRAMS),
    holding("a shell class", "BAD_TYPE", "届書.{20D04FE0-3AEA-1069-A2D8-08002B30309D}", CSV),
    holding("a folder of a shell class", "BAD_TYPE", "届書.{20D04FE0-3AEA-1069-A2D8-08002B30309D}/a.csv", CSV),
    holding("what configures a folder", "BAD_TYPE", "届書/Desktop.ini", b"[.ShellClassInfo]\r\nIconFile=a.ico\r\n"),
    holding(
        "a web page in XML",
        "BAD_TYPE",
        "a.xml",
        b'<?xml version="1.0"?><a><script xmlns="http://www.w3.org/1999/xhtml">alert(1)</script></a>',
    ),
    holding("a drawing in XML", "BAD_TYPE", "a.xml", '<a xmlns="http://www.w3.org/2000/svg"/>'.encode("utf-16")),
    holding("a web page named .xml", "BAD_TYPE", "a.xml", b"<html><script>alert(1)</script></html>"),
    holding("a workbook with two ends", "BAD_TYPE", "a.xlsx", with_comment(XLSX, NO_END)),
    holding("a program in a workbook with a second end", "BAD_TYPE", "a.xlsx", with_comment(ZIP, NO_END)),
    holding("the end of an empty ZIP named .xlsx", "BAD_TYPE", "a.xlsx", NO_END),
    holding("a program behind a reversed name", "BAD_NAME", "届書\u202evsc.exe", MZ),
    holding("a program named .csv", "BAD_TYPE", "届書.csv", MZ),
    holding("a program without a suffix", "BAD_TYPE", "届書", MZ),
    holding("a Linux program named .csv", "BAD_TYPE", "届書.csv", b"\x7fELF\2\1\1" + bytes(80)),
    holding("a macOS program named .dat", "BAD_TYPE", "a.dat", b"\xcf\xfa\xed\xfe" + bytes(80)),
    holding("a shell script named .txt", "BAD_TYPE", "a.txt", b"#!/bin/sh\nrm -rf /\n"),
    holding("a batch file named .txt", "BAD_TYPE", "a.txt", b"@ECHO OFF\r\ndel *.*\r\n"),
    holding("an internet shortcut named .txt", "BAD_TYPE", "a.txt", b"[InternetShortcut]\r\nURL=https://x.example/"),
    holding("a shortcut named .pdf", "BAD_TYPE", "a.pdf", b"L\0\0\0\1\x14\2\0" + bytes(80)),
    holding("a CD image named .dat", "BAD_TYPE", "a.dat", cd_image()),
    holding("a disk image named .bin", "BAD_TYPE", "a.bin", bytes(2048) + b"conectix".ljust(512, b"\0")),
    holding(
        "a macOS disk image named .bin", "BAD_TYPE", "a.bin", bytes(range(250)) * 9 + b"koly\0\0\0\4".ljust(512, b"\0")
    ),
    holding("a PDF named .csv", "BAD_TYPE", "a.csv", office_writer.pdf()),
    holding("a PDF named .xlsx", "BAD_TYPE", "a.xlsx", PDF),
    holding("a picture named .pdf", "BAD_TYPE", "a.pdf", office_writer.png()),
    holding("a photo named .csv", "BAD_TYPE", "a.csv", office_writer.jpeg()),
    holding("a CSV named .pdf", "BAD_TYPE", "a.pdf", CSV),
    holding("a CSV named .xlsx", "BAD_TYPE", "a.xlsx", CSV),
    holding("a text in UTF-16 named .png", "BAD_TYPE", "a.png", ("氏名,契約番号\r\n" * 9).encode("utf-16")),
    holding("a workbook named .csv", "BAD_TYPE", "a.csv", XLSX),
    holding("a workbook named .xls", "BAD_TYPE", "a.xls", XLSX),
    holding("a workbook named .docx", "BAD_TYPE", "a.docx", XLSX),
    holding("an old workbook named .xlsx", "BAD_TYPE", "a.xlsx", office_writer.xls()),
    holding("an old workbook named .csv", "BAD_TYPE", "a.csv", office_writer.xls()),
    holding("a web page named .csv", "BAD_TYPE", "a.csv", b"\xef\xbb\xbf\r\n<!DOCTYPE html><script>alert(1)</script>"),
    holding("a script named .txt", "BAD_TYPE", "a.txt", b"<script>alert(1)</script>"),
    holding("a web page named .pdf", "BAD_TYPE", "a.pdf", b"<html><body>x</body></html>"),
    holding("an RTF named .txt", "BAD_TYPE", "a.txt", b"{\\rtf1\\ansi x}"),
    holding("noise named .csv", "BAD_TYPE", "a.csv", bytes(range(256)) * 9),
]
NESTED = [
    holding("a ZIP in a ZIP", "NESTED", "中.zip", ZIP),
    holding("a ZIP named .csv", "NESTED", "届書.csv", ZIP),
    holding("a ZIP named .xlsx", "NESTED", "届書.xlsx", ZIP),
    holding("a ZIP without a suffix", "NESTED", "届書", ZIP),
    holding("a program in a false workbook", "NESTED", "届書.xlsx", workbook(Sheet([]), files={"a.exe": MZ})),
    holding("an archive in a workbook", "NESTED", "a.xlsx", workbook(PLAIN, files={"xl/embeddings/a.zip": ZIP})),
    holding("a program in a ZIP without its end", "NESTED", "a.xlsx", packed({"a.exe": MZ})[:-22]),
    holding("an archive in an archive with a password of its own", "NESTED ENCRYPTED_INSIDE", "a.xlsx", foreign("a")),
    *(holding(f"a .{suffix}", "NESTED", f"a.{suffix}", CSV) for suffix in ("eml", "msg", "001", "swm", "war")),
    holding("a 7z named .pdf", "NESTED", "a.pdf", b"7z\xbc\xaf\x27\x1c" + bytes(90)),
    holding("a RAR named .csv", "NESTED", "a.csv", b"Rar!\x1a\x07\1\0" + bytes(90)),
    holding("an LZH named .csv", "NESTED", "a.csv", b"\x21\x55-lh5-" + bytes(90)),
    holding("a cabinet named .dat", "NESTED", "a.dat", b"MSCF\0\0\0\0" + bytes(90)),
    holding("a gzip named .csv", "NESTED", "a.csv", gzip.compress(CSV)),
    holding("a bzip2 named .csv", "NESTED", "a.csv", bz2.compress(CSV)),
    holding("an xz named .csv", "NESTED", "a.csv", lzma.compress(CSV)),
    holding("a zstd named .csv", "NESTED", "a.csv", b"\x28\xb5\x2f\xfd" + bytes(90)),
    holding("a tar named .dat", "NESTED", "a.dat", tar()),
    *(holding(f"a .{suffix}", "NESTED", f"a.{suffix}", CSV) for suffix in ("7z", "rar", "gz", "lzh", "cab", "TAR")),
    holding("a bomb of four levels", "NESTED", "a.zip", bomb(4)),
    holding("a bomb of four levels named .xlsx", "NESTED", "a.xlsx", bomb(4)),
]
INSIDE = [
    holding("a workbook with macros", "!MACRO", "a.xlsm", workbook(PLAIN, files=VBA)),
    holding("macros in a .xlsx", "!MACRO", "a.xlsx", workbook(PLAIN, files={"xl/VBAPROJECT.BIN": bytes(9)})),
    holding("macros under another name", "!MACRO", "a.xlsm", workbook(PLAIN, files=HIDDEN_VBA)),
    holding(
        "macros whose type is spelled in references", "!MACRO", "a.xlsm", hidden_vba(HIDDEN.format("vba&#80;roject"))
    ),
    holding(
        "macros whose types are in UTF-16", "!MACRO", "a.xlsm", hidden_vba(HIDDEN.format("vbaProject").encode("utf-16"))
    ),
    holding(
        "macros whose types are in UTF-16 without its mark",
        "!MACRO",
        "a.xlsm",
        hidden_vba(HIDDEN.format("vbaProject").encode("utf-16-be")),
    ),
    holding(
        "macros in an escaped part", "!MACRO", "a.xlsm", hidden_vba(HIDDEN.format("vbaProject").replace("p.", "%70."))
    ),
    holding(
        "macros behind a long comment",
        "!MACRO",
        "a.xlsm",
        hidden_vba(f"<!--{' ' * 2**20}-->" + HIDDEN.format("vbaProject")),
    ),
    holding("macros whose types have a header that lies", "!MACRO", "a.xlsm", lying_vba()),
    holding("macros before a trail", "!MACRO", "a.xlsm", hidden_vba(HIDDEN.format("vbaProject")) + b"PK\5\6"),
    holding(
        "an old file among the parts", "!MACRO", "a.xlsx", workbook(PLAIN, files={"xl/p.bin": office_writer.xls()})
    ),
    holding("a document of which a part has a password", "!ENCRYPTED_INSIDE", "a.xlsx", foreign_document()),
    holding("a macro sheet", "!MACRO", "a.xlsm", workbook(PLAIN, files={"xl/macrosheets/sheet1.xml": b"<x/>"})),
    holding("an old workbook with macros", "!MACRO", "a.xls", office_writer.xls(has_vba=True)),
    holding("an old workbook with a macro sheet", "!MACRO", "a.xls", office_writer.xls(has_macro_sheet=True)),
    holding("an old document with macros", "!MACRO", "a.doc", office_writer.doc(has_vba=True)),
    holding("a locked PDF", "!ENCRYPTED_INSIDE", "a.pdf", office_writer.pdf(b"/Encrypt 9 0 R")),
    holding(
        "a locked PDF with a stream of references",
        "!ENCRYPTED_INSIDE",
        "a.pdf",
        office_writer.pdf(b"/Encrypt<</Filter/Standard/V 5>>", has_stream_index=True),
    ),
    holding("a locked workbook", "!ENCRYPTED_INSIDE", "a.xlsx", office_writer.locked_office()),
    holding("a locked old workbook", "!ENCRYPTED_INSIDE", "a.xls", office_writer.xls(is_locked=True)),
    holding("a locked old document", "!ENCRYPTED_INSIDE", "a.doc", office_writer.doc(is_locked=True)),
    one("an empty file", "!EMPTY_FILE", data=b""),
    case("an empty PDF beside a good one", lambda: made(Item("a.pdf", b""), Item("b.pdf", PDF)), "!EMPTY_FILE"),
]
NUMBERS = [
    *(
        holding(f"a number in {encoding}", "!MY_NUMBER", "a.csv", f"{ROWS}{NUMBER}\r\n".encode(encoding))
        for encoding in ("cp932", "utf-8", "utf-8-sig", "utf-16")
    ),
    *(
        holding(f"a full-width number in {encoding}", "!MY_NUMBER", "a.txt", f"{ROWS}{WIDE}\r\n".encode(encoding))
        for encoding in ("cp932", "utf-8", "utf-16")
    ),
    holding("a number in groups", "!MY_NUMBER", "a.csv", f"{ROWS}1234-5678-9018\r\n".encode("cp932")),
    holding("a number in groups with spaces", "!MY_NUMBER", "a.txt", f"{ROWS}1234 5678 9018".encode()),
    holding(
        "a full-width number in groups", "!MY_NUMBER", "a.csv", f"{ROWS}１２３４－５６７８－９０１８".encode("cp932")
    ),
    holding("a number in XML", "!MY_NUMBER", "a.xml", f'<?xml version="1.0"?><n>{NUMBER}</n>'.encode()),
    holding("a number in a file of an unknown kind", "!MY_NUMBER", "a.dat", f"{ROWS}{NUMBER}".encode("cp932")),
    holding("a number in a cell", "!MY_NUMBER", "a.xlsx", workbook(CELLS)),
    holding("a number far into the cells", "!MY_NUMBER", "a.xlsx", workbook(Sheet([["山田太郎"]] * 9000 + [[NUMBER]]))),
    holding("a number in a cell of numbers", "!MY_NUMBER", "a.xlsx", workbook(Sheet([[Number(NUMBER)]]))),
    holding("a number in a name", "!MY_NUMBER", f"届書_{NUMBER}.csv", CSV),
    holding("a full-width number in a name", "!MY_NUMBER", f"{WIDE}の届書.csv", CSV),
]

CONTENTS = [*TYPES, *NESTED, *INSIDE, *NUMBERS]
