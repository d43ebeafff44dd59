"""One entry after the other from its ciphertext to its plain bytes, held against everything its records say of it."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from io import BytesIO
from itertools import islice
from types import TracebackType
from typing import Self

from exchange import zip_ciphers, zip_entries
from exchange.zip_findings import Readable
from exchange.zip_streams import Refused, crc32, inflated, watched
from exchange.zip_structure import Record, read_exactly

_THREADS = 2
_AHEAD = 16  # small entries begun before they are asked for,
_AHEAD_BYTES = 2**20  # as far as their ciphertext and plain bytes take no more than this
_BATCH = 4  # pieces of a big entry that change hands at a time

At = Callable[[int], object]


def _nobody(position: int) -> None:
    """To whom nothing is told."""


class Opener:
    """Reads the entries of one archive. A context manager.

    upcoming: the entries in the order in which they will be asked for. Threads then make their plain bytes, of small
    entries before they are asked for: all of it, and most of all deriving a key, leaves the interpreter free for who
    looks at the bytes. Without `upcoming` everything happens when it is asked for, in the caller's thread.
    """

    def __init__(self, stream: Readable, password: bytes, upcoming: Iterable[Record] = ()) -> None:
        self._stream = stream
        self._password = password
        self._upcoming = deque(upcoming)
        self._pool = ThreadPoolExecutor(_THREADS, "unzip") if self._upcoming else None
        self._begun: dict[int, tuple[int, Future[list[bytes]]]] = {}  # data_start → what it takes, its pieces

    def plain(self, record: Record, at: At = _nobody) -> Iterator[bytes]:
        """The unpacked bytes of an entry in pieces of at most 64 KB; Refused as soon as anything is wrong.

        `at` is called, in the caller's thread, with the place in the stream that reading has come to.

        Nothing else may read the stream until they have been taken, or the iterator closed.
        """
        if self._pool is None:
            yield from _plain(self._stream, record, self._password, at)
            return
        self._look_ahead(self._pool)
        if record.data_start in self._begun:
            pieces = self._begun.pop(record.data_start)[1].result()
            at(record.data_start + record.packed)
            yield from pieces
        else:
            yield from self._beside(self._pool, record, at)

    def _look_ahead(self, pool: ThreadPoolExecutor) -> None:
        """Begins small entries, up to the next big one: the stream is read in one direction."""
        while self._upcoming and len(self._begun) < _AHEAD:
            record = self._upcoming[0]
            size = record.packed + record.size
            if size + sum(taken for taken, _ in self._begun.values()) > _AHEAD_BYTES:
                break
            data = BytesIO(read_exactly(self._stream, record.data_start, record.packed))
            moved = replace(record, data_start=0)
            self._begun[record.data_start] = size, pool.submit(_whole, data, moved, self._password)
            self._upcoming.popleft()

    def _beside(self, pool: ThreadPoolExecutor, record: Record, at: At) -> Iterator[bytes]:
        """Each batch is made while the caller is busy with the one before."""
        if self._upcoming and self._upcoming[0] is record:
            self._upcoming.popleft()
        reached = deque([record.data_start], maxlen=1)
        pieces = _plain(self._stream, record, self._password, reached.append)
        coming = pool.submit(_batch, pieces)
        try:
            while batch := coming.result():
                coming = pool.submit(_batch, pieces)
                at(reached[0])
                yield from batch
        finally:
            wait([coming])  # the stream is the caller's again

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _whole(stream: Readable, record: Record, password: bytes) -> list[bytes]:
    return list(_plain(stream, record, password, _nobody))


def _batch(pieces: Iterator[bytes]) -> list[bytes]:
    return list(islice(pieces, _BATCH))


def _plain(stream: Readable, record: Record, password: bytes, at: At) -> Iterator[bytes]:
    """As Opener.plain; `at` is called with the place in the stream after each piece of ciphertext.

    AES: the HMAC over the ciphertext is checked before the first byte is decrypted.
    """
    aes = record.aes
    pieces = zip_ciphers.decrypted(stream, record, password)
    method = zip_entries.compression(record)
    size = record.packed - zip_entries.overhead(record)
    pieces = watched(pieces, record.data_start, at)
    unpacked = pieces if method == zip_entries.STORED else inflated(pieces, size, record.size)
    crc = 0
    for piece in unpacked:
        crc = crc32(piece, crc)
        yield piece
    # AE-2 leaves the CRC out (0); a writer that gives it all the same is taken at its word.
    if crc != record.crc and not (aes is not None and aes.version == 2 and record.crc == 0):
        raise Refused("DAMAGED", "CRCが一致しません", is_doubtful=method == zip_entries.STORED)
