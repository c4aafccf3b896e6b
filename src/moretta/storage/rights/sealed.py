"""What is sealed of a rights request under the person's data key, and its form.

Belongs here: place and form. Does not belong here: ciphers, SQL.
"""

import json

from moretta.core.key_service import Place, SubjectCipher, SubjectKey
from moretta.core.rights import RequestDetails

# A sealed value is as long as what it holds: padding hides it but for steps of this many bytes.
_STEP = 256


def seal_request(cipher: SubjectCipher, key: SubjectKey, request_id: str, details: RequestDetails) -> bytes:
    """The details, sealed."""
    fields = {"wishes": details.wishes, "reason": details.reason, "outcome": details.outcome}
    text = json.dumps(fields, ensure_ascii=False).encode()
    return cipher.seal(key, _place(request_id), text.ljust(-(-len(text) // _STEP) * _STEP))


def open_request(cipher: SubjectCipher, key: SubjectKey, request_id: str, sealed: bytes) -> RequestDetails:
    """The details. Raises `KeyRejected` where they are another request's, or altered."""
    found = json.loads(cipher.open(key, _place(request_id), sealed))
    wishes = tuple((str(name), str(value)) for name, value in found["wishes"])
    return RequestDetails(wishes, str(found["reason"]), str(found["outcome"]))


def _place(request_id: str) -> Place:
    return Place("rights_requests", request_id, "details")
