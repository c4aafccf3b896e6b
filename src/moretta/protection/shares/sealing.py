"""Each party's shares of a template, sealed so that nobody but that party reads them, and the frame of all three.

Belongs here: expanding and sealing shares, and the payload's form. Does not belong here: what the numbers mean.

Sealed with HPKE (RFC 9180: X25519, HKDF-SHA256, AES-256-GCM). The context bound to each blob names scheme, model, dimension,
key, kind and party, so that a blob opens in no other place. Of three shares modulo 2^32 two are made from a random seed each
(AES-256 in counter mode) and travel as the seed; the third is the template less both.
"""

import os
import secrets
import struct
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from moretta.core.errors import KeyRejected, ProbeRejected
from moretta.core.protection import Scheme
from moretta.protection.shares.ring import Ring32
from moretta.protection.shares.streams import KEY_BYTES, Stream

PARTIES = 3
PUBLIC_KEY_BYTES = 32
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_FRAME = struct.Struct("<4sIII")
_MAGIC = b"MSH1"
SharePair = tuple[Ring32, Ring32]


class Kind(StrEnum):
    """What a template is for; one sealed as a reference is no probe."""

    REFERENCE = "reference"
    PROBE = "probe"


def sealed_shares(
    template: npt.NDArray[np.int64], public_keys: Sequence[bytes], kind: Kind, model_id: str, key_id: str
) -> bytes:
    """The payload of a quantised template (int64, shape (d,)): one sealed blob for each of three parties.

    Raises:
        KeyRejected: a public key is none of X25519.
    """
    seeds = [secrets.token_bytes(KEY_BYTES) for _ in range(PARTIES - 1)]
    rest = template.astype(np.uint32)
    for seed in seeds:
        rest -= _expanded(seed, template.size)
    parts = [*seeds, rest.astype("<u4").tobytes()]
    blobs = [
        _sealed(public_keys[party], parts[party] + parts[(party + 1) % PARTIES], context)
        for party, context in enumerate(
            _context(kind, model_id, template.size, key_id, party) for party in range(PARTIES)
        )
    ]
    return _FRAME.pack(_MAGIC, *(len(blob) for blob in blobs)) + b"".join(blobs)


def sealed_parts(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """The three parties' sealed blobs in `payload`.

    Raises:
        ProbeRejected: it has another form.
    """
    if len(payload) >= _FRAME.size:
        magic, a, b, c = _FRAME.unpack_from(payload)
        if magic == _MAGIC and len(payload) == _FRAME.size + a + b + c:
            rest = payload[_FRAME.size :]
            return rest[:a], rest[a : a + b], rest[a + b :]
    raise ProbeRejected(
        f"expected a template of the scheme {Scheme.SHARES}, got {len(payload)} bytes of something else"
    )


def opened_shares(
    blob: bytes, private_key: X25519PrivateKey, party: int, kind: Kind, model_id: str, dimension: int, key_id: str
) -> SharePair:
    """This party's two shares modulo 2^32, uint32, shape (dimension,).

    Raises:
        ProbeRejected: sealed for another party, key, model, dimension or kind, or altered.
    """
    lengths = [KEY_BYTES, KEY_BYTES, 4 * dimension]
    first, second = lengths[party], lengths[(party + 1) % PARTIES]
    try:
        plain = _SUITE.decrypt(blob, private_key, info=_context(kind, model_id, dimension, key_id, party))
    except (InvalidTag, ValueError):
        plain = b""
    if len(plain) != first + second:
        raise ProbeRejected(
            f"expected a {kind} sealed to party {party} under this key and model; check that the collection's key names the "
            "parties that run now"
        )
    return _share(plain[:first], party, dimension), _share(plain[first:], (party + 1) % PARTIES, dimension)


def party_key(path: Path) -> X25519PrivateKey:
    """The private key in the file, which is made (mode 0600) where it is absent.

    Raises:
        KeyRejected: the file is no such key, or others can read it.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(X25519PrivateKey.generate().private_bytes_raw())
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(temporary)  # never over a key that another process made meanwhile
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
        _sync_folder(path.parent)
    content = path.read_bytes()
    if len(content) != PUBLIC_KEY_BYTES or path.stat().st_mode & 0o077:
        raise KeyRejected(
            "expected the party's key file to hold 32 bytes and to be readable by its owner alone (`chmod 600`); restore it "
            "from a backup: what was sealed to the lost key cannot be opened"
        )
    return X25519PrivateKey.from_private_bytes(content)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _expanded(seed: bytes, dimension: int) -> Ring32:
    return Stream(seed).draw(4 * dimension).view("<u4").astype(np.uint32)


def _share(part: bytes, number: int, dimension: int) -> Ring32:
    if number < PARTIES - 1:
        return _expanded(part, dimension)
    return np.frombuffer(part, "<u4").astype(np.uint32)


def _sealed(public_key: bytes, plain: bytes, context: bytes) -> bytes:
    try:
        return _SUITE.encrypt(plain, X25519PublicKey.from_public_bytes(public_key), info=context)
    except ValueError:
        raise KeyRejected("expected a party's public key of 32 bytes, as `moretta party key` prints it") from None


def _context(kind: Kind, model_id: str, dimension: int, key_id: str, party: int) -> bytes:
    fields = ["moretta shares 1", Scheme.SHARES, kind, model_id, str(dimension), key_id, str(party)]
    return b"".join(struct.pack("<I", len(field.encode())) + field.encode() for field in fields)
