"""Writes a ZIP archive of encrypted entries to a sink that can only be written to; archives.Packer is its face.

Sizes follow each entry in a data descriptor. No Zip64: an archive that would need it is refused while it is written.
"""

import posixpath
import struct
import zlib
from collections.abc import Callable
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from exchange import zip_names
from exchange.zip_extras import AES_ID
from exchange.zip_findings import PIECE, ArchiveError, make_finding
from exchange.zip_structure import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DESCRIPTOR_SIGNATURE,
    END,
    END_SIGNATURE,
    FLAG_DESCRIPTOR,
    FLAG_ENCRYPTED,
    FLAG_UTF8,
    LOCAL,
    LOCAL_SIGNATURE,
    METHOD_AES,
)

MAX_BYTES = 0xFFFFFFFE
MAX_ENTRIES = 0xFFFE
_FLAGS = FLAG_ENCRYPTED | FLAG_DESCRIPTOR | FLAG_UTF8
_VERSION = 51  # "needs AES"
_MADE_BY = 3 << 8 | _VERSION  # Unix
_FILE_MODE = 0o100644 << 16
# AE-2: no CRC of the plain bytes, which would tell them apart; key of 256 bits; deflate beneath
_AES_EXTRA = struct.pack("<2HH2sBH", AES_ID, 7, 2, b"AE", 3, 8)


class Sink(Protocol):
    """Takes every byte it is given."""

    def write(self, data: bytes, /) -> object: ...


class Encrypter(Protocol):
    """One entry's encryption: a header (salt and verifier), the data, and a trailer (the HMAC)."""

    def encryption_header(self) -> bytes: ...

    def encrypt(self, data: bytes) -> bytes: ...

    def flush(self) -> bytes: ...


class EntryWriter:
    """The open entry: write(bytes), then close(). A context manager too."""

    def __init__(self, archive: "ZipWriter", name: str, encrypter: Encrypter, level: int) -> None:
        self.name = name
        self._archive = archive
        self._encrypter = encrypter
        self._deflater = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._size = 0
        self._packed = 0
        self.closed = False
        self._put(encrypter.encryption_header())

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Takes all of `data`; ArchiveError (TOO_BIG) at 4 GiB, after which the archive is lost."""
        if self.closed:
            raise ValueError("write to a closed entry")
        view = memoryview(data).cast("B")
        if self._size + len(view) > MAX_BYTES:
            raise self._archive.failed("TOO_BIG", self.name, "4GiBまで")
        for start in range(0, len(view), PIECE):
            self._put_encrypted(self._deflater.compress(view[start : start + PIECE]))
        self._size += len(view)
        return len(view)

    def close(self) -> None:
        if self.closed:
            return
        self._put_encrypted(self._deflater.flush())
        self._put(self._encrypter.flush())
        self.closed = True
        self._archive.entry_closed(self._packed, self._size)

    def _put_encrypted(self, data: bytes) -> None:
        if data:
            self._put(self._encrypter.encrypt(data))

    def _put(self, data: bytes) -> None:
        self._packed += len(data)
        self._archive.put(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()


class ZipWriter:
    """A context manager; leaving it without an exception writes the directory, leaving it with one writes nothing more.

    open(name) gives the one open entry. Names are composed (NFC); a name already taken gets " (2)" before its suffix.
    """

    def __init__(self, sink: Sink, new_encrypter: Callable[[], Encrypter], now: datetime, level: int) -> None:
        self._sink = sink
        self._new_encrypter = new_encrypter
        self._level = level
        date = max(now.year - 1980, 0) << 9 | now.month << 5 | now.day
        self._dos_time = (now.hour << 11 | now.minute << 5 | now.second // 2, date)
        self._offset = 0
        self._entry_offset = 0
        self._entry: EntryWriter | None = None
        self._directory: list[bytes] = []
        self._register = zip_names.NameRegister()
        self._repeats: dict[str, int] = {}
        self._failure: ArchiveError | None = None

    def open(self, name: str) -> EntryWriter:
        """The writer of a new entry. ArchiveError for a name that is not allowed; ValueError while one is open."""
        if self._entry is not None:
            raise ValueError(f"the entry {self._entry.name!r} is still open")
        if len(self._directory) >= MAX_ENTRIES:
            raise self.failed("TOO_MANY", None, f"{MAX_ENTRIES:,}個まで")
        free = self._free_name(zip_names.composed(name))
        raw = free.encode()
        self._entry_offset = self._offset
        fields = (_VERSION, _FLAGS, METHOD_AES, *self._dos_time, 0, 0, 0, len(raw), len(_AES_EXTRA))
        self.put(LOCAL.pack(LOCAL_SIGNATURE, *fields) + raw + _AES_EXTRA)
        self._entry = EntryWriter(self, free, self._new_encrypter(), self._level)
        return self._entry

    def _free_name(self, name: str) -> str:
        stem, suffix = posixpath.splitext(name)
        free = name
        while True:
            fault = "フォルダーの名前です" if free.endswith("/") else zip_names.fault(free)
            if fault is not None:
                raise ArchiveError(make_finding("BAD_NAME", free, fault))
            if (clash := self._register.clash(free)) is None:
                return free
            number = self._repeats[name] = self._repeats.get(name, 1) + 1
            if number > MAX_ENTRIES:
                raise ArchiveError(make_finding("DUPLICATE_NAME", name, clash))
            free = f"{stem} ({number}){suffix}"

    def put(self, data: bytes) -> None:
        """For the entry: bytes to the sink, counted."""
        if self._failure is not None:
            raise self._failure
        if self._offset + len(data) > MAX_BYTES:
            raise self.failed("TOO_BIG", None, "4GiBまで")
        self._sink.write(data)
        self._offset += len(data)

    def failed(self, code: str, entry: str | None, detail: str) -> ArchiveError:
        """The error to raise; from now on nothing can be written."""
        self._failure = ArchiveError(make_finding(code, entry, detail))
        return self._failure

    def entry_closed(self, packed: int, size: int) -> None:
        """For the entry: its descriptor, and its line for the directory."""
        entry = self._entry
        if entry is None:
            raise ValueError("no entry is open")
        self.put(struct.pack("<4s3L", DESCRIPTOR_SIGNATURE, 0, packed, size))
        raw = entry.name.encode()
        fields = (_MADE_BY, _VERSION, _FLAGS, METHOD_AES, *self._dos_time, 0, packed, size, len(raw), len(_AES_EXTRA))
        line = CENTRAL.pack(CENTRAL_SIGNATURE, *fields, 0, 0, 0, _FILE_MODE, self._entry_offset)
        self._directory.append(line + raw + _AES_EXTRA)
        self._entry = None

    def _finish(self) -> None:
        if self._entry is not None:
            self._entry.close()
        start = self._offset
        for line in self._directory:
            self.put(line)
        count = len(self._directory)
        self.put(END.pack(END_SIGNATURE, 0, 0, count, count, self._offset - start, start, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._finish()
