"""Files as offices have them, written by hand from the descriptions of their formats: old Office files, PDF, pictures.

Sources: [MS-CFB] (OLE2), [MS-XLS], [MS-DOC], ISO 32000 (PDF).
"""

import hashlib
import struct
import zlib

NONE, END, FAT_SECTOR = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
SECTOR = 512


def ole(**streams: bytes) -> bytes:
    """An OLE2 file of these streams; a stream b"" is a storage. Double underscores before a name stand for U+0001."""
    chains, body = [], b""
    names = [name.replace("__", "\1") for name in streams]
    for data in streams.values():
        padded = data.ljust(max(4096, -(-len(data) // SECTOR) * SECTOR), b"\0") if data else b""
        chains.append((1 + len(body) // SECTOR, len(padded)))
        body += padded
    entries = [_entry("Root Entry", 5, 1, END, 0)]
    for number, (name, (start, size)) in enumerate(zip(names, chains, strict=True), 1):
        entries.append(_entry(name, 2 if size else 1, NONE, start if size else 0, size, number + 1, len(names)))
    entries += [_entry("", 0, NONE, 0, 0)] * (-len(entries) % 4)
    directory = b"".join(entries)
    directory_at = 1 + len(body) // SECTOR
    fat = [FAT_SECTOR]
    for start, size in [*chains, (directory_at, len(directory))]:
        count = size // SECTOR
        fat += [*range(start + 1, start + count), END] if count else []
    table = struct.pack(f"<{len(fat)}L", *fat).ljust(SECTOR, b"\xff")
    assert len(table) == SECTOR, "more than 64 KB take a second sector"
    return _header(directory_at) + table + body + directory


def _header(directory_at: int) -> bytes:
    fields = (0x3E, 3, 0xFFFE, 9, 6, 0, 1, directory_at, 0, 4096, END, 0, END, 0, 0)
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H6x10L", *fields)
    return head.ljust(SECTOR, b"\xff")


def _entry(name: str, kind: int, child: int, start: int, size: int, right: int = 0, last: int = 0) -> bytes:
    text = (name + "\0").encode("utf-16-le") if name else b""
    head = text.ljust(64, b"\0") + struct.pack("<H2B", len(text), kind, 1)
    links = struct.pack("<3L", NONE, right if 0 < right <= last else NONE, child)
    return head + links + bytes(36) + struct.pack("<LQ", start, size)


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<2H", kind, len(data)) + data


def xls(is_locked: bool = False, has_macro_sheet: bool = False, has_vba: bool = False) -> bytes:
    """An Excel 97 workbook as far as its globals go."""
    records = [_record(0x809, struct.pack("<4H2L", 0x600, 5, 0x1FAF, 0x7CD, 0xC1, 0x306))]
    if is_locked:
        records += [_record(0x86, b""), _record(0x2F, struct.pack("<3H", 1, 1, 1) + bytes(48))]
    records += [_record(0x42, b"\xb0\x04"), _record(0xFC, b"x" * 4000)]
    sheets = [(0, "Sheet1"), (int(has_macro_sheet), "Macro1")]
    records += [_record(0x85, struct.pack("<L4B", 0, 0, kind, len(name), 0) + name.encode()) for kind, name in sheets]
    book = b"".join([*records, _record(0x0A, b"")])
    vba = {"_VBA_PROJECT_CUR": b"", "VBA": b"", "dir": b"d" * 90, "_VBA_PROJECT": b"\xcc\x61" + bytes(90)}
    return ole(Workbook=book, __SummaryInformation=b"\xfe\xff" + bytes(90), **(vba if has_vba else {}))


def doc(is_locked: bool = False, has_vba: bool = False) -> bytes:
    fib = struct.pack("<6H", 0xA5EC, 0xC1, 0, 0x411, 0, 0x1300 if is_locked else 0x1200)
    vba = {"Macros": b"", "VBA": b"", "_VBA_PROJECT": b"\xcc\x61" + bytes(90)}
    return ole(WordDocument=fib + "届書の書き方\r".encode("utf-16-le") * 300, **(vba if has_vba else {}))


def locked_office() -> bytes:
    """A new Office document with a password: an OLE2 file around the encrypted package."""
    return ole(EncryptionInfo=b"\4\0\4\0@\0\0\0<encryption/>", EncryptedPackage=hashlib.sha512(b"x").digest() * 100)


def pdf(trailer: bytes = b"", body: bytes = b"", has_stream_index: bool = False) -> bytes:
    """A PDF of one empty page; `trailer` goes into its last dictionary, `body` stands among its objects."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    ]
    out, offsets = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", [0]
    for number, content in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    out += body
    start = len(out)
    if has_stream_index:
        rows = zlib.compress(b"".join(struct.pack(">BHB", 1, offset, 0) for offset in [*offsets, start]))
        words = b"<</Type/XRef/W[1 2 1]/Size 5/Root 1 0 R/Filter/FlateDecode/Length %d" % len(rows)
        out += b"4 0 obj\n%s%s>>\nstream\n%s\nendstream\nendobj\n" % (words, trailer, rows)
    else:
        rows = b"".join(b"%010d 00000 n \n" % offset for offset in offsets[1:])
        out += b"xref\n0 4\n0000000000 65535 f \n" + rows + b"trailer\n<</Size 4/Root 1 0 R%s>>\n" % trailer
    return out + b"startxref\n%d\n%%%%EOF\n" % start


def png(width: int = 8, height: int = 8) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    header = struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"".join(b"\0" + bytes([row % 256]) * width for row in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg() -> bytes:
    return b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0" + hashlib.sha512(b"j").digest() * 40 + b"\xff\xd9"


def gif() -> bytes:
    return b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\1\0\1\0\0\2\2D\1\0;"


def bmp() -> bytes:
    pixels = bytes(range(192))
    return (
        struct.pack("<2sLHHL", b"BM", 54 + 192, 0, 0, 54) + struct.pack("<L2l2H6L", 40, 8, 8, 1, 24, *[0] * 6) + pixels
    )


def tiff() -> bytes:
    return b"II*\0\x08\0\0\0\1\0\0\1\3\0\1\0\0\0\1\0\0\0\0\0\0\0" + bytes(90)
