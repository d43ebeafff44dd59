"""The extra fields of a ZIP entry that change what a reader sees: Zip64 sizes, AES parameters, the Unicode path."""

import struct
import zlib
from dataclasses import dataclass

from exchange import zip_names

ZIP64_ID = 0x0001
AES_ID = 0x9901
UNICODE_PATH_ID = 0x7075
MAX_FIELDS = 64  # real archives have up to five; the format would allow 16,383 for each entry
_MEANINGFUL = (ZIP64_ID, AES_ID, UNICODE_PATH_ID)
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True)
class Aes:
    """WinZip AES: version 1 (with CRC) or 2 (without), key length in bits, the compression method beneath."""

    version: int
    bits: int
    method: int

    @property
    def salt_size(self) -> int:
        return self.bits // 16

    @property
    def overhead(self) -> int:
        """Salt, two bytes to check the password, ten bytes of HMAC."""
        return self.salt_size + 12


def parse(extra: bytes) -> tuple[dict[int, bytes], str | None]:
    """The fields by their id and a Japanese phrase when they are malformed or a meaningful one stands twice."""
    fields: dict[int, bytes] = {}
    position = seen = 0
    while len(extra) - position >= 4:
        field_id, size = struct.unpack_from("<HH", extra, position)
        position += 4
        if position + size > len(extra):
            return fields, "追加情報の長さが違います"
        if field_id in fields and field_id in _MEANINGFUL:
            return fields, "追加情報が重複しています"
        if (seen := seen + 1) > MAX_FIELDS:
            return fields, "追加情報が多すぎます"
        fields[field_id] = extra[position : position + size]
        position += size
    # Some tools align data with up to three zero bytes.
    return fields, "追加情報の長さが違います" if extra[position:].strip(b"\0") else None


def aes(fields: dict[int, bytes]) -> Aes | None:
    """The AES parameters, or None when they are missing or unknown."""
    raw = fields.get(AES_ID, b"")
    if len(raw) != 7:
        return None
    version, vendor, strength, method = struct.unpack("<H2sBH", raw)
    if version not in (1, 2) or vendor != b"AE" or strength not in (1, 2, 3):
        return None
    return Aes(version, 64 + 64 * strength, method)


def widened(
    fields: dict[int, bytes], values: tuple[int, int, int], disk: int
) -> tuple[tuple[int, int, int, int], str | None]:
    """(size, packed, offset, disk) with the all-ones ones taken from the Zip64 field, and what is wrong with it.

    The field must hold exactly the values that are all ones; one that repeats the plain values is harmless too.
    """
    raw = fields.get(ZIP64_ID)
    plain = (*values, disk)
    wanted = [index for index, value in enumerate(plain) if value == (_FULL16 if index == 3 else _FULL32)]
    if raw is None:
        return plain, "Zip64の大きさがありません" if wanted else None
    if not wanted:
        repeated = b"".join(struct.pack("<Q", value) for value in values)
        return plain, None if raw and raw in (repeated[:8], repeated[:16], repeated) else "Zip64の大きさが違います"
    form = "<" + "".join("L" if index == 3 else "Q" for index in wanted)
    if struct.calcsize(form) != len(raw):
        return plain, "Zip64の大きさが違います"
    result = list(plain)
    for index, value in zip(wanted, struct.unpack(form, raw), strict=True):
        result[index] = value
    return (result[0], result[1], result[2], result[3]), None


def unicode_path_problem(fields: dict[int, bytes], raw_name: bytes, name: str) -> str | None:
    """Info-ZIP's second name must be the same name: some readers show the one, some extract the other."""
    raw = fields.get(UNICODE_PATH_ID)
    if raw is None:
        return None
    if len(raw) < 6 or raw[0] != 1 or struct.unpack_from("<L", raw, 1)[0] != zlib.crc32(raw_name):
        return "Unicode名の記録が正しくありません"
    second = zip_names.decode(raw[5:], True)
    if second is None or zip_names.composed(second) != name:
        return "2つの名前が違います"
    return None
