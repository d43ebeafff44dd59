"""Office documents seen while they pass: whether they hold macros or are encrypted, and which kind a ZIP is.

Both formats keep their facts in a directory that may lie anywhere. That of an old one (OLE2) is recognised by its names
wherever it passes; that of a new one (a ZIP) stands at the end, of which KEPT bytes are held, and its list of types at
the beginning or at the end. A document whose list of types can't be had, or is longer than any that Office writes,
counts as one with macros, because nobody can say that it has none.
"""

import html
import re
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple
from urllib.parse import unquote

from exchange.zip_structure import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END64,
    END64_SIGNATURE,
    END_SIGNATURE,
    FLAG_ENCRYPTED,
    LOCAL,
    LOCAL_SIGNATURE,
    LOCATOR,
    LOCATOR_SIGNATURE,
    TAIL,
    exact_ends,
)

KEPT = 4 * 2**20  # bytes of a ZIP document that are held; a smaller one is known whole
UNPACKED = 24 * 2**20  # bytes of the texts in one ZIP document that are looked at
_FIRST = 2**20  # bytes of its beginning that are held as well
_LIST = 2**20  # bytes of each of its lists
_ENTRIES = 10_000  # no document has as many
_REFERENCES = 1000  # nor has its list of types as many references to characters
_PIECE = 64 * 1024
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE_BELONGS = ("/embeddings/", "/activex/")  # where Office puts old files that are no macros

_SECTOR, _ENTRY, _SMALL_SECTOR = 512, 128, 64  # everything in an OLE2 file begins at a multiple of one of these


def _listed(name: str) -> bytes:
    """The name as the directory of an OLE2 file has it, with its end."""
    return name.encode("utf-16-le") + b"\0\0"


_LISTED = {
    _listed("_VBA_PROJECT"): "macro",
    _listed("EncryptedPackage"): "encrypted",
    _listed("EncryptedSummary"): "encrypted",
}
_EXCEL = b"\x09\x08\x10\0\0\x06\x05\0"  # the first record of a workbook (BOF of BIFF8)
_EXCEL_LOCKED = re.compile(rb".{12}(?:\x86\0\0\0)?\x2f\0", re.S)  # FILEPASS, perhaps after WRITEPROTECT
# BOUNDSHEET of Excel 4.0 macros
_SHEET = re.compile(rb"\x85\x00[\x09-\x46]\x00.{4}[\x00-\x02]\x01[\x01-\x1f][\x00\x01]", re.S)
_SHEETS_WITHIN = 512 * 1024  # bytes after the beginning of the workbook
_WORD = b"\xec\xa5\xc1\0"  # the beginning of a Word document


class OleFile:
    """An OLE2 file; `facts` holds "macro" and "encrypted" as soon as they were seen."""

    def __init__(self) -> None:
        self.facts: set[str] = set()
        self._carried = b""  # from the beginning of a sector on
        self._sheets_left: int | None = None  # bytes in which the list of a workbook's sheets may still come

    def write(self, piece: bytes) -> None:
        window = self._carried + piece
        for mark, fact in _LISTED.items():
            if fact not in self.facts and any(True for _ in _places(window, mark, _ENTRY)):
                self.facts.add(fact)
        if any(flags & 1 for at in _places(window, _WORD, _SECTOR) for flags in window[at + 11 : at + 12]):
            self.facts.add("encrypted")
        self._look_for_excel(window)
        self._carried = window[max(0, len(window) - _SECTOR) // _SECTOR * _SECTOR :]

    def _look_for_excel(self, window: bytes) -> None:
        for at in _places(window, _EXCEL, _SMALL_SECTOR):
            if self._sheets_left is None:
                self._sheets_left = len(window) + _SHEETS_WITHIN
            if _EXCEL_LOCKED.match(window, at + len(_EXCEL)):
                self.facts.add("encrypted")
        if self._sheets_left is not None and self._sheets_left > 0:
            if any(_is_whole(match[0]) for match in _SHEET.finditer(window)):
                self.facts.add("macro")
            self._sheets_left -= len(window) - len(self._carried)


def _is_whole(sheet: bytes) -> bool:
    """Whether the lengths in the record of a sheet agree."""
    size, letters, is_wide = sheet[2], sheet[10], sheet[11]
    return size == 8 + letters * (1 + is_wide)


def _places(window: bytes, mark: bytes, step: int) -> Iterator[int]:
    """Where `mark` stands at a multiple of `step`."""
    firsts = window[::step]
    at = firsts.find(mark[:1])
    while at >= 0:
        if window.startswith(mark, at * step):
            yield at * step
        at = firsts.find(mark[:1], at + 1)


@dataclass
class Allowance:
    """Bytes that may still be unpacked of the documents in one archive: a small document can unpack to anything.

    When `texts` are used up, further documents are no longer searched for numbers; their types are still judged.
    """

    texts: int = 64 * 2**20
    lists: int = 32 * 2**20


class _Entry(NamedTuple):
    name: str  # in lower case
    flags: int
    method: int
    packed: int  # bytes
    offset: int  # in the file


class ZipDocument:
    """A file that begins as a ZIP; ask it once all is written.

    kind: xlsx, docx, pptx, odf, "opc" (another document of that family), "zip" (no document), or "" when its
    directory can't be read. is_cut: that it has no directory, as when the end of the file is missing.
    """

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._size = 0
        self._first = bytearray()  # the beginning, where it is no longer among the pieces

    def write(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._held += len(piece)
        self._size += len(piece)
        while self._held - len(self._pieces[0]) >= KEPT:
            gone = self._pieces.popleft()
            self._held -= len(gone)
            self._first += gone[: max(0, _FIRST - len(self._first))]

    def finish(self) -> None:
        self._data = b"".join(self._pieces)
        self._pieces.clear()
        self._starts = self._size - len(self._data)
        entries = _directory(self._data, self._starts)
        self.is_cut = entries is None
        self._parts: dict[str, list[_Entry]] = {}
        for entry in entries or ():
            self._parts.setdefault(entry.name, []).append(entry)
        self.kind = self._kind()
        if entries is None:
            entries = list(_entries_without_directory(self._data))
        self.names = [entry.name for entry in entries]
        self.has_macros = self._has_macros()
        manifest = self._list("meta-inf/manifest.xml") if self.kind == "odf" else b""
        is_locked = any(entry.flags & FLAG_ENCRYPTED for entry in entries)
        self.is_encrypted = is_locked or b"encryption-data" in manifest

    def texts(self) -> Iterator[Iterator[bytes]]:
        """The cells of a workbook and the words of a document, as XML in pieces; nothing of one larger than KEPT."""
        left = min(UNPACKED, self._allowance.texts)
        for name in sorted(self._parts) if not self._starts else ():
            if name.startswith("xl/worksheets/sheet") or name in ("xl/sharedstrings.xml", "word/document.xml"):
                yield self._part(name, left)
                left -= self._spent
                self._allowance.texts -= self._spent

    def _kind(self) -> str:
        if not self._parts:
            return ""
        if "[content_types].xml" not in self._parts:
            is_open = "mimetype" in self._parts and any(name.startswith("meta-inf/") for name in self._parts)
            return "odf" if is_open else "zip"
        for folder, kind in (("xl/", "xlsx"), ("word/", "docx"), ("ppt/", "pptx")):
            if any(name.startswith(folder) for name in self._parts):
                return kind
        return "opc"

    def _has_macros(self) -> bool:
        for name in self._parts:
            module = name.startswith("basic/") and name.count("/") == 2 and not name.endswith(("-lb.xml", "-lc.xml"))
            if name.endswith("vbaproject.bin") or "/macrosheets/" in name or module:
                return True
            is_old = name.endswith(".bin") and not any(place in name for place in _OLE_BELONGS)
            if is_old and b"".join(self._part(name, len(_OLE))).startswith(_OLE):
                return True
        return "[content_types].xml" in self._parts and self._has_macro_type()

    def _has_macro_type(self) -> bool:
        types = _decoded(self._list("[content_types].xml"))
        is_whole = self._is_held and self._spent < _LIST and self._allowance.lists > 0
        if not is_whole or types.count("&") > _REFERENCES:
            return True
        names = {unquote(name) for name in self._parts}
        suffixes = {name.rpartition(".")[2] for name in names}
        for written in types.split("<"):
            tag = html.unescape(written).lower()
            told = re.search(r"""(partname|extension)\s*=\s*["']/?([^"']*)""", tag) if "vbaproject" in tag else None
            if told and unquote(told[2]) in (names if told[1] == "partname" else suffixes):
                return True
        return False

    def _list(self, name: str) -> bytes:
        data = b"".join(self._part(name, min(_LIST, self._allowance.lists)))
        self._allowance.lists -= self._spent
        return data

    def _holder(self, offset: int) -> tuple[bytes | bytearray, int] | None:
        """What is held of the file from that offset on, and where in it that is."""
        if offset >= self._starts:
            return self._data, offset - self._starts
        return (self._first, offset) if offset < len(self._first) else None

    def _part(self, name: str, most: int) -> Iterator[bytes]:
        """The unpacked bytes of a part in pieces, at most about so many; nothing when it can't be read.

        Where a name stands twice, readers differ on which counts: all of them come.
        """
        self._spent = 0
        self._is_held = True  # all of it, as far as it was asked for
        for entry in self._parts.get(name, ()):
            held = self._holder(entry.offset)
            if held is None:
                self._is_held = False
            else:
                yield from self._unpacked(entry, *held, most)

    def _unpacked(self, entry: _Entry, data: bytes | bytearray, at: int, most: int) -> Iterator[bytes]:
        """By what the directory says of it, as Office does; its own header may lie."""
        if not data.startswith(LOCAL_SIGNATURE, at) or at + LOCAL.size > len(data):
            return
        fields = LOCAL.unpack_from(data, at)
        start = at + LOCAL.size + fields[9] + fields[10]
        if entry.method != 8:
            piece = bytes(data[start : start + max(0, min(entry.packed, most - self._spent))])
            self._spent += len(piece)
            self._is_held &= data is self._data or start + entry.packed <= len(data)
            yield piece
            return
        inflater, step = zlib.decompressobj(-zlib.MAX_WBITS), min(_PIECE, max(most, 512))
        try:
            while not inflater.eof and self._spent < most and (inflater.unconsumed_tail or start < len(data)):
                waiting: bytes | bytearray = inflater.unconsumed_tail
                if not waiting:
                    waiting, start = data[start : start + step], start + step
                piece = inflater.decompress(waiting, step)
                left = len(inflater.unconsumed_tail) + len(inflater.unused_data)
                self._spent += len(piece) + len(waiting) - left  # there are streams that unpack to nothing
                yield piece
        except zlib.error:
            return
        self._is_held &= data is self._data or inflater.eof


def _decoded(xml: bytes) -> str:
    """XML in UTF-8 or UTF-16, all that Office reads."""
    if xml.startswith((b"\xff\xfe", b"\xfe\xff")):
        return xml.decode("utf-16", "replace")
    encoding = "utf-16-le" if xml[1:2] == b"\0" else "utf-16-be" if xml[:1] == b"\0" else "utf-8"
    return xml.decode(encoding, "replace")


def _directory(data: bytes, starts: int) -> list[_Entry] | None:
    """What the last directory in `data` lists, the end of a ZIP from the byte `starts` on; None where there is none.

    Empty where two readers could take it for different ones, and where it is damaged.
    """
    tail = max(0, len(data) - TAIL)
    ends = exact_ends(data[tail:])
    end = tail + ends[0] if ends else data.rfind(END_SIGNATURE, 0, max(0, len(data) - END.size + len(END_SIGNATURE)))
    if end < 0:
        return None
    _, _, _, _, count, size, offset, _ = END.unpack_from(data, end)
    wide = end - LOCATOR.size - END64.size
    is_wide = wide >= 0 and data.startswith(LOCATOR_SIGNATURE, end - LOCATOR.size)
    if is_wide and data.startswith(END64_SIGNATURE, wide):
        count, size, offset = END64.unpack_from(data, wide)[-3:]
        end = wide
    if len(ends) > 1 or count > _ENTRIES:
        return []
    return _listed_entries(data, end - size, count) or _listed_entries(data, offset - starts, count)


def _listed_entries(data: bytes, at: int, count: int) -> list[_Entry]:
    """The records of a directory that begins there; none unless all are whole."""
    entries: list[_Entry] = []
    while len(entries) < count:
        if at < 0 or not data.startswith(CENTRAL_SIGNATURE, at) or at + CENTRAL.size > len(data):
            return []
        fields = CENTRAL.unpack_from(data, at)
        name_size, extra_size, comment_size = fields[10:13]
        name = data[at + CENTRAL.size : at + CENTRAL.size + name_size]
        at += CENTRAL.size + name_size + extra_size + comment_size
        entries.append(_Entry(_spelled(name), fields[3], fields[4], fields[8], fields[16]))
    return entries


def _entries_without_directory(data: bytes) -> Iterator[_Entry]:
    """What programs that mend a ZIP without its end would find in it."""
    for match in islice(re.finditer(LOCAL_SIGNATURE, data), _ENTRIES):
        at = match.start()
        if at + LOCAL.size <= len(data):
            fields = LOCAL.unpack_from(data, at)
            name = data[at + LOCAL.size : at + LOCAL.size + fields[9]]
            yield _Entry(_spelled(name), fields[2], fields[3], fields[7], at)


def _spelled(name: bytes) -> str:
    return name.decode("utf-8", "replace").replace("\\", "/").lower().lstrip("/")
