"""What a file really is, told by its first and last bytes, whatever it is called.

Only what is sure is told: a format with a mark of its own, and plain text, which has no mark but is nothing else.
"""

import re

HEAD = 0x8806  # bytes of the beginning that are looked at; the mark of a CD image lies this far in
TAIL = 512  # and of the end: disk images have their mark there
TEXT = 4096  # bytes by which text is told from anything else
ENOUGH_TEXT = 64  # fewer bytes are no proof of a text

_PROGRAMS = (
    b"\x7fELF",
    *(b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe"),  # macOS
    b"\xca\xfe\xba\xbe",  # macOS for two processors, and Java
    b"ITSF\x03\0\0\0",  # compiled help, which may hold scripts
)
_SHORTCUT = b"L\0\0\0\x01\x14\x02\0"
_SCRIPT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:#! ?/|@echo off\b|\[InternetShortcut\]|Windows Registry Editor|REGEDIT4\b|<\?php\b"
    rb"|<job\b|<package\b[^>]*>\s*<job\b|<scriptlet\b|<hta:)",
    re.IGNORECASE,
)
_IMAGE_OF_DISK = (b"vhdxfile", b"conectix", b"KDMV\1\0\0\0", b"KDMV\2\0\0\0", b"KDMV\3\0\0\0")
_ARCHIVES = (
    *(b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b\x08", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"MSCF\0\0\0\0"),
    *(
        b"\x04\x22\x4d\x18",
        b"LZIP\x01",
        b"ALZ\x01",
        b"EGGA\0\x01",
        b"MSWIM\0\0\0",
        b"!<arch>\n",
        b"\xed\xab\xee\xdb\3\0",
    ),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_MARKS = (
    ("png", b"\x89PNG\r\n\x1a\n"),
    ("jpeg", b"\xff\xd8\xff"),
    ("gif", b"GIF87a"),
    ("gif", b"GIF89a"),
    ("tiff", b"II*\0"),
    ("tiff", b"MM\0*"),
    ("ole", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("rtf", b"{\\rtf"),
)
_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype html|html|head|body|script|iframe)\b", re.I | re.S
)
MACOS_COMPANION = b"\0\5\x16\7"  # AppleDouble, which macOS puts beside every file under the same suffix
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# NUL, tab, line ends, the end mark of DOS, the escape of JIS and the separators of records stand in honest texts.
_CONTROLS = bytes({*range(0x20), 0x7F} - {0, *range(9, 14), *range(0x1A, 0x20)})


def program(head: bytes, tail: bytes) -> str:
    """A Japanese phrase when the file is a program, a script, a shortcut or a disk image, else ""."""
    # A CSV may begin with the letters MZ; a program has control characters near them.
    if head.startswith(b"MZ") and any(byte < 9 for byte in head[:64]) or head.startswith(_PROGRAMS):
        return "中身が実行ファイルです"
    if head.startswith(_SHORTCUT):
        return "中身がショートカットです"
    if _SCRIPT.match(head):
        return "中身がスクリプトです"
    is_cd = head[0x8001:0x8006] in (b"CD001", b"BEA01") or head[0x8801:0x8806] == b"CD001"
    if is_cd or head.startswith(_IMAGE_OF_DISK) or tail[-512:].startswith((b"koly\0\0\0\x04", b"conectix")):
        return "中身がディスクイメージです"
    return ""


def is_archive(head: bytes) -> bool:
    """Packed in any way but ZIP, which documents are as well."""
    is_bzip2 = head.startswith(b"BZh") and head[4:10] == b"1AY&SY"
    is_lzh = head[2:5] == b"-lh" and head[6:7] == b"-"
    is_compress = head.startswith(b"\x1f\x9d") and head[2:3] in (b"\x8c", b"\x8d", b"\x8e", b"\x8f", b"\x90")
    is_other = head[257:262] == b"ustar" or head[7:14] == b"**ACE**"
    return head.startswith(_ARCHIVES) or is_bzip2 or is_lzh or is_compress or is_other


def kind(head: bytes) -> str:
    """pdf, png, jpeg, gif, bmp, tiff, webp, heic, ole, rtf, zip, html, text, or "" for whatever else it is."""
    if head.startswith(_ZIP):
        return "zip"
    for name, mark in _MARKS:
        if head.startswith(mark):
            return name
    is_begun = head[:64].lstrip(b"\xef\xbb\xbf\0 \t\r\n").startswith(b"%PDF-")
    if is_begun or b"%PDF-" in head[:1024] and not is_text(head):
        return "pdf"
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "bmp"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    if head[4:12] in (b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "heic"
    if _HTML.match(head):
        return "html"
    return "text" if is_text(head) else ""


def utf16(head: bytes) -> str:
    """utf-16-le or utf-16-be for a text in it, with its mark or without, else ""."""
    if marked := _UTF16.get(head[:2]):
        return marked
    if b"\0" not in head[:TEXT]:
        return ""
    return next((encoding for encoding in _UTF16.values() if _reads_well(head[:TEXT], encoding)), "")


def is_text(head: bytes) -> bool:
    """Whether the beginning is a text in UTF-8, CP932 or UTF-16."""
    start = head[:TEXT]
    if not start or utf16(start):
        return bool(start)
    if b"\0" in start or start.translate(None, _CONTROLS) != start:
        return False
    return any(_decoded(start, encoding) is not None for encoding in ("utf-8", "cp932"))


def is_binary(head: bytes) -> bool:
    """Whether the beginning cannot be a text at all; NULs alone are no proof, some old systems fill up with them."""
    start = head[:TEXT]
    controls = len(start) - len(start.translate(None, _CONTROLS))
    return controls >= 4 and controls * 50 > len(start) and not utf16(start)


def _decoded(data: bytes, encoding: str) -> str | None:
    """The text, whose last character may be cut off."""
    for cut in range(min(4, len(data))):
        try:
            return data[: len(data) - cut].decode(encoding)
        except UnicodeDecodeError as error:
            if error.start < len(data) - 4:  # no character is longer, so cutting won't mend it
                return None
    return None


def _reads_well(data: bytes, encoding: str) -> bool:
    text = _decoded(data[: len(data) // 2 * 2], encoding) or ""
    return len(text) > 3 and "".join(text.split()).isprintable()
