"""Signatures as values: who signs, what a signing key's history is, and documents that carry a signature.

Belongs here: contracts, and the one form of a signed JSON document. Does not belong here: Ed25519 itself and wrapped keys (see
`keys.signing`), notes of the log (see `ledger.notes`).

Every signature is over bytes that begin with what they are for, so that a signature of one thing never counts for another.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.errors import ProofRejected
from moretta.core.ledger import LogEntry
from moretta.core.usage import canonical_json

PUBLIC_KEY_BYTES, SIGNATURE_BYTES = 32, 64
# 64 bits: enough to find a key among a region's few; whoever verifies compares the whole public key.
_KEY_ID_BYTES = 8
_DOCUMENT, _ENDORSEMENT = b"moretta document 1\n", b"moretta signing key 1\n"
_DOCUMENT_TYPE = re.compile(r"moretta\.[a-z][a-z.-]{0,60}\.v[1-9][0-9]?")

# Whether the signature (64 bytes) over the message is the public key's (32 bytes): (public_key, message, signature) -> bool.
Verifier = Callable[[bytes, bytes, bytes], bool]


class Signer(Protocol):
    """Signs with one Ed25519 key (RFC 8032). Ask `SigningKeys.signer` for one each time: keys are rotated."""

    @property
    def key_id(self) -> str:
        """As `signing_key_id` of the public key."""

    @property
    def public_key(self) -> bytes:
        """32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes; the same message gives the same bytes under the same key."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key as it is kept. `wrapped` is the private half under the region's master key.

    `endorsement` is the signature of the key before it over `endorsement_message`; the first key of a region has none. A key
    that another one follows has no private half any more.
    """

    key_id: str
    public_key: bytes
    made_at: str
    wrapped: bytes = field(repr=False)
    endorsement: bytes = b""


class SigningKeyStore(Protocol):
    """Keeps a region's signing keys beside the log that they sign, so that every process signs with the same one."""

    def signing_keys(self) -> list[SigningKey]:
        """All of them, the oldest first; the last one is active."""

    def add_signing_key(self, key: SigningKey, after: str | None, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a key that comes after the key id `after` (None: it is the first), and forget the private halves before it.

        Raises:
            Conflict: another process added one meanwhile.
        """

    def rewrap_signing_key(self, key_id: str, old: bytes, new: bytes) -> None:
        """Replace a wrapped private half; one that changed meanwhile is left alone."""


class SigningKeys(Protocol):
    """A region's signing keys. Safe for threads and processes."""

    def signer(self) -> Signer:
        """Signs with the key that is active now; made on first use.

        Raises:
            KeyUnusable: its private half does not open.
        """

    def history(self) -> list[SigningKey]:
        """Every key there was, the oldest first, without private halves; the last one is active."""

    def rotate(self, entries: Sequence[LogEntry] = ()) -> Signer:
        """Make a new key, endorsed by the one before it, whose private half is forgotten; `entries` are logged with it."""


def fingerprint(public_key: bytes) -> str:
    """What people compare of a public key: its SHA-256 in hexadecimal, in 16 groups of four."""
    text = hashlib.sha256(public_key).hexdigest()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def signing_key_id(public_key: bytes) -> str:
    """The id of a signing key: `ed25519_` and the first 8 bytes of the SHA-256 of the public key in hexadecimal."""
    return f"ed25519_{hashlib.sha256(public_key).digest()[:_KEY_ID_BYTES].hex()}"


def endorsement_message(made_at: str, public_key: bytes) -> bytes:
    """What the key before signs to say that `public_key` comes after it."""
    return _ENDORSEMENT + made_at.encode("ascii") + b"\n" + public_key


def follows(first: bytes, history: Sequence[SigningKey], check: Verifier) -> list[bytes]:
    """The public keys that a region has had from `first` on, each endorsed by the one before it.

    Raises:
        ProofRejected: `first` is not in the history, or an endorsement does not hold.
    """
    at = next((position for position, key in enumerate(history) if key.public_key == first), None)
    if at is None:
        raise ProofRejected(
            "expected a history of signing keys that holds the trusted one; get it from the same region"
        )
    keys = [first]
    for key in history[at + 1 :]:
        if not check(keys[-1], endorsement_message(key.made_at, key.public_key), key.endorsement):
            raise ProofRejected("a signing key is not endorsed by the one before it; do not trust it")
        keys.append(key.public_key)
    return keys


def signed_document(fields: Mapping[str, object], signer: Signer) -> dict[str, object]:
    """`fields`, which name their `type` (`moretta.<kind>.v1`), with a `signature`: key id, public key and value.

    Raises:
        ValueError: no such type, or a signature is there already.
    """
    if "signature" in fields:
        raise ValueError("expected a document without a signature")
    key = signer.public_key
    value = signer.sign(document_message(fields))
    signature = {"key_id": signing_key_id(key), "public_key": to_base64(key), "value": to_base64(value)}
    return {**fields, "signature": signature}


def document_message(fields: Mapping[str, object]) -> bytes:
    """What is signed of a document: a label, its type, and canonical JSON of all but the signature.

    Raises:
        ValueError: the fields name no type.
    """
    kind = fields.get("type")
    if not isinstance(kind, str) or _DOCUMENT_TYPE.fullmatch(kind) is None:
        raise ValueError("expected a document with a type such as moretta.erasure-certificate.v1")
    unsigned = {name: value for name, value in fields.items() if name != "signature"}
    return _DOCUMENT + kind.encode() + b"\n" + canonical_json(unsigned)


def require_signature(document: Mapping[str, object], keys: Sequence[bytes], check: Verifier) -> bytes:
    """The one of the trusted public `keys` that signed the document.

    Raises:
        ProofRejected: no signature, another key's, or the document was changed.
    """
    signature = document.get("signature")
    if not isinstance(signature, Mapping) or set(signature) != {"key_id", "public_key", "value"}:
        raise ProofRejected("expected a signed document, got one without a signature, or with another form of it")
    public_key = from_base64(signature["public_key"], PUBLIC_KEY_BYTES)
    if public_key not in keys:
        raise ProofRejected("the document is signed by a key that is not the trusted one; get the region's public key")
    # The signature does not cover itself: what stands beside its value must follow from the key.
    if signature["key_id"] != signing_key_id(public_key):
        raise ProofRejected("the signature names another key than the one that it shows")
    try:
        message = document_message(document)
    except ValueError as error:
        raise ProofRejected(str(error)) from None
    if not check(public_key, message, from_base64(signature["value"], SIGNATURE_BYTES)):
        raise ProofRejected("the signature does not hold: the document was changed after it was signed")
    return public_key


def to_base64(content: bytes) -> str:
    """Standard base64 with padding (RFC 4648, 4)."""
    return base64.b64encode(content).decode("ascii")


def from_base64(text: object, length: int) -> bytes:
    """The bytes of `text`, of that many. Raises `ProofRejected` where it is something else."""
    try:
        content = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != length or to_base64(content) != text:
        raise ProofRejected(f"expected {length} bytes in base64, got something else")
    return content
