"""The vault: what goes in comes out, nothing else is on the disk, and nothing is lost by an error."""

import io
import os
import random
import resource
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from database import db
from exchange import sealing, vault, vault_reader
from exchange.errors import NotConfigured, Unusable
from models import StoredObject
from tests.people import Cast, received
from tests.processes import together

PIECE = sealing.PIECE
SIZES = [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 1, 5 * PIECE + 12345]


@pytest.fixture(autouse=True)
def _opened(cast: Cast) -> None:
    """Every test has an installation with its vault."""


@pytest.fixture
def objects(instance: Path) -> Path:
    return instance / "vault" / "objects"


@pytest.fixture
def incoming(instance: Path) -> Path:
    return instance / "vault" / "incoming"


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def kept(data: bytes) -> StoredObject:
    with db.atomic():
        return vault.receive(io.BytesIO(data)).keep()


def whole(stored: StoredObject) -> bytes:
    return b"".join(vault.pieces(stored))


# ── round trips ──


@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(size: int) -> None:
    data = content(size)
    stored = kept(data)
    assert whole(stored) == data
    assert (stored.size, len(stored.sha256)) == (size, 64)
    assert vault.check().is_sound


@pytest.mark.parametrize("step", [1, 1000, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_it_does_not_matter_in_what_pieces_it_came(step: int) -> None:
    data = content(2 * PIECE if step > 1 else 3000)
    with vault.Receiving() as receiving:
        for start in range(0, len(data), step):
            receiving.write(data[start : start + step])
        stored = receiving.finish().keep()
    assert whole(stored) == data


@pytest.fixture
def long_one() -> tuple[StoredObject, bytes]:
    """An object with more pieces than lie between two snapshots."""
    data = content(vault_reader.SNAPSHOT_EVERY * PIECE + 3 * PIECE + 77)
    return kept(data), data


STEPS = st.lists(st.tuples(st.floats(0, 1.05), st.sampled_from([0, 1, 2]), st.integers(0, 3 * PIECE)), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_seeking_and_reading_is_the_same_as_in_a_plain_file(
    long_one: tuple[StoredObject, bytes], steps: list[tuple[float, int, int]]
) -> None:
    stored, data = long_one
    plain = io.BytesIO(data)
    with vault.open_stream(stored) as stream:
        for share, whence, length in steps:
            target = int(share * len(data))
            offset = {0: target, 1: target - plain.tell(), 2: target - len(data)}[whence]
            assert stream.seek(offset, whence) == plain.seek(offset, whence)
            assert stream.read(length) == plain.read(length)


def test_before_the_start_there_is_nothing() -> None:
    with vault.open_stream(kept(b"abc")) as stream, pytest.raises(ValueError):
        stream.seek(-4, io.SEEK_END)


# ── what lies on the disk ──


def test_no_plaintext_reaches_the_disk(objects: Path, incoming: Path) -> None:
    marker = b"a sentence that would be found on the disk"
    with vault.Receiving() as receiving:
        receiving.write(marker * 10_000)
        receiving.finish().keep()
    with vault.Receiving() as unfinished:
        unfinished.write(marker * 10_000)
        files = [*objects.iterdir(), *incoming.iterdir()]
        assert len(files) == 2
        assert all(marker[:16] not in file.read_bytes() for file in files)


def test_equal_documents_do_not_look_equal(objects: Path) -> None:
    first, second = kept(b"the same"), kept(b"the same")
    assert (objects / first.uid).read_bytes() != (objects / second.uid).read_bytes()


def test_only_the_owner_reads_the_files(objects: Path) -> None:
    stored = kept(b"x")
    assert stat.S_IMODE((objects / stored.uid).stat().st_mode) == 0o600


def test_a_vault_that_others_can_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    with pytest.raises(NotConfigured, match="chmod 700"):
        vault.configure(folder)


def test_an_objects_key_opens_no_other_object() -> None:
    first, second = kept(b"first"), kept(b"second")
    first.sealed_key = second.sealed_key
    with pytest.raises(sealing.Unsealable):
        vault.open_stream(first)


# ── changed bytes ──


def damage(path: Path, data: bytes) -> Iterator[bytes]:
    """The object's bytes, changed or cut in many places."""
    box = PIECE + sealing.PIECE_OVERHEAD
    places = [0, sealing.HEADER - 1, sealing.HEADER, sealing.HEADER + box - 1, sealing.HEADER + box, len(data) - 1]
    for place in places:
        yield data[:place] + bytes([data[place] ^ 0x40]) + data[place + 1 :]
        yield data[:place]
    first, second = data[sealing.HEADER :][:box], data[sealing.HEADER + box :][:box]
    yield data[: sealing.HEADER] + second + first + data[sealing.HEADER + 2 * box :]
    yield data[: sealing.HEADER] + first + data[sealing.HEADER + 2 * box :]
    yield data[: sealing.HEADER + 2 * box]


def test_every_change_and_every_cut_is_found(objects: Path) -> None:
    stored = kept(content(2 * PIECE + 500))
    path = objects / stored.uid
    sound = path.read_bytes()
    for number, bad in enumerate(damage(path, sound)):
        path.write_bytes(bad)
        with pytest.raises(sealing.Unsealable):
            whole(stored)
        assert vault.check().damaged == (stored.uid,), number
    path.write_bytes(sound)
    assert vault.check().is_sound


def test_a_row_that_tells_another_size_is_found() -> None:
    stored = kept(content(2 * PIECE))
    for size in (1, PIECE, 2 * PIECE + 1, 3 * PIECE):
        stored.size = size
        with pytest.raises(sealing.Unsealable):
            whole(stored)


def test_another_hash_in_the_row_is_found() -> None:
    stored = kept(b"x")
    StoredObject.update(sha256="0" * 64).execute()
    assert vault.check().damaged == (stored.uid,)
    assert vault.check(is_deep=False).is_sound


# ── limits, errors, giving up ──


def test_a_document_as_large_as_the_limit_fits_and_one_byte_more_does_not(incoming: Path) -> None:
    assert vault.receive(io.BytesIO(b"x" * 1000), limit=1000).size == 1000
    with pytest.raises(vault.TooLarge, match="1,000"):
        vault.receive(io.BytesIO(b"x" * 1001), limit=1000)
    assert list(incoming.iterdir()) == []


def test_a_stream_that_breaks_off_leaves_nothing(incoming: Path, objects: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size) or self.fail()

        def fail(self) -> bytes:
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        vault.receive(Broken(content(3 * PIECE)))
    assert [*incoming.iterdir(), *objects.iterdir()] == []


def test_finishing_twice_is_finishing_once(objects: Path) -> None:
    receiving = received(b"abc")
    assert receiving.finish() is receiving.finish()
    assert len(list(objects.iterdir())) == 1


def test_a_finished_document_is_never_removed_by_giving_up(objects: Path) -> None:
    with received(b"abc") as receiving:
        stored = receiving.finish()
    receiving.discard()
    assert (objects / stored.uid).exists()


def receive_on_a_full_disk(instance: Path, size: int) -> tuple[str, list[str]]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    try:
        vault.receive(io.BytesIO(content(size)))
    except Exception as error:
        return type(error).__name__, os.listdir(instance / "vault" / "incoming")
    return "received", []


def test_a_full_disk_refuses_in_words_and_leaves_nothing(instance: Path) -> None:
    """A limit on the size of a file stands for the full disk; the second one is met only when it is closed."""
    works = [(receive_on_a_full_disk, instance, size) for size in (1_000_000, 60_000)]
    assert together(instance, works[:1]) == [("Unusable", [])]
    assert together(instance, works[1:]) == [("Unusable", [])]
    assert vault.check().orphans == ()


def test_the_refusal_of_a_full_disk_is_507(cast: Cast) -> None:
    assert (Unusable("").status, vault._disk_trouble().status) == (507, 507)


# ── erasing, checking, sweeping ──


def test_erasing_drops_the_key_and_the_file(objects: Path) -> None:
    stored = kept(b"abc")
    with db.atomic():
        vault.erase(stored)
    row = StoredObject.get_by_id(stored.id)
    assert (row.sealed_key, row.erased_at is None, (objects / stored.uid).exists()) == (None, False, False)
    with pytest.raises(FileNotFoundError):
        vault.open_stream(row)
    assert vault.check().is_sound


def test_an_erasure_that_is_taken_back_leaves_the_document_whole(objects: Path) -> None:
    stored = kept(b"abc")
    with db.atomic() as verb:
        vault.erase(stored)
        verb.rollback()
    assert whole(StoredObject.get_by_id(stored.id)) == b"abc"


def test_a_part_of_a_verb_that_is_taken_back_leaves_the_document_whole(objects: Path) -> None:
    stored = kept(b"abc")
    with db.atomic(), db.atomic() as part:
        vault.erase(stored)
        part.rollback()
    assert whole(StoredObject.get_by_id(stored.id)) == b"abc"


def test_erasing_belongs_into_a_transaction() -> None:
    with pytest.raises(RuntimeError):
        vault.erase(kept(b"abc"))


def test_the_check_tells_missing_files_orphans_and_unfinished_ones(objects: Path, incoming: Path) -> None:
    missing, sound = kept(b"missing"), kept(b"sound")
    (objects / missing.uid).unlink()
    orphan = vault.receive(io.BytesIO(b"no row names it"))
    with received(b"unfinished"):
        report = vault.check()
    assert report == vault.Report(2, (missing.uid,), (), (orphan.uid,), 1)
    assert not report.is_sound
    assert whole(sound) == b"sound"


def test_sweeping_takes_only_what_is_old_and_has_no_row(objects: Path, incoming: Path) -> None:
    row, young, old = kept(b"row"), *(vault.receive(io.BytesIO(b"orphan")) for _ in range(2))
    torn = incoming / "abc.part"
    torn.write_bytes(b"torn")
    for path in (objects / old.uid, objects / row.uid, torn):
        os.utime(path, (1, 1))
    assert vault.sweep() == 2
    assert {path.name for path in objects.iterdir()} == {row.uid, young.uid}
    assert list(incoming.iterdir()) == []


def test_a_swept_document_is_kept_aside_for_thirty_days(objects: Path) -> None:
    orphan, lost = vault.receive(io.BytesIO(b"orphan")), objects.parent / "lost"
    assert vault.sweep(older_than=-1) == 1
    assert [path.name for path in lost.iterdir()] == [orphan.uid]
    for days, left in ((29, 1), (31, 0)):
        moment = time.time() - days * 86400
        os.utime(lost / orphan.uid, (moment, moment))
        vault.sweep()
        assert len(list(lost.iterdir())) == left


@pytest.mark.parametrize("uid", ["../../exchange.sqlite", "a/b", "", ".", "a.part"])
def test_a_name_that_is_not_an_objects_leads_nowhere(uid: str) -> None:
    stored = kept(b"abc")
    sealed = sealing.seal(bytes(32), f"object/{uid}")
    with pytest.raises(ValueError):
        vault.open_stream(StoredObject(uid=uid, sealed_key=sealed, size=1, sha256=stored.sha256))
