"""The one judge and maker of password ZIPs.

`inspect` judges an uploaded archive: its container by bytes (zip_structure), its names (zip_names), its entries
(zip_entries), and then every entry to its last byte, in pieces of 64 KB and in constant memory. The decoding is our
own (zip_streams, zip_ciphers) because pyzipper takes the declared size for the real one and accepts contradicting
headers. What the pieces show is for those who read along: `contents` unless the fund ignores all
it could find, a scanner for malware where there is one.
`Packer` makes AES-256 archives for a sink that can only be written to.

Passwords are text; their UTF-8 bytes are the key material (for printable ASCII every ZIP program agrees on that).
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone

from exchange import contents, zip_ciphers, zip_entries, zip_structure
from exchange.zip_findings import (
    CHECKS,
    CODES,
    DEFAULTS,
    ArchiveError,
    Collector,
    Entry,
    Finding,
    Inspection,
    Limits,
    Policy,
    Readable,
    ReaderOf,
    Report,
    make_finding,
)
from exchange.zip_reading import At, Opener
from exchange.zip_streams import Refused
from exchange.zip_structure import Record
from exchange.zip_writer import Sink, ZipWriter

__all__ = [
    "CHECKS",
    "CODES",
    "DEFAULTS",
    "ArchiveError",
    "Entry",
    "Finding",
    "Inspection",
    "Limits",
    "Packer",
    "Policy",
    "ReaderOf",
    "Report",
    "inspect",
    "open_entry",
    "proof_archive",
    "read_single",
]

_JAPAN = timezone(timedelta(hours=9))


def inspect(
    stream: Readable,
    password: str,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    policy: Policy = DEFAULTS,
    readers: Sequence[ReaderOf] = (),
    on_progress: Report = lambda done, total: None,
) -> Inspection:
    """Judges the archive in `stream` and reads every entry; never raises for any bytes.

    readers: who else looks at each file while it is read; of a file whose reading fails half way they have seen a part.
    on_progress(done, total) counts bytes of the archive. Errors of the stream, of a reader or of a callback pass
    through.
    """
    found = Collector(policy)
    records, total = _structure(stream, limits, found)
    digests: dict[int, str] = {}
    if not found.rejected:
        everybody = (*contents.readers(policy), *readers)

        def at(position: int) -> None:
            on_progress(position, total)

        digests = _read_all(stream, password.encode("utf-8", "replace"), records, found, everybody, at)
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
    readers: Sequence[ReaderOf],
    at: At,
) -> dict[int, str]:
    """The SHA-256 of each entry that could be read, by its index; what is wrong goes into `found`."""
    digests: dict[int, str] = {}
    refused: dict[int, Refused] = {}
    closed = [index for index, record in enumerate(records) if record.is_encrypted or not record.is_folder]
    closed.sort(key=lambda index: records[index].offset)
    with Opener(stream, password, [records[index] for index in closed]) as opener:
        for index in closed:
            record = records[index]
            try:
                digests[index] = _read_one(opener, record, () if record.is_folder else readers, found, at)
            except Refused as refusal:
                refused[index] = refusal
    _add_refusals(records, refused, any(records[index].size for index in digests), found)
    return digests


def _read_one(
    opener: Opener,
    record: Record,
    readers: Sequence[ReaderOf],
    found: Collector,
    at: At,
) -> str:
    digest = hashlib.sha256()
    with ExitStack() as closing:
        reading = [closing.enter_context(reader(record.name, record.size)) for reader in readers]
        for piece in opener.plain(record, at):
            digest.update(piece)
            for one in reading:
                one.write(piece)
        for one in reading:
            for what, detail in one.finish():
                (found.check if what in CHECKS else found.add)(what, record.name, detail)
    return digest.hexdigest()


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


# Reading without judging


def open_entry(
    stream: Readable,
    password: str,
    name: str,
    limits: Limits = Limits(),  # noqa: B008 - frozen
) -> Iterator[bytes]:
    """The bytes of one file, called as in Inspection.entries, in pieces of at most 64 KB.

    ArchiveError at once for a container that is refused, and while reading when the entry is (wrong password,
    damage): what came before then is not to be trusted for ZipCrypto. KeyError when there is no such file.
    """
    found = Collector()
    records, _ = _structure(stream, limits, found)
    if found.rejected:
        raise _error(found.inspection(_entries(records, {})))
    files = {record.name: record for record in records if not record.is_folder}
    return _trusted_pieces(stream, files[name], password.encode("utf-8", "replace"))


def _trusted_pieces(stream: Readable, record: Record, password: bytes) -> Iterator[bytes]:
    try:
        yield from Opener(stream, password).plain(record)
    except Refused as refusal:
        found = Collector()
        _add_refusals([record], {0: refusal}, False, found)
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
        super().__init__(sink, lambda: zip_ciphers.encrypter(key), now or datetime.now(_JAPAN), level)


def proof_archive(password: str) -> bytes:
    """A tiny AES-256 ZIP with one Japanese text file, for an office to try its password with its own program."""
    out = io.BytesIO()
    with Packer(out, password) as packer, packer.open("圧縮パスワードの確認.txt") as entry:
        # BOM and CRLF: the Windows editor shows it as written.
        entry.write("\ufeffこのファイルが開けたら、圧縮パスワードは正しく入力されています。\r\n".encode())
    return out.getvalue()
