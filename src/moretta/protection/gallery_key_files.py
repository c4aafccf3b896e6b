"""Gallery keys as files: public facts, a data key that the key service wrapped, and the key's secret sealed under it.

Belongs here: the folder, the form of a file. Does not belong here: what a gallery key does, when it may be used.

    <key_id>.key        "MGK1" | length of facts | facts (JSON) | length of wrapped | wrapped | nonce | AES-256-GCM of the secret
    <key_id>.destroyed  a tombstone: a key file of that id that comes back from a copy is refused

Lengths are four bytes, big-endian. The facts and the id are associated data of both ciphers: a file whose floor was altered,
or that stands under another key's name, does not open. A file is written whole or not at all, with mode 0600.
"""

import contextlib
import fcntl
import json
import math
import os
import re
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from moretta.core.checkpoints import Checkpoint
from moretta.core.errors import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.core.key_service import GALLERY_KEY_CONTEXT, KeyService
from moretta.core.protection import Scheme

_MAGIC = b"MGK1"
_LENGTH = struct.Struct(">I")
_NONCE_BYTES = 12
_DATA_KEY_BYTES = 32
_ID = re.compile(r"gk_[0-9a-f]{24}")
# The largest secret is that of `he`: a SEAL secret key and the public key beside it, under 1 MiB; the rest is far less.
_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Facts:
    """What is public about a gallery key. Scores are never opened at a threshold under `floor`; `created` is UTC."""

    scheme: Scheme
    model_id: str
    dimension: int
    floor: float
    created: str


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A gallery key as it is stored; `bound` is the associated data, `sealed` nonce and ciphertext of the secret."""

    key_id: str
    facts: Facts
    bound: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)
    sealed: bytes = field(repr=False)

    @property
    def context(self) -> bytes:
        """What the wrapped data key is bound to."""
        return GALLERY_KEY_CONTEXT + self.bound

    def secret(self, key_service: KeyService) -> bytes:
        """The key's secret. Raises as `KeyService.unwrap`."""
        data_key = key_service.unwrap(self.wrapped, self.context)
        try:
            return AESGCM(data_key).decrypt(self.sealed[:_NONCE_BYTES], self.sealed[_NONCE_BYTES:], self.bound)
        except InvalidTag:
            raise KeyRejected("a gallery key's file was altered; put it back from a copy") from None


def new_key_id() -> str:
    """A random id (96 bits) of a gallery key."""
    return f"gk_{secrets.token_hex(12)}"


def sealed_key(key_id: str, facts: Facts, secret: bytes, key_service: KeyService) -> StoredKey:
    """A new gallery key, to be stored."""
    bound = _bound(key_id, _facts_bytes(facts))
    data_key, nonce = secrets.token_bytes(_DATA_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
    wrapped = key_service.wrap(data_key, GALLERY_KEY_CONTEXT + bound)
    return StoredKey(key_id, facts, bound, wrapped, nonce + AESGCM(data_key).encrypt(nonce, secret, bound))


class GalleryKeyFiles:
    """A folder of mode 0700 with the gallery keys of one key holder.

    Raises:
        KeyUnusable: the folder cannot be used, or others can look into it.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint) -> None:
        self._folder, self._checkpoint = folder, checkpoint
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.stat()
        except OSError as error:
            raise KeyUnusable(f"the folder of gallery keys cannot be used ({error.strerror})") from None
        _refuse_shared(found)
        with self.lock():
            for tombstone in folder.glob("*.destroyed"):  # a process may have died between the two
                tombstone.with_suffix(".key").unlink(missing_ok=True)
            for part in folder.glob(".*.new"):
                part.unlink(missing_ok=True)
            _sync(folder)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other writer, of this process or another, out meanwhile."""
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def write(self, stored: StoredKey) -> None:
        """Keep the key, replacing one of its id; durable when it returns. To be called under `lock`."""
        path = self._path(stored.key_id)
        temporary = path.with_name(f".{path.name}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_file(stored))
            file.flush()
            os.fsync(descriptor)
        self._checkpoint("write:written")
        temporary.replace(path)
        _sync(self._folder)
        self._checkpoint("write:placed")

    def read(self, key_id: str) -> StoredKey:
        """The key as it is stored.

        Raises:
            KeyDestroyed: it was destroyed, or was never here.
            KeyUnusable: others can read its file, or it is cut off.
        """
        path = self._path(key_id)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            raise gone() from None
        with os.fdopen(descriptor, "rb") as file:
            _refuse_shared(os.fstat(descriptor))
            content = file.read(_FILE_BYTES)
        if self._tombstone(key_id).exists():
            raise gone()
        return _stored(key_id, content)

    def version(self, key_id: str) -> tuple[int, int, int]:
        """What changes when the file is replaced. Raises `KeyDestroyed`."""
        try:
            found = self._path(key_id).stat()
        except OSError:
            raise gone() from None
        if self._tombstone(key_id).exists():
            raise gone()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def destroy(self, key_id: str) -> None:
        """Delete the key for good. Idempotent."""
        if _ID.fullmatch(key_id) is None or not self._path(key_id).exists():
            return
        with self.lock():
            descriptor = os.open(self._tombstone(key_id), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.close(descriptor)
            _sync(self._folder)
            self._checkpoint("destroy:marked")
            _overwrite(self._path(key_id))
            self._path(key_id).unlink(missing_ok=True)
            _sync(self._folder)
            self._checkpoint("destroy:gone")

    def ids(self) -> list[str]:
        """The ids of all keys that are there."""
        names = [path.stem for path in self._folder.glob("*.key")]
        return sorted(name for name in names if _ID.fullmatch(name) and not self._tombstone(name).exists())

    def _path(self, key_id: str) -> Path:
        if _ID.fullmatch(key_id) is None:
            raise gone()
        return self._folder / f"{key_id}.key"

    def _tombstone(self, key_id: str) -> Path:
        return self._folder / f"{key_id}.destroyed"


def gone() -> KeyDestroyed:
    """The error for a key that is not there."""
    return KeyDestroyed(
        "the gallery key was destroyed, or is another key holder's; what it protected cannot be opened here"
    )


def _bound(key_id: str, facts: bytes) -> bytes:
    return key_id.encode() + b"\0" + facts


def _facts_bytes(facts: Facts) -> bytes:
    told = {
        "scheme": facts.scheme.value,
        "model": facts.model_id,
        "dimension": facts.dimension,
        "floor": facts.floor,
        "created": facts.created,
    }
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()


def _file(stored: StoredKey) -> bytes:
    facts = stored.bound.partition(b"\0")[2]
    head = _MAGIC + _LENGTH.pack(len(facts)) + facts
    return head + _LENGTH.pack(len(stored.wrapped)) + stored.wrapped + stored.sealed


def _stored(key_id: str, content: bytes) -> StoredKey:
    try:
        if content[:4] != _MAGIC:
            raise ValueError
        facts_bytes, rest = _behind_length(content[4:])
        wrapped, sealed = _behind_length(rest)
        told = json.loads(facts_bytes)
        facts = Facts(
            Scheme(told["scheme"]),
            str(told["model"]),
            int(told["dimension"]),
            float(told["floor"]),
            str(told["created"]),
        )
        if not math.isfinite(facts.floor) or len(sealed) <= _NONCE_BYTES:
            raise ValueError
    except (ValueError, KeyError, TypeError, struct.error):
        raise KeyUnusable("a gallery key's file is cut off or altered; put it back from a copy") from None
    return StoredKey(key_id, facts, _bound(key_id, facts_bytes), wrapped, sealed)


def _behind_length(content: bytes) -> tuple[bytes, bytes]:
    (length,) = _LENGTH.unpack_from(content)
    if len(content) < _LENGTH.size + length:
        raise ValueError
    return content[_LENGTH.size : _LENGTH.size + length], content[_LENGTH.size + length :]


def _refuse_shared(found: os.stat_result) -> None:
    if found.st_mode & 0o077 or found.st_uid not in (0, os.geteuid()):
        raise KeyUnusable("expected gallery keys that only the user of this process can read; `chmod -R go=` mends it")


def _overwrite(path: Path) -> None:
    """Zeros over the file: it reaches the same blocks where the file system writes in place."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
