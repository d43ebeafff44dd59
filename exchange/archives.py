"""The one judge and maker of password ZIPs.

`inspect` judges an uploaded archive: its container by bytes (zip_structure), its names (zip_names), its entries
(zip_entries), and then every entry to its last byte, in pieces of 64 KB and in constant memory. The decoding is our
own because pyzipper takes the declared size for the real one and accepts contradicting headers; of pyzipper only
the ciphers are used. `Packer` makes AES-256 archives for a sink that can only be written to.

Passwords are text; their UTF-8 bytes are the key material (for printable ASCII every ZIP program agrees on that).
"""

import hashlib
import hmac
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

from pyzipper.zipfile import CRCZipDecrypter
from pyzipper.zipfile_aes import AES, AESZipEncrypter, Counter

from exchange import zip_entries, zip_structure
from exchange.zip_findings import (
    CODES,
    ArchiveError,
    Collector,
    Entry,
    Finding,
    Inspection,
    Limits,
    Readable,
    make_finding,
)
from exchange.zip_streams import FIRST_PIECE, OutOfTime, Progress, Refused, ciphertext, inflated, watched
from exchange.zip_structure import FLAG_DESCRIPTOR, Record, read_exactly
from exchange.zip_writer import Sink, ZipWriter

__all__ = [
    "CODES",
    "ArchiveError",
    "Entry",
    "Finding",
    "Inspection",
    "Limits",
    "Packer",
    "inspect",
    "open_entry",
    "read_single",
    "test_archive",
]

PieceSink = Callable[[bytes], object]

_KEPT = 2**20  # ciphertext up to this size is read once and kept between the check of its HMAC and the decryption
_HMAC_SIZE = 10
_JAPAN = timezone(timedelta(hours=9))


def inspect(
    stream: Readable,
    password: str,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    on_entry: Callable[[str], PieceSink | None] | None = None,
    on_progress: Callable[[int, int], object] | None = None,
) -> Inspection:
    """Judges the archive in `stream` and reads every entry; never raises for any bytes.

    on_entry(name) is asked for each file before it is unpacked and may give a sink for its pieces; a file whose
    reading fails half way has been handed on in part, so what the sink learned counts only together with the verdict.
    on_progress(done, total) counts bytes of the archive. Errors of the stream, of a sink or of a callback pass through.
    """
    found = Collector()
    records, total = _structure(stream, limits, found)
    digests: dict[int, str] = {}
    if not found.rejected:
        progress = Progress(total, on_progress, limits.seconds)
        digests = _read_all(stream, password.encode("utf-8", "replace"), records, found, on_entry, progress)
        if on_progress is not None:
            on_progress(total, total)
    return found.inspection(_entries(records, digests))


def _structure(stream: Readable, limits: Limits, found: Collector) -> tuple[list[Record], int]:
    records, total = zip_structure.read_container(stream, limits, found)
    if records or not found.rejected:
        zip_entries.judge(records, limits, found)
    return records, total


def _entries(records: list[Record], digests: dict[int, str]) -> tuple[Entry, ...]:
    return tuple(
        Entry(record.name, record.size, zip_entries.encryption(record), digests.get(index, ""))
        for index, record in enumerate(records)
        if not record.is_folder
    )


def _read_all(
    stream: Readable,
    password: bytes,
    records: list[Record],
    found: Collector,
    on_entry: Callable[[str], PieceSink | None] | None,
    progress: Progress,
) -> dict[int, str]:
    """The SHA-256 of each entry that could be read, by its index; what is wrong goes into `found`."""
    digests: dict[int, str] = {}
    refused: dict[int, Refused] = {}
    for index in sorted(range(len(records)), key=lambda index: records[index].offset):
        record = records[index]
        if record.is_folder and not record.is_encrypted:
            continue
        sink = on_entry(record.name) if on_entry is not None and not record.is_folder else None
        try:
            digests[index], head = _read_one(stream, record, password, sink, progress)
        except Refused as refusal:
            refused[index] = refusal
        except OutOfTime:
            found.add("TOO_BIG", None, "時間内に検査できません")
            break
        else:
            _judge_content(record, head, found)
    _add_refusals(records, refused, any(records[index].size for index in digests), found)
    return digests


def _read_one(
    stream: Readable, record: Record, password: bytes, sink: PieceSink | None, progress: Progress
) -> tuple[str, bytes]:
    digest = hashlib.sha256()
    head = b""
    for piece in _plain_pieces(stream, record, password, progress):
        digest.update(piece)
        if len(head) < zip_entries.HEAD_SIZE:
            head += piece[: zip_entries.HEAD_SIZE]
        if sink is not None:
            sink(piece)
    return digest.hexdigest(), head


def _judge_content(record: Record, head: bytes, found: Collector) -> None:
    if record.is_folder:
        return
    if record.size == 0:
        found.add("EMPTY_FILE", record.name)
    fault = zip_entries.suffix_fault(record.name) or zip_entries.content_fault(record.name, head)
    if fault is not None:
        found.add(fault[0], record.name, fault[1])


def _add_refusals(records: list[Record], refused: dict[int, Refused], is_open: bool, found: Collector) -> None:
    """Decides between a wrong password and damage; is_open: an entry with content has opened with this password.

    A doubtful failure counts as a wrong password when others fail the check itself, and for ZipCrypto, whose check
    is a single byte, also when nothing at all has opened. AES checks two bytes, so there damage is likelier.
    """
    proven = is_open or any(r.code != "WRONG_PASSWORD" and not r.is_doubtful for r in refused.values())
    wrong = any(r.code == "WRONG_PASSWORD" for r in refused.values())
    locked = []
    for index, refusal in refused.items():
        record = records[index]
        is_weak = record.aes is None
        doubt = refusal.is_doubtful and (wrong or not proven if is_weak else wrong and not proven)
        if doubt or refusal.code == "WRONG_PASSWORD":
            locked.append(record)
        else:
            found.add(refusal.code, record.name, refusal.detail)
    if locked and not proven and len(locked) == len(refused):
        found.add("WRONG_PASSWORD")
    else:
        for record in locked:
            found.add("WRONG_PASSWORD", record.name)


# Decrypting and unpacking one entry


def _plain_pieces(stream: Readable, record: Record, password: bytes, progress: Progress) -> Iterator[bytes]:
    """The unpacked bytes of an entry in pieces of at most 64 KB; Refused as soon as anything is wrong.

    AES: the HMAC over the ciphertext is checked before the first byte is decrypted.
    """
    aes = record.aes
    pieces = _zipcrypto(stream, record, password) if aes is None else _aes(stream, record, password)
    method = zip_entries.compression(record)
    size = record.packed - zip_entries.overhead(record)
    pieces = watched(pieces, record.data_start, progress)
    unpacked = pieces if method == zip_entries.STORED else inflated(pieces, size, record.size)
    crc = 0
    for piece in unpacked:
        crc = zlib.crc32(piece, crc)
        yield piece
    # AE-2 leaves the CRC out (0); a writer that gives it all the same is taken at its word.
    if crc != record.crc and not (aes is not None and aes.version == 2 and record.crc == 0):
        raise Refused("DAMAGED", "CRCが一致しません", is_doubtful=method == zip_entries.STORED)


def _aes(stream: Readable, record: Record, password: bytes) -> Iterator[bytes]:
    """WinZip AES: PBKDF2-HMAC-SHA1 with 1,000 rounds, AES in counter mode (little-endian), HMAC-SHA1 cut to 80 bits."""
    aes = record.aes
    if aes is None:
        raise Refused("BAD_METHOD", "知らない暗号方式")
    head = read_exactly(stream, record.data_start, aes.salt_size + 2)
    key_size = aes.bits // 8
    keys = hashlib.pbkdf2_hmac("sha1", password, head[: aes.salt_size], 1000, 2 * key_size + 2)
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
    cipher = AES.new(keys[:key_size], AES.MODE_CTR, counter=Counter.new(nbits=128, little_endian=True))
    for piece in pieces if size <= _KEPT else ciphertext(stream, start, size):
        yield cipher.decrypt(piece)


def _zipcrypto(stream: Readable, record: Record, password: bytes) -> Iterator[bytes]:
    """PKWARE's old stream cipher, in pure Python (about 2 MB/s)."""
    start, size = record.data_start, record.packed
    head = read_exactly(stream, start, zip_entries.ZIPCRYPTO_OVERHEAD)
    decrypter = _zipcrypto_decrypter(record, password, head)
    for piece in ciphertext(stream, start + len(head), size - len(head), FIRST_PIECE):
        yield decrypter.decrypt(piece)


def _zipcrypto_decrypter(record: Record, password: bytes, head: bytes) -> CRCZipDecrypter:
    # With a descriptor the check byte comes from the time, the CRC not being known yet; some writers use it anyway.
    for is_timed in (True, False) if record.flags & FLAG_DESCRIPTOR else (False,):
        told = SimpleNamespace(filename="", use_datadescripter=is_timed, _raw_time=record.stamp[0], CRC=record.crc)
        try:
            return CRCZipDecrypter(told, password, head)
        except RuntimeError:
            continue
    raise Refused("WRONG_PASSWORD")


# Reading without judging


def open_entry(
    stream: Readable,
    password: str,
    name_or_index: str | int,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Iterator[bytes]:
    """The bytes of one file in pieces of at most 64 KB; an index counts the files as Inspection.entries does.

    ArchiveError at once for a container that is refused, and while reading when the entry is (wrong password,
    damage): what came before then is not to be trusted for ZipCrypto. KeyError when there is no such file.
    """
    found = Collector()
    records, total = _structure(stream, limits, found)
    if found.rejected:
        raise _error(found.inspection(_entries(records, {})))
    files = [record for record in records if not record.is_folder]
    if isinstance(name_or_index, str):
        chosen = [record for record in files if record.name == name_or_index]
    else:
        chosen = [record for index, record in enumerate(files) if index == name_or_index]
    if not chosen:
        raise KeyError(name_or_index)
    progress = Progress(total, None, limits.seconds)
    return _trusted_pieces(stream, chosen[0], password.encode("utf-8", "replace"), progress)


def _trusted_pieces(stream: Readable, record: Record, password: bytes, progress: Progress) -> Iterator[bytes]:
    try:
        yield from _plain_pieces(stream, record, password, progress)
    except Refused as refusal:
        found = Collector()
        _add_refusals([record], {0: refusal}, False, found)
    except OutOfTime:
        found = Collector()
        found.add("TOO_BIG", record.name, "時間内に読めません")
    else:
        return
    raise _error(found.inspection(_entries([record], {})))


def _error(inspection: Inspection) -> ArchiveError:
    finding = next(finding for finding in inspection.findings if finding.severity == "reject")
    return ArchiveError(finding, inspection)


def read_single(data: bytes, password: str, max_bytes: int) -> tuple[str, bytes]:
    """(name, content) of the sole file in a password ZIP, for instance a registration CSV.

    macOS's companions under __MACOSX/ are passed over. ArchiveError when the archive is refused, holds more than one
    file (TOO_MANY) or unpacks to more than `max_bytes` (TOO_BIG).
    """
    stream = io.BytesIO(data)
    found = Collector()
    limits = Limits(unpacked=max_bytes)
    records, _ = _structure(stream, limits, found)
    inspection = found.inspection(_entries(records, {}))
    if found.rejected:
        raise _error(inspection)
    names = [entry.name for entry in inspection.entries if not entry.name.startswith("__MACOSX/")]
    if not names:
        raise ArchiveError(make_finding("EMPTY_ARCHIVE"), inspection)
    if len(names) > 1:
        raise ArchiveError(make_finding("TOO_MANY", None, f"{len(names)}個、上限1個"), inspection)
    return names[0], b"".join(open_entry(stream, password, names[0], limits))


# Making


class Packer(ZipWriter):
    """Streams AES-256 (AE-2) deflate entries into `sink`, which only needs write(bytes); memory stays constant.

        with Packer(sink, password) as packer:
            with packer.open("帳票.pdf") as entry:
                entry.write(data)

    `now` is stamped on the entries (Japanese time when left out); an empty password is a ValueError.
    """

    def __init__(self, sink: Sink, password: str, now: datetime | None = None, level: int = 6) -> None:
        if not password:
            raise ValueError("a password ZIP needs a password")
        key = password.encode()
        super().__init__(sink, lambda: AESZipEncrypter(key, nbits=256), now or datetime.now(_JAPAN), level)


def test_archive(password: str) -> bytes:
    """A tiny AES-256 ZIP with one Japanese text file, for an office to try its password with its own program."""
    out = io.BytesIO()
    with Packer(out, password) as packer, packer.open("圧縮パスワードの確認.txt") as entry:
        # BOM and CRLF: the Windows editor shows it as written.
        entry.write("\ufeffこのファイルが開けたら、圧縮パスワードは正しく入力されています。\r\n".encode())
    return out.getvalue()
