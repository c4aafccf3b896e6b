"""What a wrapped key looks like, and AES-256-GCM under a master key that is at hand as bytes.

Belongs here: the form of a wrapped key and ids of master keys. Does not belong here: where master keys are kept.

    form (1 byte) | master key (8 bytes, the random part of its id) | the form's own bytes

Form 1 is AES-256-GCM: nonce (12 bytes) | ciphertext and tag (16 bytes), with everything before the nonce, and the context, as
associated data. Form 2 is AES key wrap with padding (RFC 5649), which only a token makes (see `pkcs11`).
"""

import re
import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from moretta.core.errors import KeyRejected

FORM_GCM, FORM_KEY_WRAP = 1, 2
MASTER_KEY_BYTES = 32
# Random nonces of 96 bits: NIST SP 800-38D 8.3 permits 2^32 uses of one key. A master key wraps one key per person and
# collection, so that a change of the master key once in 4,000,000,000 of them keeps the bound.
NONCE_BYTES = 12
TAG_BYTES = 16

_ID = re.compile(r"master_([0-9a-f]{16})")
_HEAD_BYTES = 9
_KEY_BYTES = range(16, 65)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrapped key in its parts; `head` is what stands before the form's own bytes."""

    form: int
    master_key_id: str
    head: bytes
    content: bytes = field(repr=False)


def new_master_key_id() -> str:
    """A random id (64 bits)."""
    return f"master_{secrets.token_hex(8)}"


def is_master_key_id(text: str) -> bool:
    """Whether `text` is such an id."""
    return _ID.fullmatch(text) is not None


def head_of(form: int, master_key_id: str) -> bytes:
    """The bytes that say the form and the master key."""
    return bytes([form]) + bytes.fromhex(master_key_id.removeprefix("master_"))


def parse_wrapped(wrapped: bytes) -> WrappedKey:
    """The parts of a wrapped key.

    Raises:
        KeyRejected: no wrapped key of ours.
    """
    if len(wrapped) <= _HEAD_BYTES or wrapped[0] not in (FORM_GCM, FORM_KEY_WRAP):
        raise KeyRejected("expected a wrapped key; these bytes are none")
    head = wrapped[:_HEAD_BYTES]
    return WrappedKey(wrapped[0], f"master_{head[1:].hex()}", head, wrapped[_HEAD_BYTES:])


def master_key_of(wrapped: bytes) -> str:
    """The id of the master key that opens `wrapped`. Raises as `parse_wrapped`."""
    return parse_wrapped(wrapped).master_key_id


def checked_key(key: bytes) -> bytes:
    """`key` itself, where it has a length that may be wrapped.

    Raises:
        KeyRejected: it is shorter than 16 or longer than 64 bytes.
    """
    if len(key) not in _KEY_BYTES:
        raise KeyRejected(f"expected a key of 16 to 64 bytes to wrap, got {len(key)}")
    return key


def wrap_under(master_key: bytes, master_key_id: str, key: bytes, context: bytes) -> bytes:
    """`key` in form 1 under `master_key` (32 bytes). Raises as `checked_key`."""
    head, nonce = head_of(FORM_GCM, master_key_id), secrets.token_bytes(NONCE_BYTES)
    return head + nonce + AESGCM(master_key).encrypt(nonce, checked_key(key), head + context)


def unwrap_under(master_key: bytes, wrapped: WrappedKey, context: bytes) -> bytes:
    """The key in `wrapped`, which is of form 1.

    Raises:
        KeyRejected: another form, key or context, or altered bytes.
    """
    nonce, sealed = wrapped.content[:NONCE_BYTES], wrapped.content[NONCE_BYTES:]
    if wrapped.form != FORM_GCM or len(sealed) - TAG_BYTES not in _KEY_BYTES:
        raise KeyRejected("expected a key that this key service wrapped, got another form")
    try:
        return AESGCM(master_key).decrypt(nonce, sealed, wrapped.head + context)
    except InvalidTag:
        raise rejected() from None


def rejected() -> KeyRejected:
    """The one error for all ways in which a wrapped key does not open; which way it was would help only an attacker."""
    return KeyRejected(
        "the wrapped key does not open: it was altered, moved from where it belongs, or is another key service's; "
        "check that this is the key service that the data was written with"
    )
