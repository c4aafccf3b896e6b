"""A signed batch as bytes: made by the reporter, read by the hub.

The envelope is canonical JSON, `{"batch": {...}, "signature": "..."}`. The signature is Ed25519 (RFC 8032) over the canonical
bytes of the batch, behind a fixed prefix, so that it can never be taken for a signature over anything else.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from moretta.core.errors import RequestInvalid, UsageRejected
from moretta.core.metering import SealedBatch
from moretta.core.usage import (
    UsageBatch,
    UsageRecord,
    batch_fields,
    batch_from_fields,
    canonical_json,
    new_batch,
    parse_canonical_json,
    require_company_id,
    require_fields,
    serialise_batch,
)

SIGNING_KEY_PREFIX = "msk_"
ENVELOPE_BYTES_MAX = 1024 * 1024

_DOMAIN = b"moretta usage batch v1\n"
_FIELDS = frozenset({"batch", "signature"})
_KEY_BYTES = 32
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """A batch that has the closed schema, and a signature that nobody has checked yet."""

    batch: UsageBatch
    signature: bytes


@dataclass(frozen=True, slots=True)
class IssuedSigningKey:
    """A fresh key pair: `secret` is shown once and stored nowhere; `public` (32 bytes) is what a hub keeps."""

    public: bytes
    secret: str = field(repr=False)


class BatchSigner:
    """Freezes records of one company into a signed batch."""

    def __init__(self, company_id: str, signing_key: str) -> None:
        """Take the company id and the signing key (`msk_...`) that the hub issued.

        Raises:
            UsageRejected: not a company id.
            RequestInvalid: not a signing key.
        """
        self.company_id = require_company_id(company_id)
        self._key = _private_key(signing_key)

    def seal(self, records: tuple[UsageRecord, ...]) -> SealedBatch:
        """A batch of `records` under a fresh random id, with its signature."""
        batch = new_batch(self.company_id, records)
        signature = self._key.sign(_DOMAIN + serialise_batch(batch))
        fields = {"batch": batch_fields(batch), "signature": base64.b64encode(signature).decode("ascii")}
        return SealedBatch(batch.batch_id, batch.company_id, canonical_json(fields), len(records), batch.items)


def new_signing_key() -> IssuedSigningKey:
    """A fresh key pair."""
    key = Ed25519PrivateKey.generate()
    secret = base64.urlsafe_b64encode(key.private_bytes_raw()).decode("ascii").rstrip("=")
    return IssuedSigningKey(key.public_key().public_bytes_raw(), SIGNING_KEY_PREFIX + secret)


def parse_envelope(raw: bytes) -> SignedBatch:
    """The batch and the signature in an envelope; the signature is not checked yet.

    Raises:
        UsageRejected: over 1 MiB, or any byte other than `BatchSigner` would have written.
    """
    if len(raw) > ENVELOPE_BYTES_MAX:
        raise UsageRejected(f"expected at most {ENVELOPE_BYTES_MAX} bytes")
    fields = require_fields(parse_canonical_json(raw), _FIELDS, "envelope")
    return SignedBatch(batch_from_fields(fields["batch"]), _signature(fields["signature"]))


def is_signed_by(signed: SignedBatch, public_key: bytes) -> bool:
    """Whether the key (32 bytes) made the signature."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signed.signature, _DOMAIN + serialise_batch(signed.batch))
    except (InvalidSignature, ValueError):
        return False
    return True


def acknowledgement(batch_id: str, company_id: str, records: int, envelope: bytes) -> bytes:
    """The hub's whole answer to a batch that it has kept; the same for the first and for every later arrival."""
    digest = hashlib.sha256(envelope).hexdigest()
    return canonical_json({"batch_id": batch_id, "company_id": company_id, "records": records, "sha256": digest})


def _private_key(text: str) -> Ed25519PrivateKey:
    expected = RequestInvalid(
        "expected a signing key that starts with `msk_`, as the hub printed it once; issue another"
    )
    if not text.startswith(SIGNING_KEY_PREFIX):
        raise expected
    try:
        raw = base64.urlsafe_b64decode(text.removeprefix(SIGNING_KEY_PREFIX) + "=")
    except (binascii.Error, ValueError):
        raise expected from None
    if len(raw) != _KEY_BYTES:
        raise expected
    return Ed25519PrivateKey.from_private_bytes(raw)


def _signature(value: object) -> bytes:
    wrong = UsageRejected(f"signature: expected {_SIGNATURE_BYTES} bytes in base64")
    if not isinstance(value, str):
        raise wrong
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if len(raw) != _SIGNATURE_BYTES or base64.b64encode(raw).decode("ascii") != value:
        raise wrong
    return raw
