"""The container of a ZIP archive, judged by its bytes before anything is decrypted or inflated.

Readers of ZIP disagree about prefixes, gaps, overlaps, trailing bytes, duplicated records and headers that contradict
each other; an archive two programs could read differently is refused. Accepted is: local entries that tile the file
from its first byte to the central directory, the directory, the end record (and its Zip64 pair) and nothing else.
Sources: PKWARE APPNOTE.TXT 6.3.10 (records), WinZip AES specification (extra field 0x9901).
"""

import struct
from dataclasses import dataclass

from exchange import zip_extras, zip_names
from exchange.zip_findings import Collector, Limits, Readable

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
END_SIGNATURE = b"PK\x05\x06"
END64_SIGNATURE = b"PK\x06\x06"
LOCATOR_SIGNATURE = b"PK\x06\x07"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
HEAD = 4  # bytes in which a ZIP shows itself, whole or split
_BEGINNINGS = (LOCAL_SIGNATURE, DESCRIPTOR_SIGNATURE, b"PK00")

FLAG_ENCRYPTED = 0x0001
FLAG_DESCRIPTOR = 0x0008
FLAG_PATCHED = 0x0020
FLAG_STRONG = 0x0040
FLAG_UTF8 = 0x0800
FLAG_MASKED = 0x2000

METHOD_AES = 99
MAX_COMMENT = 1024
MAX_UNKNOWN = 1024  # bytes of extra fields in one header that say nothing here; real ones have time stamps and owners
TAIL = END.size + 0xFFFF  # an end record with the longest comment the format knows
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF
_KNOWN_EXTRAS = (zip_extras.ZIP64_ID, zip_extras.AES_ID, zip_extras.UNICODE_PATH_ID)
_NOT_IN_TEXT = frozenset([*range(0x20), 0x7F, *b"<"]) - frozenset(b"\t\n\r")


def may_be_zip(head: bytes, tail: bytes) -> bool:
    """Whether a file with these first HEAD and last TAIL bytes is a ZIP at all, however broken."""
    return head in _BEGINNINGS or END_SIGNATURE in tail


class Unreadable(Exception):
    """The container ends the reading here; the finding has been made."""


@dataclass(slots=True)
class Record:
    """One entry as the central directory tells it; offsets and sizes in bytes, data_start known after the tiling."""

    name: str  # NFC
    raw_name: bytes
    flags: int
    method: int
    stamp: tuple[int, int]  # DOS time and date
    crc: int
    packed: int
    size: int
    offset: int
    attributes: int
    extras: dict[int, bytes]
    data_start: int = 0

    @property
    def is_folder(self) -> bool:
        return self.name.endswith("/")

    @property
    def is_encrypted(self) -> bool:
        return bool(self.flags & FLAG_ENCRYPTED)

    @property
    def aes(self) -> zip_extras.Aes | None:
        return zip_extras.aes(self.extras) if self.method == METHOD_AES else None


@dataclass(frozen=True)
class _End:
    """What the end record says and where it (or the Zip64 record before it) begins."""

    starts: int
    disks: tuple[int, ...]  # every disk number of the records; all must be 0
    counts: tuple[int, int]
    directory_size: int
    directory_offset: int


def read_exactly(stream: Readable, offset: int, size: int) -> bytes:
    """`size` bytes from `offset`, fewer only at the end of the stream."""
    stream.seek(offset)
    pieces = []
    while size > 0 and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def read_container(stream: Readable, limits: Limits, found: Collector) -> tuple[list[Record], int]:
    """The records in the order of the directory and the size of the file; what is wrong goes into `found`.

    With nothing rejected the records are safe to read; otherwise they serve to name the entries, as far as known.
    """
    total = stream.seek(0, 2)
    if total > limits.packed:
        found.add("TOO_BIG", None, f"{total:,}バイト、上限{limits.packed:,}バイト")
    records: list[Record] = []
    try:
        end = _find_end(stream, total, found)
        directory = _read_directory(stream, end, limits, found)
        records = _parse_directory(directory, end.counts[0], found)
        _tile(stream, records, end.directory_offset, found)
    except Unreadable:
        pass
    return records, total


def _fail(found: Collector, code: str, detail: str = "") -> Unreadable:
    found.add(code, None, detail)
    return Unreadable(code)


def _find_end(stream: Readable, total: int, found: Collector) -> _End:
    head = read_exactly(stream, 0, 4)
    if head in (DESCRIPTOR_SIGNATURE, b"PK00"):
        raise _fail(found, "SPLIT", "分割の先頭ファイルです")
    tail_start = max(0, total - TAIL)
    tail = read_exactly(stream, tail_start, total - tail_start)
    ends = exact_ends(tail)
    if not ends:
        raise _without_end(head, tail, found)
    position = ends[-1]
    _, disk, directory_disk, on_disk, count, size, offset, comment_size = END.unpack_from(tail, position)
    comment = tail[position + END.size :]
    if len(ends) > 1 or _hides_data(comment):
        found.add("EXTRA_BYTES", None, "コメントの中にデータがあります")
    end = _End(tail_start + position, (disk, directory_disk), (on_disk, count), size, offset)
    end = _widened(stream, end, found)
    if any(end.disks):
        raise _fail(found, "SPLIT", "分割の一部です")
    if end.counts == (0, 0) and end.directory_size == 0 and end.starts == 0:
        raise _fail(found, "EMPTY_ARCHIVE")
    if end.counts[0] != end.counts[1]:
        raise _fail(found, "HEADER_MISMATCH", "項目数が一致しません")
    return end


def exact_ends(tail: bytes) -> list[int]:
    """Where an end record lies whose comment reaches exactly to the end of the file."""
    ends = []
    position = tail.find(END_SIGNATURE)
    while position >= 0:
        if position + END.size <= len(tail):
            comment_size = END.unpack_from(tail, position)[-1]
            if position + END.size + comment_size == len(tail):
                ends.append(position)
        position = tail.find(END_SIGNATURE, position + 1)
    return ends


def _without_end(head: bytes, tail: bytes, found: Collector) -> Unreadable:
    position = tail.rfind(END_SIGNATURE)
    if position >= 0 and position + END.size <= len(tail):
        if position + END.size + END.unpack_from(tail, position)[-1] < len(tail):
            return _fail(found, "EXTRA_BYTES", "ZIPの終わりより後ろにデータがあります")
        return _fail(found, "DAMAGED", "末尾が切れています")
    if head == LOCAL_SIGNATURE:
        return _fail(found, "DAMAGED", "末尾がありません。途中で切れたか、分割された一部です")
    return _fail(found, "NOT_ZIP", "" if head else "ファイルが空（0バイト）です。")


def _widened(stream: Readable, end: _End, found: Collector) -> _End:
    """The end record completed by its Zip64 pair, when there is one right before it; both must tell the same."""
    narrow = (*end.disks, *end.counts, end.directory_size, end.directory_offset)
    full = (_FULL16,) * 4 + (_FULL32,) * 2
    raw = read_exactly(stream, max(0, end.starts - LOCATOR.size), LOCATOR.size)
    if end.starts < LOCATOR.size or not raw.startswith(LOCATOR_SIGNATURE):
        return end
    _, end_disk, position, disks = LOCATOR.unpack(raw)
    expected = end.starts - LOCATOR.size - END64.size
    record = read_exactly(stream, expected, END64.size) if expected >= 0 else b""
    if position != expected or not record.startswith(END64_SIGNATURE):
        raise _fail(found, "HEADER_MISMATCH", "Zip64の終端記録の位置が違います")
    _, size, _, _, disk, directory_disk, on_disk, count, directory_size, offset = END64.unpack(record)
    wide = (disk, directory_disk, on_disk, count, directory_size, offset)
    agrees = all(short in (long, sentinel) for short, long, sentinel in zip(narrow, wide, full, strict=True))
    if size != END64.size - 12 or not agrees:
        raise _fail(found, "HEADER_MISMATCH", "Zip64の終端記録が一致しません")
    disk_numbers = (disk, directory_disk, end_disk, 0 if disks in (0, 1) else disks)
    return _End(expected, disk_numbers, (on_disk, count), directory_size, offset)


def _read_directory(stream: Readable, end: _End, limits: Limits, found: Collector) -> bytes:
    reaches = end.directory_offset + end.directory_size
    if reaches > end.starts:
        if read_exactly(stream, 0, 4) != LOCAL_SIGNATURE:
            raise _fail(found, "SPLIT", "先頭がありません。分割の最後のファイルです")
        raise _fail(found, "HEADER_MISMATCH", "一覧の位置が違います")
    if reaches < end.starts:
        raise _fail(found, "EXTRA_BYTES", "先頭または一覧の後ろに別のデータがあります")
    if end.counts[0] > limits.entries:
        raise _fail(found, "TOO_MANY", f"{end.counts[0]:,}個、上限{limits.entries:,}個")
    if end.directory_size > limits.directory:
        raise _fail(found, "TOO_BIG", f"一覧だけで{end.directory_size:,}バイト")
    return read_exactly(stream, end.directory_offset, end.directory_size)


def _parse_directory(directory: bytes, count: int, found: Collector) -> list[Record]:
    records: list[Record] = []
    register = zip_names.NameRegister()
    position = 0
    while len(records) < count:
        if position == len(directory):
            raise _fail(found, "HEADER_MISMATCH", "項目数が一致しません")
        if not directory.startswith(CENTRAL_SIGNATURE, position) or position + CENTRAL.size > len(directory):
            raise _fail(found, "DAMAGED", "一覧が読めません")
        fields = CENTRAL.unpack_from(directory, position)
        name_size, extra_size, comment_size = fields[10:13]
        name_at = position + CENTRAL.size
        extra_at = name_at + name_size
        comment_at = extra_at + extra_size
        position = comment_at + comment_size
        if position > len(directory):
            raise _fail(found, "DAMAGED", "一覧が途中で切れています")
        record = _record(fields, directory[name_at:extra_at], directory[extra_at:comment_at], register, found)
        if _hides_data(directory[comment_at:position]):
            found.add("EXTRA_BYTES", record.name, "コメントの中にデータがあります")
        _check_extra(record, extra_size, record.extras, found)
        records.append(record)
    if directory.startswith(CENTRAL_SIGNATURE, position):
        raise _fail(found, "HEADER_MISMATCH", "項目数が一致しません")
    if position != len(directory):
        raise _fail(found, "EXTRA_BYTES", "一覧の後ろに別のデータがあります")
    return records


def _hides_data(comment: bytes) -> bool:
    """Whether a comment may be more than a text: an archive, or a script for those who open the file as another kind.

    In CP932 no second byte of a letter is one of these.
    """
    return len(comment) > MAX_COMMENT or b"PK" in comment or not _NOT_IN_TEXT.isdisjoint(comment)


def _check_extra(record: Record, size: int, extras: dict[int, bytes], found: Collector) -> None:
    known = sum(4 + len(extras[number]) for number in _KNOWN_EXTRAS if number in extras)
    if size - known > MAX_UNKNOWN:
        found.add("EXTRA_BYTES", record.name, "追加情報の中にデータがあります")


def _record(
    fields: tuple[int, ...], raw: bytes, extra: bytes, register: zip_names.NameRegister, found: Collector
) -> Record:
    """One record of the directory, its name judged and its Zip64 sizes filled in."""
    _, _, _, flags, method, time, date, crc, packed, size, _, _, _, disk, _, attributes, offset = fields
    name = _judged_name(raw, flags, register, found)
    extras, problem = zip_extras.parse(extra)
    if problem is None:
        (size, packed, offset, disk), problem = zip_extras.widened(extras, (size, packed, offset), disk)
    if problem is None:
        problem = zip_extras.unicode_path_problem(extras, raw, name)
    if problem is not None:
        found.add("HEADER_MISMATCH", name, problem)
    if disk:
        found.add("SPLIT", None, "分割の一部です")
    return Record(name, raw, flags, method, (time, date), crc, packed, size, offset, attributes, extras)


def _judged_name(raw: bytes, flags: int, register: zip_names.NameRegister, found: Collector) -> str:
    decoded = zip_names.decode(raw, bool(flags & FLAG_UTF8))
    if decoded is None:
        name = raw[:300].decode("ascii", "backslashreplace")
        found.add("BAD_NAME", name, "文字コードが読めないか、長すぎます")
        return name
    name = zip_names.composed(decoded)
    fault = zip_names.fault(decoded)
    if fault is not None:
        found.add("BAD_NAME", name, fault)
    elif (clash := register.clash(name)) is not None:
        found.add("DUPLICATE_NAME", name, clash)
    return name


def _tile(stream: Readable, records: list[Record], directory_offset: int, found: Collector) -> None:
    """Local entries must lie shoulder to shoulder from byte 0 to the directory and repeat what it says."""
    ordered = sorted(records, key=lambda record: record.offset)
    if (ordered[0].offset if ordered else directory_offset) > 0:
        found.add("EXTRA_BYTES", None, "先頭に別のデータがあります")
    for record, following in zip(ordered, [*ordered[1:], None], strict=True):
        limit = directory_offset if following is None else min(following.offset, directory_offset)
        if record.offset + LOCAL.size > limit:
            found.add("OVERLAP", record.name)
        else:
            _check_local(stream, record, limit, found)


def _check_local(stream: Readable, record: Record, limit: int, found: Collector) -> None:
    header = read_exactly(stream, record.offset, LOCAL.size)
    if len(header) < LOCAL.size or not header.startswith(LOCAL_SIGNATURE):
        found.add("HEADER_MISMATCH", record.name, "一覧の指す位置に項目がありません")
        return
    _, _, flags, method, time, date, crc, packed, size, name_size, extra_size = LOCAL.unpack(header)
    rest = stream.read(name_size + extra_size)
    record.data_start = record.offset + LOCAL.size + name_size + extra_size
    gap = limit - record.data_start - record.packed
    if gap < 0:
        found.add("OVERLAP", record.name)
        return
    extras, problem = zip_extras.parse(rest[name_size:])
    _check_extra(record, extra_size, extras, found)
    if rest[:name_size] != record.raw_name:
        problem = "名前が一覧と違います"
    elif (flags, method) != (record.flags, record.method):
        problem = "方式が一覧と違います"
    elif (time, date) != record.stamp:
        problem = "日時が一覧と違います"
    elif problem is None:
        problem = _local_problem(record, extras, (crc, packed, size))
    if problem is not None:
        found.add("HEADER_MISMATCH", record.name, problem)
    _check_gap(stream, record, gap, found)


def _local_problem(record: Record, extras: dict[int, bytes], told: tuple[int, int, int]) -> str | None:
    crc, packed, size = told
    (size, packed, _, _), problem = zip_extras.widened(extras, (size, packed, 0), 0)
    if problem is None:
        problem = zip_extras.unicode_path_problem(extras, record.raw_name, record.name)
    if problem is not None:
        return problem
    if extras.get(zip_extras.AES_ID) != record.extras.get(zip_extras.AES_ID):
        return "暗号の方式が一覧と違います"
    same = (crc, packed, size) == (record.crc, record.packed, record.size)
    # A writer that could not know them yet leaves zeros and sends a descriptor after the data.
    postponed = bool(record.flags & FLAG_DESCRIPTOR) and (crc, packed, size) == (0, 0, 0)
    return None if same or postponed else "大きさまたはCRCが一覧と違います"


def _check_gap(stream: Readable, record: Record, gap: int, found: Collector) -> None:
    """What follows the data: exactly one descriptor when the flags say so, else nothing."""
    if not record.flags & FLAG_DESCRIPTOR:
        if gap:
            found.add("EXTRA_BYTES", record.name, "項目の後ろに一覧にないデータがあります")
        return
    if gap not in (12, 16, 20, 24):
        code = "EXTRA_BYTES" if gap > 24 else "HEADER_MISMATCH"
        found.add(code, record.name, "データ記述子の長さが違います")
        return
    descriptor = read_exactly(stream, record.data_start + record.packed, gap)
    signature, form = DESCRIPTOR_SIGNATURE if gap in (16, 24) else b"", "<3L" if gap < 20 else "<LQQ"
    fits = record.packed <= _FULL32 and record.size <= _FULL32
    if form == "<3L" and not fits:
        found.add("HEADER_MISMATCH", record.name, "データ記述子の長さが違います")
    elif descriptor != signature + struct.pack(form, record.crc, record.packed, record.size):
        found.add("HEADER_MISMATCH", record.name, "データ記述子が一覧と違います")
