"""Signatures of subjects' own keys: Ed25519, and ECDSA over P-256 with SHA-256 as every browser makes it.

Belongs here: the check. Does not belong here: passkeys (see `passkeys`), our own keys (see `signing`).
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from moretta.core.consent import Challenge
from moretta.core.consent_proof import ED25519_BYTES, P256_BYTES, KeyProof, Proved, key_to_jwk, signed_bytes
from moretta.core.errors import SignatureRejected
from moretta.core.jws import to_base64url
from moretta.core.usage import canonical_json
from moretta.keys.signing import is_signed_by

# r and s of 32 bytes each (RFC 7518, 3.4); Ed25519 signatures are as long.
_SIGNATURE_BYTES = 64


class SubjectKeyCheck:
    """`core.consent_proof.SubjectKeys`."""

    def proved(self, challenge: Challenge, proof: KeyProof) -> Proved:
        """As `SubjectKeys.proved`."""
        if not is_signed_by_subject(proof.public_key, signed_bytes(challenge), proof.signature):
            raise SignatureRejected(
                "expected a signature by the given key over the challenge's statement; sign it again"
            )
        document = {
            "method": "key",
            "statement": challenge.statement(),
            "jwk": key_to_jwk(proof.public_key),
            "signature": to_base64url(proof.signature),
        }
        return Proved(proof.public_key, canonical_json(document))


def is_signed_by_subject(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the signature (64 bytes) is the key's; False also for bytes that are no key or signature."""
    if len(signature) != _SIGNATURE_BYTES:
        return False
    if len(public_key) == ED25519_BYTES:
        return is_signed_by(public_key, message, signature)
    return len(public_key) == P256_BYTES and _is_ecdsa(public_key, message, signature)


def _is_ecdsa(public_key: bytes, message: bytes, signature: bytes) -> bool:
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
