"""The ciphers of password ZIPs: WinZip AES both ways, PKWARE's old one to be read only.

The home of pyzipper, of cryptography's PBKDF2 (twice as fast as hashlib's) and AES, and of libarchive, the only kept
library that takes PKWARE's cipher off an entry in C and lets other threads go on meanwhile. Without libarchive13
pyzipper's pure Python does it, 40 times slower.
"""

import ctypes
import hmac
import logging
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from Cryptodome.Util.strxor import strxor
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from pyzipper.zipfile import CRCZipDecrypter
from pyzipper.zipfile_aes import AESZipEncrypter

from exchange import zip_entries
from exchange.zip_findings import PIECE, Readable
from exchange.zip_streams import FIRST_PIECE, Refused, ciphertext
from exchange.zip_structure import FLAG_DESCRIPTOR, FLAG_ENCRYPTED, LOCAL, LOCAL_SIGNATURE, Record, read_exactly

try:
    import libarchive
    from libarchive import ffi
except (ImportError, OSError, AttributeError, TypeError):  # the last three: the package is there, the library is not
    libarchive = None
    logging.getLogger(__name__).info("libarchive13 is not installed: reading ZipCrypto will be slow")

_KEPT = 2**20  # ciphertext up to this size is read once and kept between the check of its HMAC and the decryption
_HMAC_SIZE = 10
_BLOCK = 16
_BLOCKS = PIECE // _BLOCK  # 4,096: what changes from one piece to the next are the bytes after the lowest
_ENDLESS = 0xFFFFFFFE  # the most a header without Zip64 can say


def is_fast() -> bool:
    """Whether ZipCrypto is read by libarchive."""
    return libarchive is not None


def encrypter(password: bytes) -> AESZipEncrypter:
    """AES-256 for one entry (AE-2)."""
    return AESZipEncrypter(password, nbits=256)


def decrypted(stream: Readable, record: Record, password: bytes) -> Iterator[bytes]:
    """What lies under the encryption of an entry, still packed, in pieces of at most 64 KB; Refused when it can't be.

    AES: the HMAC over the ciphertext is checked before the first byte is decrypted.
    """
    return _zipcrypto(stream, record, password) if record.aes is None else _aes(stream, record, password)


def _aes(stream: Readable, record: Record, password: bytes) -> Iterator[bytes]:
    """WinZip AES: PBKDF2-HMAC-SHA1 with 1,000 rounds, AES in counter mode (little-endian), HMAC-SHA1 cut to 80 bits."""
    aes = record.aes
    if aes is None:
        raise Refused("BAD_METHOD", "知らない暗号方式")
    head = read_exactly(stream, record.data_start, aes.salt_size + 2)
    key_size = aes.bits // 8
    keys = PBKDF2HMAC(SHA1(), 2 * key_size + 2, head[: aes.salt_size], 1000).derive(password)  # noqa: S303 - WinZip's
    if not hmac.compare_digest(keys[2 * key_size :], head[aes.salt_size :]):
        raise Refused("WRONG_PASSWORD")
    start, size = record.data_start + len(head), record.packed - aes.overhead
    pieces: Iterable[bytes] = ciphertext(stream, start, size)
    if size <= _KEPT:
        pieces = list(pieces)
    mac = hmac.new(keys[key_size : 2 * key_size], digestmod="sha1")
    for piece in pieces:
        mac.update(piece)
    if not hmac.compare_digest(mac.digest()[:_HMAC_SIZE], read_exactly(stream, start + size, _HMAC_SIZE)):
        raise Refused("DAMAGED", "認証コードが一致しません", is_doubtful=True)
    encrypter = Cipher(AES(keys[:key_size]), ECB()).encryptor()  # noqa: S305 - of counters
    mask = memoryview(bytearray(PIECE + _BLOCK))
    for number, piece in enumerate(pieces if size <= _KEPT else ciphertext(stream, start, size)):
        encrypter.update_into(counters(number)[: len(piece) + -len(piece) % _BLOCK], mask)
        yield strxor(piece, mask[: len(piece)])  # type: ignore[arg-type]


def counters(number: int) -> memoryview:
    """The counters of a piece; OpenSSL counts in the other direction. The first is 1, the lowest byte comes first."""
    if number == 0:
        return _FIRST
    blocks = bytearray(_FIRST)
    upper = range(number * _BLOCKS >> 8, ((number + 1) * _BLOCKS >> 8) + 1)  # the value without its lowest byte
    for place in range(1, 5):
        column = b"".join(bytes([value >> 8 * (place - 1) & 255]) * 256 for value in upper)
        blocks[place::_BLOCK] = column[1 : _BLOCKS + 1]
    return memoryview(blocks)


_FIRST = memoryview(b"".join(value.to_bytes(_BLOCK, "little") for value in range(1, _BLOCKS + 1)))


def _zipcrypto(stream: Readable, record: Record, password: bytes) -> Iterator[bytes]:
    """PKWARE's old stream cipher."""
    start, size = record.data_start, record.packed
    head = read_exactly(stream, start, zip_entries.ZIPCRYPTO_OVERHEAD)
    decrypter, check = _checked(record, password, head)
    pieces = ciphertext(stream, start + len(head), size - len(head), FIRST_PIECE)
    if not is_fast() or not password or b"\0" in password:  # to libarchive a password is a C string
        yield from map(decrypter.decrypt, pieces)
    else:
        yield from _by_libarchive(pieces, head, check, password)


def _checked(record: Record, password: bytes, head: bytes) -> tuple[CRCZipDecrypter, int]:
    """pyzipper's decrypter after the head, and the check byte that the head has been found to end with."""
    # With a descriptor the check byte comes from the time, the CRC not being known yet; some writers use it anyway.
    for is_timed in (True, False) if record.flags & FLAG_DESCRIPTOR else (False,):
        told = SimpleNamespace(filename="", use_datadescripter=is_timed, _raw_time=record.stamp[0], CRC=record.crc)
        try:
            return CRCZipDecrypter(told, password, head), (record.stamp[0] >> 8 if is_timed else record.crc >> 24)
        except RuntimeError:
            continue
    raise Refused("WRONG_PASSWORD")


def _by_libarchive(pieces: Iterable[bytes], head: bytes, check: int, password: bytes) -> Iterator[bytes]:
    """libarchive sees an archive of our making: one stored entry, so that it only decrypts, and that never ends, so
    that it judges nothing. It asks for a piece just when there is one to be given.
    """
    header = LOCAL.pack(LOCAL_SIGNATURE, 20, FLAG_ENCRYPTED, 0, 0, 0, check << 24, _ENDLESS, _ENDLESS, 1, 0)
    given = header + b"-" + head
    inbox, outbox = ctypes.create_string_buffer(PIECE), ctypes.create_string_buffer(PIECE)

    def give(_archive: int, _context: object, place: Any) -> int:
        ctypes.memmove(inbox, given, len(given))
        place[0] = ctypes.addressof(inbox)
        return len(given)

    callback = ffi.READ_CALLBACK(give)
    with libarchive.read.new_archive_read("zip_streamable", "none", password) as archive:
        ffi.read_open(archive, None, ffi.NO_OPEN_CB, callback, ffi.NO_CLOSE_CB)
        ffi.read_next_header(archive, ctypes.byref(ctypes.c_void_p()))
        for given in pieces:  # noqa: B007 - `give` reads it
            yield ctypes.string_at(outbox, ffi.read_data(archive, outbox, len(given)))
