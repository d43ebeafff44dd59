"""What may lie in an accepted archive: how entries are encrypted and packed, how big they are, what kind they are.

Everything here is judged by the records of the directory, except `content_fault`, which sees the first bytes.
"""

import stat
from collections.abc import Callable

from exchange.zip_extras import AES_ID
from exchange.zip_findings import Collector, Limits
from exchange.zip_structure import FLAG_MASKED, FLAG_PATCHED, FLAG_STRONG, METHOD_AES, Record

STORED, DEFLATED = 0, 8
HEAD_SIZE = 512  # bytes `content_fault` wants to see
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

_PROGRAMS = frozenset(
    [
        *("ade", "adp", "appref-ms", "apk", "app", "application", "appx", "bat", "chm", "cmd", "com", "cpl", "deb"),
        *("dll", "dmg", "exe", "gadget", "hta", "img", "inf", "ins", "iso", "isp", "jar", "jnlp", "js", "jse"),
        *("ksh", "lib", "lnk", "mde", "msc", "msh", "msi", "msix", "msp", "mst", "nsh", "pif", "pkg", "ps1"),
        *("ps1xml", "ps2", "psc1", "psd1", "psm1", "py", "pyc", "reg", "rpm", "scf", "scr", "sct"),
        *("settingcontent-ms", "sh", "shb", "sys", "url", "vb", "vbe", "vbs", "vhd", "vhdx", "vxd", "ws", "wsc"),
        *("wsf", "wsh", "xll", "xpi"),
    ]
)
_ARCHIVES = frozenset(
    [
        *("7z", "ace", "alz", "arc", "arj", "bz2", "bzip2", "cab", "egg", "gca", "gz", "gzip", "lha", "lz", "lz4"),
        *("lzh", "lzma", "rar", "tar", "taz", "tbz", "tbz2", "tgz", "txz", "wim", "xz", "z", "zip", "zipx", "zst"),
    ]
)
# Formats that are a ZIP by nature: Office Open XML, OpenDocument, XPS.
_ZIP_DOCUMENTS = frozenset(
    [
        *("docm", "docx", "dotm", "dotx", "pptm", "pptx", "potm", "potx", "ppsm", "ppsx", "xlam", "xlsb", "xlsm"),
        *("xlsx", "xltm", "xltx", "vsdx", "vsdm", "odg", "odp", "ods", "odt", "otp", "ots", "ott", "oxps", "xps"),
    ]
)
_ARCHIVE_MAGIC = (
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
    b"\x1f\x8b\x08",
    b"\xfd7zXZ\x00",
    b"\x28\xb5\x2f\xfd",
    b"MSCF\0\0\0\0",
)
_SHORTCUT_MAGIC = b"L\0\0\0\x01\x14\x02\0"


OFFICE_PART = "[Content_Types].xml"  # what every Excel or Word file, itself a ZIP, begins with


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
        _add_each("PARTLY_ENCRYPTED", plain, files, found)
    _add_each("ZIPCRYPTO", [record for record in files if encryption(record) == "ZipCrypto"], files, found)
    weak = [record for record in files if encryption(record) in ("AES-128", "AES-192")]
    _add_each("WEAK_AES", weak, files, found, encryption)


def _add_each(
    code: str,
    records: list[Record],
    files: list[Record],
    found: Collector,
    detail: Callable[[Record], str] = lambda record: "",
) -> None:
    """One finding for the archive when it holds for every file, else one for each."""
    for record in records:
        found.add(code, None if len(records) == len(files) else record.name, detail(record))


def suffix_of(name: str) -> str:
    """In lower case without its dot; ".exe" has one too, and "readme" none."""
    return name.rpartition("/")[2].rpartition(".")[2].lower() if "." in name.rpartition("/")[2] else ""


def suffix_fault(name: str) -> tuple[str, str] | None:
    """(code, detail) when a file of this name is never accepted, else None."""
    suffix = suffix_of(name)
    if suffix in _PROGRAMS:
        return "BAD_TYPE", f".{suffix}"
    if suffix in _ARCHIVES:
        return "NESTED", f".{suffix}"
    return None


def content_fault(name: str, head: bytes) -> tuple[str, str] | None:
    """(code, detail) when the first HEAD_SIZE bytes show a program or an archive under another name, else None."""
    # A CSV may begin with the letters MZ; a program has control characters near them.
    if head.startswith(b"MZ") and any(byte < 9 for byte in head[:64]):
        return "BAD_TYPE", "中身が実行ファイルです"
    if head.startswith((b"\x7fELF", _SHORTCUT_MAGIC)):
        return "BAD_TYPE", "中身が実行ファイルまたはショートカットです"
    is_zip = head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"))
    if is_zip and suffix_of(name) not in _ZIP_DOCUMENTS:
        return "NESTED", "中身がZIPです"
    is_bzip2 = head.startswith(b"BZh") and head[4:10] == b"1AY&SY"
    is_lzh = head[2:5] == b"-lh" and head[6:7] == b"-"
    if head.startswith(_ARCHIVE_MAGIC) or is_bzip2 or is_lzh or head[257:262] == b"ustar":
        return "NESTED", "中身が圧縮ファイルです"
    return None
