"""The keys of the installation and everything done with libsodium: sealing, secretstream, signatures."""

import base64
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nacl import bindings as sodium
from nacl.exceptions import CryptoError
from nacl.signing import SigningKey

from exchange.errors import NotConfigured

KEY_BYTES = 32
PIECE = 64 * 1024  # plaintext bytes of one secretstream piece
PIECE_OVERHEAD = sodium.crypto_secretstream_xchacha20poly1305_ABYTES
HEADER = sodium.crypto_secretstream_xchacha20poly1305_HEADERBYTES
FINAL = sodium.crypto_secretstream_xchacha20poly1305_TAG_FINAL
MESSAGE = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE

FILES = {"sealing": "sealing.key", "signing": "signing.key", "cookie": "cookie.key"}


@dataclass(frozen=True)
class Keys:
    """Three independent 256-bit keys; they lie beside the database's folder, never inside the database."""

    sealing: bytes
    signing: bytes
    cookie: bytes


class Unsealable(Exception):
    """A sealed value was changed, moved to another row, or belongs to another key."""


_keys: Keys | None = None


def load_keys(folder: Path, may_make: bool) -> Keys:
    """Read the keys, or make them when there is no database yet. NotConfigured when one is missing otherwise."""
    global _keys
    missing = [name for name in FILES.values() if not (folder / name).exists()]
    if missing and not may_make:
        raise NotConfigured(f"keys are missing: {', '.join(missing)} in {folder}; put them back from the backup")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in missing:
        _write_key(folder / name)
    _keys = Keys(**{kind: _read_key(folder / name) for kind, name in FILES.items()})
    return _keys


def _write_key(path: Path) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(base64.b64encode(os.urandom(KEY_BYTES)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(part, path)  # fails where another process was first: its key stands
    except FileExistsError:
        pass
    finally:
        part.unlink()


def _read_key(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise NotConfigured(f"{path} is not a key")
    return key


def keys() -> Keys:
    if _keys is None:
        raise NotConfigured("the keys are not loaded")
    return _keys


def _key_id() -> str:
    return hashlib.sha256(b"key id" + keys().sealing).hexdigest()[:8]


def seal(secret: bytes, place: str) -> str:
    """`v1:key id:base64(nonce ‖ ciphertext)`; `place` (table/row/column) is authenticated: a value can't be moved."""
    nonce = os.urandom(sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
    box = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(secret, place.encode(), nonce, keys().sealing)
    return f"v1:{_key_id()}:{base64.b64encode(nonce + box).decode()}"


def unseal(sealed: str, place: str) -> bytes:
    """The secret, or Unsealable."""
    try:
        version, key_id, text = sealed.split(":")
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Unsealable("not a sealed value") from error
    if version != "v1" or key_id != _key_id():
        raise Unsealable("sealed with another key")
    size = sodium.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
    try:
        return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(raw[size:], place.encode(), raw[:size], keys().sealing)
    except CryptoError as error:
        raise Unsealable("changed or moved") from error


def derive(place: str, size: int) -> bytes:
    """Bytes that only this installation can make, always the same for a `place`; at most 64."""
    return hashlib.blake2b(place.encode(), key=keys().sealing, digest_size=size, person=b"todoke derive").digest()


def sign(message: bytes) -> str:
    """Ed25519 signature of the installation, base64."""
    return base64.b64encode(SigningKey(keys().signing).sign(message).signature).decode()


def is_signed(message: bytes, signature: str) -> bool:
    try:
        SigningKey(keys().signing).verify_key.verify(message, base64.b64decode(signature, validate=True))
    except (CryptoError, ValueError):
        return False
    return True


class StreamSealer:
    """Encrypts bytes given in any sizes into secretstream pieces of PIECE bytes, written through `write`."""

    def __init__(self, key: bytes, write: Callable[[bytes], object]) -> None:
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        self._write = write
        self._rest = bytearray()
        write(sodium.crypto_secretstream_xchacha20poly1305_init_push(self._state, key))

    def update(self, data: bytes) -> None:
        self._rest += data
        while len(self._rest) > PIECE:  # a full last piece waits: it may have to carry the FINAL tag
            self._push(bytes(self._rest[:PIECE]), MESSAGE)
            del self._rest[:PIECE]

    def finish(self) -> None:
        self._push(bytes(self._rest), FINAL)
        self._rest.clear()

    def _push(self, piece: bytes, tag: int) -> None:
        self._write(sodium.crypto_secretstream_xchacha20poly1305_push(self._state, piece, tag=tag))


class StreamOpener:
    """Decrypts pieces in order. `snapshot`/`resume` let a reader come back to a piece it has already reached."""

    def __init__(self, key: bytes, header: bytes) -> None:
        self._state = sodium.crypto_secretstream_xchacha20poly1305_state()
        try:
            sodium.crypto_secretstream_xchacha20poly1305_init_pull(self._state, header, key)
        except (CryptoError, ValueError) as error:
            raise Unsealable("the stored bytes were cut") from error

    def pull(self, box: bytes) -> tuple[bytes, bool]:
        """(plaintext, is it the last piece); Unsealable when the bytes were changed."""
        try:
            piece, tag = sodium.crypto_secretstream_xchacha20poly1305_pull(self._state, box)
        except (CryptoError, ValueError) as error:
            raise Unsealable("the stored bytes were changed") from error
        return piece, tag == FINAL

    def snapshot(self) -> bytes:
        return bytes(sodium.crypto_secretstream.ffi.buffer(self._state.statebuf))

    def resume(self, snapshot: bytes) -> None:
        sodium.crypto_secretstream.ffi.buffer(self._state.statebuf)[:] = snapshot
