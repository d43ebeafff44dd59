"""Reading one entry piece by piece: the ciphertext, and an inflater that believes no header."""

from collections.abc import Callable, Iterable, Iterator

from zlib_ng import zlib_ng

from exchange.zip_findings import PIECE, Readable
from exchange.zip_structure import read_exactly

# zlib-ng refuses what zlib refuses (isal doesn't) at twice the speed, which also goes for the CRC.
crc32 = zlib_ng.crc32

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


def watched(pieces: Iterable[bytes], position: int, at: Callable[[int], object]) -> Iterator[bytes]:
    for piece in pieces:
        position += len(piece)
        at(position)
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
    inflater = zlib_ng.decompressobj(-zlib_ng.MAX_WBITS)
    fed = made = 0
    for piece in pieces:
        is_first = fed == 0
        fed += len(piece)
        waiting = piece
        while True:
            try:
                out = inflater.decompress(waiting, min(PIECE, size - made + 1))
            except zlib_ng.error:  # type: ignore[misc]
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
