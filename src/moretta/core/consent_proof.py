"""How a subject proves a consent: what is handed in, and what checking it gives.

Belongs here: values, the forms of public keys and proofs, the ports that check. Does not belong here: the cryptography (see
`keys.subjects`, `keys.passkeys`), where proofs are kept.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.consent import Challenge, ConsentDetails
from moretta.core.errors import ProofRejected, RequestInvalid
from moretta.core.jws import from_base64url, to_base64url
from moretta.core.usage import canonical_json

ED25519_BYTES, P256_BYTES = 32, 65
_COORDINATE_BYTES = 32
_UNCOMPRESSED = b"\x04"  # SEC 1, 2.3.3: both coordinates follow

# A passkey answers twice: once to show its new key, once to sign. Each answer is to its own challenge.
_REGISTRATION, _CONSENT = b"moretta passkey registration 1\n", b"moretta passkey consent 1\n"


@dataclass(frozen=True, slots=True)
class PaperProof:
    """A form signed by hand, which the operator keeps: the SHA-256 of its scan, and who recorded it."""

    evidence_sha256: str
    recorded_by: str


@dataclass(frozen=True, slots=True)
class KeyProof:
    """A signature (64 bytes) of the subject's own key over `signed_bytes`: Ed25519, or ECDSA on P-256 with SHA-256 (r, s)."""

    challenge_id: str
    public_key: bytes
    signature: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PasskeyProof:
    """What a browser answered, as JSON: `assertion` always, `registration` where the passkey was made for this consent."""

    challenge_id: str
    assertion: str = field(repr=False)
    registration: str = field(default="", repr=False)


Proof = PaperProof | KeyProof | PasskeyProof


@dataclass(frozen=True, slots=True)
class Proved:
    """What a signature that holds says: `document` is canonical JSON with which others can check it."""

    public_key: bytes
    document: bytes = field(repr=False)
    credential_id: bytes = b""
    sign_count: int = 0

    @property
    def sha256(self) -> str:
        """Of the document, in hexadecimal."""
        return hashlib.sha256(self.document).hexdigest()


class SubjectKeys(Protocol):
    """Checks signatures of subjects' own keys."""

    def proved(self, challenge: Challenge, proof: KeyProof) -> Proved:
        """Raises `SignatureRejected` where the key did not sign the challenge's statement."""


@dataclass(frozen=True, slots=True)
class PasskeyOptions:
    """What a page hands to the browser (JSON): `registration` is empty where the subject has a passkey already."""

    registration: str
    authentication: str


class Passkeys(Protocol):
    """Speaks WebAuthn for one origin."""

    def options(self, challenge: Challenge, known: ConsentDetails | None) -> PasskeyOptions:
        """`known`: an earlier consent of the same person by passkey."""

    def proved(self, challenge: Challenge, proof: PasskeyProof, known: ConsentDetails | None) -> Proved:
        """What the answers prove.

        Raises:
            SubjectMismatch: another passkey than the person's, or an answer to another challenge.
            SignatureRejected: the signature does not hold, or the user was not verified, or the origin is another.
        """


def signed_bytes(challenge: Challenge) -> bytes:
    """What a key of the subject's own signs: the canonical JSON of the challenge's statement."""
    return canonical_json(challenge.statement())


def registration_challenge(challenge: Challenge) -> bytes:
    """What a passkey that is made for a consent answers first (32 bytes)."""
    return hashlib.sha256(_REGISTRATION + signed_bytes(challenge)).digest()


def consent_challenge(statement: Mapping[str, object]) -> bytes:
    """What a passkey signs to consent (32 bytes): SHA-256 over notice, purpose, collection, subject and nonce."""
    return hashlib.sha256(_CONSENT + canonical_json(statement)).digest()


def key_from_jwk(jwk: Mapping[str, object]) -> bytes:
    """A subject's public key from its JWK (RFC 7517): Ed25519 (RFC 8037) or P-256 (RFC 7518, 6.2).

    Raises:
        RequestInvalid: another kind of key.
    """
    kind = (jwk.get("kty"), jwk.get("crv"))
    if kind == ("OKP", "Ed25519"):
        return _coordinate(jwk, "x")
    if kind == ("EC", "P-256"):
        return _UNCOMPRESSED + _coordinate(jwk, "x") + _coordinate(jwk, "y")
    raise RequestInvalid("expected the subject's public key as a JWK of Ed25519 or P-256")


def key_to_jwk(public_key: bytes) -> dict[str, str]:
    """The JWK of such a key."""
    if len(public_key) == ED25519_BYTES:
        return {"crv": "Ed25519", "kty": "OKP", "x": to_base64url(public_key)}
    x, y = public_key[1 : 1 + _COORDINATE_BYTES], public_key[1 + _COORDINATE_BYTES :]
    return {"crv": "P-256", "kty": "EC", "x": to_base64url(x), "y": to_base64url(y)}


def _coordinate(jwk: Mapping[str, object], name: str) -> bytes:
    try:
        value = from_base64url(str(jwk.get(name, "")))
    except ProofRejected:
        value = b""
    if len(value) != _COORDINATE_BYTES:
        raise RequestInvalid(f"expected `{name}` of the public key as 32 bytes in URL-safe base64")
    return value
