"""A writer of ZIP archives in which every field can be a lie; independent of exchange/archives.py.

Made of struct, zlib, hashlib and the AES of pyzipper.
"""

import hashlib
import hmac
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from pyzipper.zipfile_aes import AES, Counter

from tests.exchange.workbook_writer import Number, Sheet, workbook

PASSWORD = "Tsubame-2026-Hiyoko"
CSV = "契約番号,氏名,生年月日\r\n".encode("cp932") + "12345,髙橋　一郎,19800401\r\n".encode("cp932") * 40
PDF = b"%PDF-1.7\n" + b"".join(hashlib.sha512(bytes([n])).digest() for n in range(30)) + b"\n%%EOF\n"
XLSX = workbook(Sheet([["氏名", "掛金"], ["髙橋　一郎", Number("12000")]]))
TIME, DATE = 0x6A00, 0x5A21
AES_STRENGTH = {"AES-128": 1, "AES-192": 2, "AES-256": 3}


@dataclass
class Item:
    """One entry. Sizes, CRC and fields are computed unless given; `local` overrides what the local header says."""

    name: bytes | str
    data: bytes = CSV
    crypt: str = "AES-256"
    method: int = 8
    flags: int | None = None
    size: int | None = None
    packed: int | None = None
    crc: int | None = None
    outer: int | None = None  # the method in the headers, where it is not the true one
    ae: int = 2
    strength: int | None = None
    password: str = PASSWORD
    salt: bytes = bytes(range(16))
    descriptor: str = ""  # a struct form such as "<4s3L"
    extra: bytes = b""
    local_extra: bytes | None = None
    attributes: int = 0o100644 << 16
    comment: bytes = b""
    offset: int | None = None
    stream: bytes | None = None  # the compressed bytes, where they are not those of data
    tamper: Callable[[bytes], bytes] = bytes
    local: dict[str, int | bytes] = field(default_factory=dict)
    is_ghost: bool = False  # stands in the directory only


def zipcrypto(data: bytes, password: str, is_decrypting: bool = False) -> bytes:
    """PKWARE's old cipher, written from APPNOTE 6.1."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = zlib.crc32(bytes([byte]), keys[0] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = zlib.crc32(bytes([keys[1] >> 24]), keys[2] ^ 0xFFFFFFFF) ^ 0xFFFFFFFF

    for byte in password.encode():
        update(byte)
    out = bytearray()
    for byte in data:
        temp = keys[2] | 2
        out.append(byte ^ (temp * (temp ^ 1) >> 8 & 0xFF))
        update(out[-1] if is_decrypting else byte)
    return bytes(out)


def winzip_aes(data: bytes, password: str, bits: int, salt: bytes) -> bytes:
    """Salt, two bytes of verifier, ciphertext, ten bytes of HMAC."""
    size = bits // 8
    salt = salt[: size // 2]
    keys = hashlib.pbkdf2_hmac("sha1", password.encode(), salt, 1000, 2 * size + 2)
    body = AES.new(keys[:size], AES.MODE_CTR, counter=Counter.new(nbits=128, little_endian=True)).encrypt(data)
    return salt + keys[-2:] + body + hmac.digest(keys[size : 2 * size], body, "sha1")[:10]


def encrypted(item: Item, crc: int) -> bytes:
    packed = deflated(item.data) if item.method == 8 else item.data
    if item.stream is not None:
        packed = item.stream
    if item.crypt in AES_STRENGTH:
        packed = winzip_aes(packed, item.password, int(item.crypt[-3:]), item.salt)
    elif item.crypt == "ZipCrypto":
        check = TIME >> 8 if item.descriptor else crc >> 24
        packed = zipcrypto(b"ELEVENBYTES" + bytes([check]) + packed, item.password)
    return item.tamper(packed)


def deflated(data: bytes) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflater.compress(data) + deflater.flush()


def made(
    *items: Item,
    prefix: bytes = b"",
    base: int = 0,
    before_directory: bytes = b"",
    after: bytes = b"",
    comment: bytes = b"",
    entries: int | None = None,
    directory_offset: int | None = None,
    disk: int = 0,
    zip64: str = "",
) -> bytes:
    """The archive; `base` is what the offsets count from, `zip64` is "pair", "wrong place" or "wrong count"."""
    out, directory = bytearray(prefix), bytearray()
    for item in items:
        offset = len(out) - base
        local, central = _headers(item, offset if item.offset is None else item.offset)
        out += b"" if item.is_ghost else local
        directory += central
    out += before_directory
    start = len(out) - base if directory_offset is None else directory_offset
    out += directory
    number = len(items) if entries is None else entries
    if zip64:
        position, told = len(out) + (8 if zip64 == "wrong place" else 0), number + (zip64 == "wrong count")
        out += struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, told, told, len(directory), start)
        out += struct.pack("<4sLQL", b"PK\6\7", 0, position, 1)
    out += struct.pack("<4s4H2LH", b"PK\5\6", disk, disk, number, number, len(directory), start, len(comment)) + comment
    return bytes(out + after)


def _headers(item: Item, offset: int) -> tuple[bytes, bytes]:
    is_aes = item.crypt in AES_STRENGTH
    name = item.name.encode() if isinstance(item.name, str) else item.name
    crc = zlib.crc32(item.data)
    body = encrypted(item, crc)
    crc = item.crc if item.crc is not None else 0 if is_aes and item.ae == 2 else crc
    packed = len(body) if item.packed is None else item.packed
    size = len(item.data) if item.size is None else item.size
    flags = (item.crypt != "none") | (8 if item.descriptor else 0) if item.flags is None else item.flags
    if isinstance(item.name, str) and item.flags is None and not item.name.isascii():
        flags |= 0x800
    strength = AES_STRENGTH.get(item.crypt, 0) if item.strength is None else item.strength
    aes = struct.pack("<2HH2sBH", 0x9901, 7, item.ae, b"AE", strength, item.method) if is_aes else b""
    method = item.outer if item.outer is not None else 99 if is_aes else item.method
    now = {"flags": flags, "method": method, "time": TIME, "date": DATE, "crc": crc, "packed": packed, "size": size}
    local = _local(item, {**now, "name": name, "aes": aes}) + body
    if item.descriptor:
        signature = (b"PK\7\x08",) if "s" in item.descriptor else ()
        local += struct.pack(item.descriptor, *signature, crc, packed, size)
    lengths = len(name), len(aes + item.extra), len(item.comment)
    fields = (3 << 8 | 51, 51, *now.values(), *lengths, 0, 0, item.attributes, offset)
    return local, struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields) + name + aes + item.extra + item.comment


def _local(item: Item, told: dict[str, int | bytes]) -> bytes:
    """The local header: what the directory tells, but for a descriptor's zeros and the item's lies."""
    postponed = dict.fromkeys(("crc", "packed", "size"), 0) if item.descriptor else {}
    *fields, name, aes = {**told, **postponed, **item.local}.values()
    extra = aes + (item.extra if item.local_extra is None else item.local_extra)
    return struct.pack("<4s5H3L2H", b"PK\3\4", 51, *fields, len(name), len(extra)) + name + extra


def unicode_path(raw: bytes, name: str) -> bytes:
    return struct.pack("<2HBL", 0x7075, 5 + len(name.encode()), 1, zlib.crc32(raw)) + name.encode()


def zip64_extra(*values: int) -> bytes:
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values)


def flipped(position: int) -> Callable[[bytes], bytes]:
    """Turns one bit of the byte at `position`, counted from the end when negative."""
    return lambda data: data[:position] + bytes([data[position] ^ 1]) + data[position:][1:]
