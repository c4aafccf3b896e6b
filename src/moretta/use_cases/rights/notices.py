"""Signed messages about rights requests: what is told, and to whom it is left.

Belongs here: their content. Does not belong here: sending them. This program opens no connection for it: a message waits in the
region's database until whoever delivers it (the operator's own job, over the API or the command line) says that it is delivered.

A message names the request and the company, never a person: its recipient knows whom the request is about.
"""

from moretta.core.clock import to_second
from moretta.core.jws import EDDSA, compact
from moretta.core.rights import NoticeEvent, RightsRequest
from moretta.core.signing import signing_key_id, to_base64
from moretta.core.usage import canonical_json
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.rights.means import RightsMeans

NOTICE_TYPE = "moretta.rights-notice.v1"


def notice(means: RightsMeans, region: Region, request: RightsRequest, event: NoticeEvent) -> tuple[NoticeEvent, str]:
    """The event, and a JWS (compact) that the region's key signs."""
    signer = region.signing.signer()
    payload: dict[str, object] = {
        "type": NOTICE_TYPE,
        "event": event.value,
        "request_id": request.request_id,
        "company_id": request.company_id,
        "right": request.right.value,
        "article": request.right.article,
        "state": request.state.value,
        "due_at": to_second(request.due_at),
        "certificate_id": request.certificate_id,
        "at": to_second(means.recognition.clock()),
    }
    header: dict[str, object] = {
        "alg": EDDSA,
        "typ": "JWT",
        "kid": signing_key_id(signer.public_key),
        "public_key": to_base64(signer.public_key),
    }
    return event, compact(header, canonical_json(payload), signer.sign)
