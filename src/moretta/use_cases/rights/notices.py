"""Signed messages about rights requests: what is told, and what a receiver checks of it.

Belongs here: their content, and checking it offline. Does not belong here: sending them (see `deliver`); where the settings name
nobody to send to, a message waits in the region's database until somebody says that it is delivered.

A message names the request and the company, never a person: its recipient knows whom the request is about.
"""

import json
from collections.abc import Mapping

from moretta.core.clock import from_second, to_second
from moretta.core.documents import Trust, Verified
from moretta.core.errors import ProofRejected
from moretta.core.jws import EDDSA, compact, parsed
from moretta.core.rights import NoticeEvent, RightsRequest
from moretta.core.signing import signing_key_id, to_base64
from moretta.core.usage import canonical_json
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights.means import RightsMeans

NOTICE_TYPE = "moretta.rights-notice.v1"
# Its own, so that a signature of another kind never counts as a message (RFC 8725, 3.11).
NOTICE_JWS_TYPE = "moretta-rights-notice+jws"
# Messages have less than 1 KiB.
_MOST_BYTES = 16 * 1024
_TEXTS = ("event", "request_id", "company_id", "right", "state", "at", "jti")


def notice(means: RightsMeans, region: Region, request: RightsRequest, event: NoticeEvent) -> tuple[NoticeEvent, str]:
    """The event, and a JWS (compact) that the region's key signs."""
    signer, now = region.signing.signer(), means.recognition.clock()
    payload: dict[str, object] = {
        "type": NOTICE_TYPE,
        # RFC 7519, 4.1.6 and 4.1.7. Each request has each event once: whoever gets an id again has heard it before.
        "iat": int(now.timestamp()),
        "jti": f"{request.request_id}.{event}",
        "event": event.value,
        "request_id": request.request_id,
        "company_id": request.company_id,
        "right": request.right.value,
        "article": request.right.article,
        "state": request.state.value,
        "due_at": to_second(request.due_at),
        "certificate_id": request.certificate_id,
        "at": to_second(now),
    }
    header: dict[str, object] = {
        "alg": EDDSA,
        "typ": NOTICE_JWS_TYPE,
        "kid": signing_key_id(signer.public_key),
        "public_key": to_base64(signer.public_key),
    }
    return event, compact(header, canonical_json(payload), signer.sign)


def verify_notice(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of messages in JWS compact form. The key in its header is not believed: only those of `trust` are.

    That a message is new only its receiver can tell, by its `jti`.

    Raises:
        ProofRejected: not signed by a trusted key, changed, or no message about a request.
    """
    if len(content) > _MOST_BYTES:
        raise ProofRejected(f"expected a message of at most {_MOST_BYTES} bytes")
    jws = parsed(content.decode("ascii", "replace").strip())
    if jws.header.get("alg") != EDDSA or jws.header.get("typ") != NOTICE_JWS_TYPE:
        raise ProofRejected(
            "expected a message about a rights request, signed with EdDSA; got another kind of signature"
        )
    signers = [key for key in trust.keys if trust.check(key, jws.message, jws.signature)]
    if not signers:
        raise ProofRejected("the message is not signed by the trusted key, or was changed after it was signed")
    told = _told(jws.payload)
    return Verified(
        NOTICE_TYPE,
        signers[0],
        (
            f"rights request {told['request_id']} of company {told['company_id']}: {told['event']} at {told['at']}",
            f"right: {told['right']}, state: {told['state']}",
            f"id of the message: {told['jti']}; whoever has seen it before drops this one",
        ),
    )


def _told(payload: bytes) -> Mapping[str, object]:
    try:
        fields = json.loads(payload)
        if fields["type"] != NOTICE_TYPE or not all(isinstance(fields[name], str) for name in _TEXTS):
            raise ValueError("type")
        if fields["iat"] != int(from_second(fields["at"]).timestamp()):
            raise ValueError("iat")
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ProofRejected(
            "expected a message about a rights request under the signature, got something else"
        ) from None
    found: Mapping[str, object] = fields
    return found
