"""What is sealed of a consent under the person's data key, and its form.

Belongs here: place and form. Does not belong here: ciphers, SQL.
"""

import base64
import json

from moretta.core.consent import Age, ConsentDetails
from moretta.core.key_service import Place, SubjectCipher, SubjectKey

# A sealed value is as long as what it holds: padding hides whether a guardian consented, but for steps of this many bytes.
_STEP = 256


def seal_details(cipher: SubjectCipher, key: SubjectKey, consent_id: str, details: ConsentDetails) -> bytes:
    """The details, sealed."""
    text = json.dumps(
        {
            "evidence_sha256": details.evidence_sha256,
            "age": details.age.value,
            "guardian": details.guardian,
            "proof": details.proof,
            "public_key": _to_text(details.public_key),
            "credential_id": _to_text(details.credential_id),
            "sign_count": details.sign_count,
            "recorded_by": details.recorded_by,
        },
        ensure_ascii=False,
    ).encode()
    return cipher.seal(key, _place(consent_id), text.ljust(-(-len(text) // _STEP) * _STEP))


def open_details(cipher: SubjectCipher, key: SubjectKey, consent_id: str, sealed: bytes) -> ConsentDetails:
    """The details. Raises `KeyRejected` where they are another consent's, or altered."""
    found = json.loads(cipher.open(key, _place(consent_id), sealed))
    return ConsentDetails(
        evidence_sha256=str(found["evidence_sha256"]),
        age=Age(found["age"]),
        guardian=str(found["guardian"]),
        proof=str(found["proof"]),
        public_key=base64.b64decode(found["public_key"]),
        credential_id=base64.b64decode(found["credential_id"]),
        sign_count=int(found["sign_count"]),
        recorded_by=str(found["recorded_by"]),
    )


def _place(consent_id: str) -> Place:
    return Place("consents", consent_id, "details")


def _to_text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
