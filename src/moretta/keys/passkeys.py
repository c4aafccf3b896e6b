"""Passkeys: what a page asks of a browser, and whether the answer is a subject's signature (W3C Web Authentication, level 3).

Belongs here: one relying party's options and checks. Does not belong here: pages, challenges (see `core.consent`), where public
keys are kept.

A new passkey shows its public key without attestation, and that answer is not signed; so whoever makes one for a consent signs
with it at once, and the second answer is what proves.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

import webauthn
from cryptography.exceptions import InvalidSignature
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
    verify_signature,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticationCredential,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    RegistrationCredential,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from moretta.core.consent import CHALLENGE_LIFE, Challenge, ConsentDetails
from moretta.core.consent_proof import PasskeyOptions, PasskeyProof, Proved, consent_challenge, registration_challenge
from moretta.core.errors import ProofRejected, RequestInvalid, SignatureRejected, SubjectMismatch
from moretta.core.jws import from_base64url, to_base64url
from moretta.core.usage import canonical_json

# What platforms make today: P-256 everywhere, Ed25519 on security keys, RSA where a computer's TPM makes nothing else.
_ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_USER_ID_BYTES = 16
# Answers of browsers have about 1 KiB; attestation is not asked for.
MAX_ANSWER_BYTES = 16 * 1024


class WebAuthnPasskeys:
    """`core.consent_proof.Passkeys` for the pages of one origin.

    Args:
        origin: scheme, host and, where it is not the usual one, port of the pages: `https://host`.
        name: what the browser shows as whoever asks.
    """

    def __init__(self, origin: str, name: str) -> None:
        self._origin, self._name = origin, name
        self._rp_id = relying_party(origin)

    def options(self, challenge: Challenge, known: ConsentDetails | None) -> PasskeyOptions:
        """As `Passkeys.options`."""
        life_ms = int(CHALLENGE_LIFE.total_seconds() * 1000)
        allowed = [] if known is None else [PublicKeyCredentialDescriptor(known.credential_id)]
        asked = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=consent_challenge(challenge.statement()),
            timeout=life_ms,
            allow_credentials=allowed,
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        if known is not None:
            return PasskeyOptions("", webauthn.options_to_json(asked))
        # The browser keeps the user's name and id beside the passkey: both say nothing about the person.
        made = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name=self._name,
            user_name=f"consent {challenge.created_at:%Y-%m-%d}",
            user_id=secrets.token_bytes(_USER_ID_BYTES),
            challenge=registration_challenge(challenge),
            timeout=life_ms,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            supported_pub_key_algs=_ALGORITHMS,
        )
        return PasskeyOptions(webauthn.options_to_json(made), webauthn.options_to_json(asked))

    def proved(self, challenge: Challenge, proof: PasskeyProof, known: ConsentDetails | None) -> Proved:
        """As `Passkeys.proved`."""
        assertion = _assertion(proof.assertion)
        key, credential_id, count = self._key(challenge, proof, known)
        if assertion.raw_id != credential_id:
            raise SubjectMismatch(
                "expected an answer of the passkey that stands for this person; got another passkey's"
            )
        expected = consent_challenge(challenge.statement())
        _require_challenge(assertion.response.client_data_json, expected)
        try:
            verified = webauthn.verify_authentication_response(
                credential=assertion,
                expected_challenge=expected,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                credential_public_key=key,
                credential_current_sign_count=count,
                require_user_verification=True,
            )
        except WebAuthnException as error:
            raise _rejected(error) from error
        document = {
            "method": "passkey",
            "statement": challenge.statement(),
            "rp_id": self._rp_id,
            "cose_key": to_base64url(key),
            "authenticator_data": to_base64url(assertion.response.authenticator_data),
            "client_data": to_base64url(assertion.response.client_data_json),
            "signature": to_base64url(assertion.response.signature),
        }
        return Proved(key, canonical_json(document), credential_id, verified.new_sign_count)

    def _key(self, challenge: Challenge, proof: PasskeyProof, known: ConsentDetails | None) -> tuple[bytes, bytes, int]:
        """Public key, id and counter of the passkey: the known one, or the one that was made for this consent."""
        if known is not None and proof.registration:
            raise SubjectMismatch("this person has a passkey already; expected an answer of that one, not of a new one")
        if known is not None:
            return known.public_key, known.credential_id, known.sign_count
        if not proof.registration:
            raise RequestInvalid("expected `registration` as well: this person has no passkey yet")
        made = _registration(proof.registration)
        expected = registration_challenge(challenge)
        _require_challenge(made.response.client_data_json, expected)
        try:
            verified = webauthn.verify_registration_response(
                credential=made,
                expected_challenge=expected,
                expected_rp_id=self._rp_id,
                expected_origin=self._origin,
                require_user_verification=True,
                supported_pub_key_algs=_ALGORITHMS,
            )
        except WebAuthnException as error:
            raise _rejected(error) from error
        return verified.credential_public_key, verified.credential_id, verified.sign_count


def is_passkey_proof(document: Mapping[str, Any]) -> bool:
    """Whether the document of a `Proved` holds by itself: the key signed its statement, verified, for its relying party."""
    try:
        key, data, client, signature = (
            from_base64url(document[name]) for name in ("cose_key", "authenticator_data", "client_data", "signature")
        )
        asked = parse_client_data_json(client)
        expected = consent_challenge(document["statement"])
        if asked.challenge != expected or asked.type != "webauthn.get" or not _verified_for(data, document["rp_id"]):
            return False
        decoded = decode_credential_public_key(key)
        if decoded.alg not in _ALGORITHMS:
            return False
        public = decoded_public_key_to_cryptography(decoded)
        verify_signature(public_key=public, signature_alg=decoded.alg, signature=signature, data=data + _sha256(client))
    except (KeyError, TypeError, ValueError, ProofRejected, WebAuthnException, InvalidSignature):
        return False
    return True


def relying_party(origin: str) -> str:
    """The id of the relying party: the origin's host.

    Raises:
        RequestInvalid: no origin that browsers let make passkeys.
    """
    scheme, separator, rest = origin.partition("://")
    host, _, port = rest.partition(":")
    sound = separator and host and "/" not in rest and (not port or port.isdigit())
    if not sound or (scheme != "https" and not (scheme == "http" and host == "localhost")):
        raise RequestInvalid("expected an origin such as https://host (http for localhost alone)")
    return host


def _verified_for(data: bytes, rp_id: str) -> bool:
    """Whether authenticator data are for the relying party, with the user present and verified (level 3, 6.1)."""
    present_and_verified = 0b101
    return (
        len(data) >= 37
        and data[:32] == _sha256(rp_id.encode())
        and data[32] & present_and_verified == present_and_verified
    )


def _registration(answer: str) -> RegistrationCredential:
    try:
        return parse_registration_credential_json(_sized(answer))
    except WebAuthnException as error:
        raise _rejected(error) from error


def _assertion(answer: str) -> AuthenticationCredential:
    try:
        return parse_authentication_credential_json(_sized(answer))
    except WebAuthnException as error:
        raise _rejected(error) from error


def _sized(answer: str) -> str:
    if len(answer) > MAX_ANSWER_BYTES:
        raise RequestInvalid(f"expected a browser's answer of at most {MAX_ANSWER_BYTES} bytes")
    return answer


def _require_challenge(client_data: bytes, expected: bytes) -> None:
    """Somebody else's answer, or one to another notice, is told from a forged one."""
    try:
        given = from_base64url(json.loads(client_data)["challenge"])
    except (KeyError, TypeError, ValueError, ProofRejected) as error:
        raise SignatureRejected("expected a browser's answer with its challenge; ask again") from error
    if given != expected:
        raise SubjectMismatch("expected an answer to this challenge; got one to another")


def _rejected(error: WebAuthnException) -> SignatureRejected:
    return SignatureRejected(
        "expected a verified user's passkey to sign this challenge on the pages of this deployment; ask again "
        f"({type(error).__name__})"
    )


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
