"""What may lie in an accepted archive: how entries are encrypted and packed, how big they are, what kind they are.

Everything here is judged by the records of the directory; what the files hold is seen by `contents`.
"""

import stat
from collections.abc import Callable

from exchange.zip_extras import AES_ID
from exchange.zip_findings import Collector, Limits
from exchange.zip_structure import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    FLAG_ENCRYPTED,
    FLAG_MASKED,
    FLAG_PATCHED,
    FLAG_STRONG,
    METHOD_AES,
    Record,
)

STORED, DEFLATED = 0, 8
ZIPCRYPTO_OVERHEAD = 12

_METHOD_NAMES = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    12: "BZip2",
    14: "LZMA",
    93: "Zstandard",
    94: "MP3",
    95: "XZ",
    96: "JPEG",
    97: "WavPack",
    98: "PPMd",
}
_DOS_FOLDER, _DOS_DEVICE, _DOS_REPARSE = 0x10, 0x40, 0x400

OFFICE_PART = "[Content_Types].xml"  # what every Excel or Word file, itself a ZIP, begins with


def is_plain_office_file(tail: bytes) -> bool:
    """Whether a file that ends so is an Excel or Word file without a password, as its directory tells."""
    at = tail.rfind(OFFICE_PART.encode()) - CENTRAL.size
    if at < 0 or not tail.startswith(CENTRAL_SIGNATURE, at):
        return False
    flags: int = CENTRAL.unpack_from(tail, at)[3]
    return not flags & FLAG_ENCRYPTED


def encryption(record: Record) -> str:
    """ "AES-256", "AES-192", "AES-128", "ZipCrypto", "none" or "unknown"."""
    if not record.is_encrypted:
        return "none"
    if record.flags & (FLAG_STRONG | FLAG_MASKED):
        return "unknown"
    if record.method != METHOD_AES:
        return "ZipCrypto"
    aes = record.aes
    return "unknown" if aes is None else f"AES-{aes.bits}"


def compression(record: Record) -> int:
    """The method beneath the encryption, METHOD_AES when its AES field is unusable."""
    aes = record.aes
    return record.method if aes is None else aes.method


def overhead(record: Record) -> int:
    """Bytes of `packed` that belong to the encryption."""
    if not record.is_encrypted:
        return 0
    aes = record.aes
    return ZIPCRYPTO_OVERHEAD if aes is None else aes.overhead


def judge(records: list[Record], limits: Limits, found: Collector) -> None:
    """The rules for entries; `records` is a directory that could be read to its end."""
    files = [record for record in records if not record.is_folder]
    if not files:
        found.add("EMPTY_ARCHIVE")
    for record in records:
        _judge_method(record, found)
        _judge_kind(record, found)
        _judge_sizes(record, limits, found)
    _judge_encryption(files, found)
    _judge_totals(files, limits, found)


def _judge_method(record: Record, found: Collector) -> None:
    if encryption(record) == "unknown":
        found.add("BAD_METHOD", record.name, "知らない暗号方式")
        return
    if record.method != METHOD_AES and AES_ID in record.extras:
        found.add("HEADER_MISMATCH", record.name, "暗号の方式が2通りあります")
    method = compression(record)
    if method not in (STORED, DEFLATED) or record.flags & FLAG_PATCHED:
        found.add("BAD_METHOD", record.name, f"圧縮方式 {_METHOD_NAMES.get(method, method)}")


def _judge_kind(record: Record, found: Collector) -> None:
    mode = record.attributes >> 16
    kind = stat.S_IFMT(mode)
    low = record.attributes & 0xFFFF
    if kind == stat.S_IFLNK or low & _DOS_REPARSE:
        found.add("SPECIAL_ENTRY", record.name, "リンクです")
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR) or low & _DOS_DEVICE:
        found.add("SPECIAL_ENTRY", record.name, "装置またはパイプです")
    elif not record.is_folder and (kind == stat.S_IFDIR or low & _DOS_FOLDER):
        found.add("SPECIAL_ENTRY", record.name, "ファイルの名前を持つフォルダーです")
    elif record.is_folder and (record.size or record.packed > overhead(record)):
        found.add("SPECIAL_ENTRY", record.name, "フォルダーに中身があります")


def _judge_sizes(record: Record, limits: Limits, found: Collector) -> None:
    if record.size > limits.unpacked:
        found.add("TOO_BIG", record.name, f"展開すると{record.size:,}バイト、上限{limits.unpacked:,}バイト")
    if _is_bomb(record.size, record.packed, limits):
        found.add("RATIO", record.name, f"{limits.ratio}倍を超えます")
    data = record.packed - overhead(record)
    if data < 0:
        found.add("HEADER_MISMATCH", record.name, "データが短すぎます")
    elif compression(record) == STORED and data != record.size:
        found.add("HEADER_MISMATCH", record.name, "圧縮前と圧縮後の大きさが合いません")


def _judge_totals(files: list[Record], limits: Limits, found: Collector) -> None:
    size = sum(record.size for record in files)
    packed = sum(record.packed for record in files)
    if size > limits.unpacked:
        found.add("TOO_BIG", None, f"展開すると全部で{size:,}バイト、上限{limits.unpacked:,}バイト")
    if len(files) > 1 and _is_bomb(size, packed, limits):
        found.add("RATIO", None, f"全体で{limits.ratio}倍を超えます")


def _is_bomb(size: int, packed: int, limits: Limits) -> bool:
    return size > limits.ratio_floor and size > limits.ratio * packed


def _judge_encryption(files: list[Record], found: Collector) -> None:
    plain = [record for record in files if not record.is_encrypted]
    if plain and len(plain) == len(files):
        is_office_file = any(record.name == OFFICE_PART for record in plain)
        found.add("NOT_ENCRYPTED", None, "ExcelやWordのファイルは、そのままでは送れません。" if is_office_file else "")
    else:
        for record in plain:
            found.add("PARTLY_ENCRYPTED", record.name)
    old = [record for record in files if encryption(record) == "ZipCrypto"]
    _check_each("zipcrypto", old, files, found)
    weak = [record for record in files if encryption(record) in ("AES-128", "AES-192")]
    _check_each("weak_aes", weak, files, found, encryption)


def _check_each(
    check: str,
    records: list[Record],
    files: list[Record],
    found: Collector,
    detail: Callable[[Record], str] = lambda record: "",
) -> None:
    """One finding for the archive when it holds for every file, else one for each."""
    for record in records:
        found.check(check, None if len(records) == len(files) else record.name, detail(record))
