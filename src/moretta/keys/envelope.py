"""Encrypts what belongs to a subject under that subject's own data key, which the key service wraps.

Belongs here: data keys of subjects, and sealed values bound to their place. Does not belong here: master keys, SQL.

    sealed value: form (1 byte) | nonce (12 bytes) | AES-256-GCM ciphertext and tag (16 bytes)

The subject and the place are associated data, each part behind its length, so that no two places give the same bytes.
Opened data keys are never cached: one whose master key was destroyed must not open from memory.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from moretta.core.errors import KeyRejected
from moretta.core.key_service import KeyService, Place, SubjectKey
from moretta.keys.rotation import rewrapped

_FORM = 1
_DATA_KEY_BYTES = 32
# A fresh random nonce for each value: NIST SP 800-38D 8.3 permits 2^32 values under one key, and a subject has hundreds.
_NONCE_BYTES = 12
_TAG_BYTES = 16
_SUBJECT_CONTEXT = b"moretta.subject-key\0"


class Envelope:
    """`core.key_service.SubjectCipher` over any key service. Safe for threads where the key service is."""

    def __init__(self, key_service: KeyService) -> None:
        self._service = key_service

    def new_key(self, subject_id: str) -> SubjectKey:
        """As `SubjectCipher.new_key`."""
        key = secrets.token_bytes(_DATA_KEY_BYTES)
        return SubjectKey(subject_id, self._service.wrap(key, subject_context(subject_id)), key)

    def opened(self, subject_id: str, wrapped: bytes) -> SubjectKey:
        """As `SubjectCipher.opened`."""
        return SubjectKey(subject_id, wrapped, self._service.unwrap(wrapped, subject_context(subject_id)))

    def rewrapped(self, subject_id: str, wrapped: bytes) -> bytes | None:
        """As `SubjectCipher.rewrapped`."""
        return rewrapped(self._service, wrapped, subject_context(subject_id))

    def seal(self, key: SubjectKey, place: Place, plaintext: bytes) -> bytes:
        """As `SubjectCipher.seal`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return bytes([_FORM]) + nonce + AESGCM(key.key).encrypt(nonce, plaintext, _bound_to(key.subject_id, place))

    def open(self, key: SubjectKey, place: Place, sealed: bytes) -> bytes:
        """As `SubjectCipher.open`."""
        if len(sealed) < 1 + _NONCE_BYTES + _TAG_BYTES or sealed[0] != _FORM:
            raise KeyRejected("expected a sealed value; these bytes are none")
        nonce, content = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            return AESGCM(key.key).decrypt(nonce, content, _bound_to(key.subject_id, place))
        except InvalidTag:
            raise KeyRejected(
                "a stored value does not open: it was altered, or moved from the subject or place that it belongs to"
            ) from None


def subject_context(subject_id: str) -> bytes:
    """What a subject's data key is bound to."""
    return _SUBJECT_CONTEXT + subject_id.encode()


def _bound_to(subject_id: str, place: Place) -> bytes:
    parts = [part.encode() for part in (subject_id, place.table, place.row, place.column)]
    return bytes([_FORM]) + b"".join(len(part).to_bytes(4, "big") + part for part in parts)
