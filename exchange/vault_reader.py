"""The plaintext of one object of the vault, read from its open file: all that a process needs that may know nothing
else of the installation.
"""

import io
from typing import BinaryIO

from exchange import sealing

READ = 64 * 1024
SNAPSHOT_EVERY = 64  # pieces: a seek backwards decrypts at most 4 MiB again
BOX = sealing.PIECE + sealing.PIECE_OVERHEAD


class Reader(io.RawIOBase):
    """The plaintext of an object as a seekable stream; seeking costs decryption, so read forward where you can."""

    def __init__(self, file: BinaryIO, key: bytes, size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._opener = sealing.StreamOpener(key, file.read(sealing.HEADER))
        self._snapshots = {0: self._opener.snapshot()}
        self._next = 0  # index of the piece that `pull` would give
        self._current = -1
        self._piece = b""
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._position >= self._size:
            return 0
        index, start = divmod(self._position, sealing.PIECE)
        if index != self._current:
            self._load(index)
        data = self._piece[start : start + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _load(self, index: int) -> None:
        if index < self._next:
            self._rewind(index)
        while self._next <= index:
            box = self._file.read(BOX)
            piece, is_last = self._opener.pull(box)
            if is_last != ((self._next + 1) * sealing.PIECE >= self._size):
                raise sealing.Unsealable("the stored bytes were cut")
            self._next += 1
            if self._next % SNAPSHOT_EVERY == 0 and not is_last:
                self._snapshots.setdefault(self._next, self._opener.snapshot())
        self._current, self._piece = index, piece

    def _rewind(self, index: int) -> None:
        mark = max(piece for piece in self._snapshots if piece <= index)
        self._opener.resume(self._snapshots[mark])
        self._file.seek(sealing.HEADER + mark * BOX)
        self._next = mark

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()
