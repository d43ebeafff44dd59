"""Reading one entry piece by piece: the ciphertext, the clock, and an inflater that believes no header."""

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from exchange.zip_findings import PIECE, Readable
from exchange.zip_structure import read_exactly

FIRST_PIECE = 64  # bytes of ZipCrypto to try alone, see Refused.is_doubtful


class Refused(Exception):
    """One entry that cannot be read: the code and detail of its finding.

    is_doubtful: a wrong password that passed the short check by chance would look the same. ZipCrypto checks one byte,
    so 1 wrong password in 256 gets as far as garbage; garbage does not survive 64 bytes of inflating.
    """

    def __init__(self, code: str, detail: str = "", is_doubtful: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.is_doubtful = is_doubtful


class OutOfTime(Exception):
    """Limits.seconds are over."""


@dataclass
class Progress:
    """Called for each piece of ciphertext; tells the caller and watches the clock."""

    total: int
    tell: Callable[[int, int], object] | None
    seconds: float | None
    _began: float = field(default_factory=time.monotonic)

    def at(self, position: int) -> None:
        if self.seconds is not None and time.monotonic() - self._began > self.seconds:
            raise OutOfTime
        if self.tell is not None:
            self.tell(position, self.total)


def watched(pieces: Iterable[bytes], position: int, progress: Progress) -> Iterator[bytes]:
    for piece in pieces:
        position += len(piece)
        progress.at(position)
        yield piece


def ciphertext(stream: Readable, start: int, size: int, first: int = PIECE) -> Iterator[bytes]:
    """Seeks before each piece, so that two readers of one stream do not disturb each other."""
    position, end, wanted = start, start + size, first
    while position < end:
        piece = read_exactly(stream, position, min(wanted, end - position))
        if not piece:
            raise Refused("DAMAGED", "途中で切れています")
        position += len(piece)
        wanted = PIECE
        yield piece


def inflated(pieces: Iterable[bytes], packed: int, size: int) -> Iterator[bytes]:
    """Raw deflate of exactly `packed` bytes that must unpack to exactly `size`; never makes more than size + 1."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    fed = made = 0
    for piece in pieces:
        is_first = fed == 0
        fed += len(piece)
        waiting = piece
        while True:
            try:
                out = inflater.decompress(waiting, min(PIECE, size - made + 1))
            except zlib.error:
                raise Refused("DAMAGED", "圧縮データが読めません", is_first) from None
            made += len(out)
            if made > size:
                raise Refused("HEADER_MISMATCH", "展開した大きさが記録より大きいです", is_first)
            if not out:
                break
            yield out
            waiting = inflater.unconsumed_tail
        if inflater.eof and fed - len(inflater.unused_data) != packed:
            raise Refused("EXTRA_BYTES", "圧縮データの後ろに別のデータがあります", is_first)
    if not inflater.eof:
        raise Refused("DAMAGED", "圧縮データが途中で切れています", fed <= FIRST_PIECE)
    if made != size:
        raise Refused("HEADER_MISMATCH", "展開した大きさが記録より小さいです", fed <= FIRST_PIECE)
