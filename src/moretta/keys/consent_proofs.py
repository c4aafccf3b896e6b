"""Whether the proof in a receipt of consent is the subject's own signature, whichever way they signed.

Belongs here: telling the ways apart. Does not belong here: what a receipt says beside it.
"""

from collections.abc import Mapping

from moretta.core.consent_proof import key_from_jwk
from moretta.core.errors import ProofRejected, RequestInvalid
from moretta.core.jws import from_base64url
from moretta.core.usage import canonical_json
from moretta.keys.passkeys import is_passkey_proof
from moretta.keys.subjects import is_signed_by_subject


def is_subjects_signature(proof: Mapping[str, object]) -> bool:
    """Whether it holds by itself: the key in it signed the statement in it. False for anything of another form."""
    if proof.get("method") == "passkey":
        return is_passkey_proof(proof)
    return proof.get("method") == "key" and _is_key_proof(proof)


def _is_key_proof(proof: Mapping[str, object]) -> bool:
    jwk, signature = proof.get("jwk"), proof.get("signature")
    if not isinstance(jwk, Mapping) or not isinstance(signature, str):
        return False
    try:
        return is_signed_by_subject(
            key_from_jwk(jwk), canonical_json(proof.get("statement")), from_base64url(signature)
        )
    except (RequestInvalid, ProofRejected):
        return False
