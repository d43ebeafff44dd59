"""The keys of an installation, and what is sealed and signed with them."""

import base64
import stat
from pathlib import Path

import pytest

from database import db
from exchange import archive_passwords, installation, sealing
from exchange.errors import NotConfigured
from models import ArchivePassword
from tests.people import Cast
from tests.processes import CONTEXT, end, post


def test_a_sealed_secret_comes_back(cast: Cast) -> None:
    for secret in (b"", b"x", "圧縮パスワード".encode(), bytes(range(256)) * 10):
        assert sealing.unseal(sealing.seal(secret, "here"), "here") == secret


def test_the_same_secret_never_looks_the_same_and_never_shows(cast: Cast) -> None:
    sealed = [sealing.seal(b"a secret of some length", "here") for _ in range(50)]
    assert len(set(sealed)) == 50
    assert all(b"secret" not in base64.b64decode(one.split(":")[2]) for one in sealed)


def test_a_sealed_value_cannot_be_moved(cast: Cast) -> None:
    with pytest.raises(sealing.Unsealable):
        sealing.unseal(sealing.seal(b"secret", "user/1/totp"), "user/2/totp")


def test_an_archive_password_moved_to_another_row_does_not_open(cast: Cast) -> None:
    row = cast.abc.current_archive_password()
    assert archive_passwords.reveal(row) == cast.archive_password
    moved = ArchivePassword.create(office=cast.xyz, version=1, sealed=row.sealed)
    with pytest.raises(sealing.Unsealable):
        archive_passwords.reveal(moved)


def test_a_changed_sealed_value_does_not_open(cast: Cast) -> None:
    version, key_id, text = sealing.seal(b"secret", "here").split(":")
    raw = base64.b64decode(text)
    flipped = [raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :] for place in range(len(raw))]
    bad = [f"{version}:{key_id}:{base64.b64encode(one).decode()}" for one in [*flipped, raw[:-1], raw + b"x", b""]]
    bad += [f"v2:{key_id}:{text}", f"{version}:00000000:{text}", f"{version}:{key_id}:?", text, "", "::"]
    for one in bad:
        with pytest.raises(sealing.Unsealable):
            sealing.unseal(one, "here")


def test_signatures_are_those_of_this_installation(cast: Cast) -> None:
    signature = sealing.sign(b"message")
    assert sealing.is_signed(b"message", signature)
    for message, other in ((b"massage", signature), (b"message", ""), (b"message", "?"), (b"message", signature[:-8])):
        assert not sealing.is_signed(message, other)


def test_the_three_keys_differ_and_only_the_owner_reads_them(instance: Path, cast: Cast) -> None:
    keys = sealing.keys()
    assert len({keys.sealing, keys.signing, keys.cookie}) == 3
    assert {len(key) for key in (keys.sealing, keys.signing, keys.cookie)} == {32}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (instance / "keys").iterdir()} == {0o600}
    assert stat.S_IMODE((instance / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["sealing.key", "signing.key", "cookie.key"])
def test_with_a_database_and_a_missing_key_the_start_is_refused(instance: Path, name: str) -> None:
    (instance / "keys" / name).unlink()
    with pytest.raises(NotConfigured, match=name):
        installation.open_installation(instance, post())
    assert not (instance / "keys" / name).exists()


@pytest.mark.parametrize("text", [b"", b"not a key", b"AAAA", b"\xff\xfe", base64.b64encode(bytes(31))])
def test_a_key_file_that_holds_no_key_is_refused_by_name(instance: Path, text: bytes) -> None:
    (instance / "keys" / "sealing.key").write_bytes(text)
    with pytest.raises(NotConfigured, match=r"sealing\.key is not a key"):
        installation.open_installation(instance, post())


def test_another_installations_key_opens_nothing(cast: Cast) -> None:
    sealed, kept = cast.abc.current_archive_password(), sealing.keys()
    foreign = sealing.Keys(bytes(32), kept.signing, kept.cookie)
    sealing._keys = foreign
    try:
        with pytest.raises(sealing.Unsealable, match="another key"):
            archive_passwords.reveal(sealed)
    finally:
        sealing._keys = kept


def open_and_tell(folder: Path, barrier, line) -> None:  # noqa: ANN001 — of multiprocessing
    barrier.wait(30)
    keys = installation.open_installation(folder, post())
    with db.connection_context():
        tables = db.get_tables()
    line.send((keys.sealing, keys.signing, keys.cookie, len(tables)))


def test_processes_that_start_at_once_on_an_empty_folder_agree(tmp_path: Path) -> None:
    barrier = CONTEXT.Barrier(4)
    lines = [CONTEXT.Pipe(duplex=False) for _ in range(4)]
    processes = [CONTEXT.Process(target=open_and_tell, args=(tmp_path / "new", barrier, mouth)) for _, mouth in lines]
    for process in processes:
        process.start()
    told = []
    for ear, mouth in lines:
        assert ear.poll(30)
        told.append(ear.recv())
        ear.close()
        mouth.close()
    for process in processes:
        end(process)
    assert len(set(told)) == 1
    assert sorted(path.name for path in (tmp_path / "new" / "keys").iterdir()) == [
        *("cookie.key", "sealing.key", "signing.key"),
    ]
