"""Where every byte of a document lies: one encrypted file per object under the vault's folder.

The only home of paths to documents.
"""

import contextlib
import hashlib
import io
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from database import db, new_uid, utc_now
from exchange import sealing
from exchange.errors import NotConfigured, Refused, Unusable
from exchange.vault_reader import READ, Reader
from models import StoredObject, Transfer

PART_AGE = 3600  # seconds after which an unfinished file is an interrupted upload
SPACE_ASKED_EVERY = 8 * 2**20  # bytes of an upload between two looks at the free space
LOST_DAYS = 30  # how long a file without a row is kept aside
KEEP_FREE = 0.05, 512 * 2**20  # uploads leave this share of the disk, or so many bytes, for logins and downloads

_folder: Path | None = None


@dataclass(frozen=True)
class Stored:
    """A received document that no row names yet: verbs turn it into a StoredObject in their transaction."""

    uid: str
    sealed_key: str
    size: int
    sha256: str

    def keep(self) -> StoredObject:
        """The row that owns the file. Call inside the verb's transaction."""
        return StoredObject.create(uid=self.uid, sealed_key=self.sealed_key, size=self.size, sha256=self.sha256)


class TooLarge(Refused):
    status = 413


def configure(folder: Path) -> None:
    """Point the vault at its folder, made if missing; refuses a folder that others can read."""
    global _folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        raise NotConfigured(f"{folder} must be readable by its owner only: chmod 700")
    for name in ("incoming", "objects", "lost"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    _folder = folder


def has_objects(folder: Path) -> bool:
    """Whether documents lie in a vault's folder."""
    return any((folder / "objects").glob("*"))


def receive(stream: BinaryIO, limit: int | None = None) -> Stored:
    """Read a stream to its end into the vault."""
    with Receiving(limit) as receiving:
        while data := stream.read(READ):
            receiving.write(data)
        return receiving.finish()


class Receiving:
    """A document being written: hashed and encrypted on the way, on the disk only as ciphertext.

    Order: data, fsync, rename, fsync of the folder; only then may a row name it. Leaving the context without `finish`
    removes the unfinished file; a finished one is never removed here, because a row that was thought lost may come back
    with recovery.
    `limit` is in bytes of plaintext; beyond it write() raises TooLarge.
    """

    def __init__(self, limit: int | None = None) -> None:
        _require_space()
        self._uid = new_uid()
        self._limit = limit
        self._part = _root() / "incoming" / f"{self._uid}.part"
        key = os.urandom(sealing.KEY_BYTES)
        self._sealed_key = sealing.seal(key, f"object/{self._uid}")
        self._file = open(  # noqa: SIM115 — closed by finish or discard
            os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
        )
        self._sealer = sealing.StreamSealer(key, self._file.write)
        self._hash = hashlib.sha256()
        self._size = 0
        self._stored: Stored | None = None

    def write(self, data: bytes) -> int:
        self._size += len(data)
        if self._limit is not None and self._size > self._limit:
            raise TooLarge(
                f"ファイルが大きすぎます。1件あたり {self._limit:,} バイトまでです。分割してお送りください。"
            )
        self._hash.update(data)
        if self._size // SPACE_ASKED_EVERY > (self._size - len(data)) // SPACE_ASKED_EVERY:
            _require_space()
        try:
            self._sealer.update(data)
        except OSError as error:
            raise _disk_trouble() from error
        return len(data)

    def finish(self) -> Stored:
        """Make it durable; asked again, the same answer."""
        if self._stored is None:
            try:
                self._sealer.finish()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                os.rename(self._part, _path(self._uid))
                _sync_folder(_root() / "objects")
            except OSError as error:
                raise _disk_trouble() from error
            self._stored = Stored(self._uid, self._sealed_key, self._size, self._hash.hexdigest())
        return self._stored

    def discard(self) -> None:
        """Drop what was not finished."""
        if self._stored is None:
            with contextlib.suppress(OSError):  # a full disk refuses even the rest in the buffer
                self._file.close()
            self._part.unlink(missing_ok=True)

    def __enter__(self) -> "Receiving":
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()


@dataclass(frozen=True)
class Loan:
    """What a process needs to read one object and no other: its open file, its key, its size in bytes."""

    file: BinaryIO
    key: bytes = field(repr=False)
    size: int


def lend(stored: StoredObject) -> Loan:
    """The caller closes the file. FileNotFoundError once erased."""
    if stored.sealed_key is None:
        raise FileNotFoundError(f"object {stored.uid} was erased")
    key = sealing.unseal(stored.sealed_key, f"object/{stored.uid}")
    return Loan(open(_path(stored.uid), "rb"), key, stored.size)


def open_stream(stored: StoredObject) -> io.BufferedReader:
    """The document as it was received. FileNotFoundError once erased; Unsealable when its bytes were changed."""
    loan = lend(stored)
    return io.BufferedReader(Reader(loan.file, loan.key, loan.size), READ)


def pieces(stored: StoredObject) -> Iterator[bytes]:
    """The document in pieces of READ bytes."""
    with open_stream(stored) as stream:
        while data := stream.read(READ):
            yield data


def erase(stored: StoredObject) -> None:
    """Drop the sealed key inside the verb's transaction, and the file once it is committed.

    Without its key the ciphertext says nothing; a transaction that is taken back must find the file again.
    """
    if not db.in_transaction():
        raise RuntimeError("an erasure belongs into the transaction of what it ends")
    StoredObject.update(sealed_key=None, erased_at=utc_now()).where(StoredObject.id == stored.id).execute()
    db.after_commit(lambda: _drop_erased(stored.uid))


def _drop_erased(uid: str) -> None:
    if StoredObject.get(StoredObject.uid == uid).sealed_key is None:  # a savepoint may have taken it back
        _path(uid).unlink(missing_ok=True)


@dataclass(frozen=True)
class Report:
    """What `check` found: uids (missing, damaged, orphans) and the number of unfinished files."""

    objects: int
    missing: tuple[str, ...]
    damaged: tuple[str, ...]
    orphans: tuple[str, ...]
    unfinished: int

    @property
    def is_sound(self) -> bool:
        return not self.missing and not self.damaged


def check(is_deep: bool = True) -> Report:
    """Compare rows with files; deep also decrypts and hashes every object."""
    rows = list(StoredObject.select().where(StoredObject.erased_at.is_null()))
    on_disk = {path.name for path in (_root() / "objects").iterdir()}
    missing = [row.uid for row in rows if row.uid not in on_disk]
    present = [row for row in rows if row.uid in on_disk]
    swapped = {row.stored.uid for row in _with_another_document()}
    damaged = [row.uid for row in present if row.uid in swapped or (is_deep and not _is_whole(row))]
    orphans = on_disk - {row.uid for row in rows}
    unfinished = sum(1 for _ in (_root() / "incoming").iterdir())
    return Report(len(rows), tuple(missing), tuple(damaged), tuple(sorted(orphans)), unfinished)


def sweep(older_than: float = PART_AGE) -> int:
    """Take away files that no row names and unfinished ones, both older than so many seconds; returns how many.

    A whole file first goes to `lost/` for LOST_DAYS: its row may come back with a database from the backup.
    """
    swept = 0
    for uid in check(is_deep=False).orphans:
        if _is_older(_path(uid), older_than):
            with contextlib.suppress(FileNotFoundError):  # another sweep was there first
                _path(uid).rename(_root() / "lost" / uid)
                os.utime(_root() / "lost" / uid)
                swept += 1
    for folder, age in (("incoming", older_than), ("lost", LOST_DAYS * 86400)):
        for path in (_root() / folder).iterdir():
            if _is_older(path, age):
                path.unlink(missing_ok=True)
                swept += 1
    return swept


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime > seconds
    except FileNotFoundError:  # an upload that ends meanwhile takes its unfinished file away
        return False


def _with_another_document() -> Iterable[Transfer]:
    """Transfers whose row no longer names the document they were uploaded with."""
    return Transfer.select(Transfer, StoredObject).join(StoredObject).where(Transfer.sha256 != StoredObject.sha256)


def _is_whole(stored: StoredObject) -> bool:
    digest = hashlib.sha256()
    try:
        for piece in pieces(stored):
            digest.update(piece)
    except (sealing.Unsealable, OSError):
        return False
    return digest.hexdigest() == stored.sha256


def _root() -> Path:
    if _folder is None:
        raise NotConfigured("the vault has no folder")
    return _folder


def _path(uid: str) -> Path:
    if not uid.isalnum():
        raise ValueError("not an object's name")
    return _root() / "objects" / uid


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _require_space() -> None:
    usage = shutil.disk_usage(_root())
    if usage.free < min(usage.total * KEEP_FREE[0], KEEP_FREE[1]):
        raise _disk_trouble()


def _disk_trouble() -> Unusable:
    return Unusable(
        "サーバーの空き容量が足りないため、ファイルを保存できませんでした。何も登録されていません。基金事務局へご連絡ください。"
    )
