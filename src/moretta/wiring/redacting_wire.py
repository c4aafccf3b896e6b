"""Requests for redactions and their results as JSON between processes and at the doors.

Belongs here: the one place where a `Redaction` becomes bytes and bytes become one, strictly checked.
"""

from functools import cache

from pydantic import TypeAdapter

from moretta.core.redaction import Redaction, RedactionRequest
from moretta.wiring.wire import not_a_result, parsed

# What sizes and counts of media stay under, by far; NaN is not under it.
_MOST = 2**53


@cache
def _requests() -> TypeAdapter[RedactionRequest]:
    return TypeAdapter(RedactionRequest)


@cache
def _redactions() -> TypeAdapter[Redaction]:
    return TypeAdapter(Redaction)


def redaction_request_json(request: RedactionRequest) -> bytes:
    """`request` as one line of JSON."""
    return _requests().dump_json(request)


def parse_redaction_request(raw: bytes) -> RedactionRequest:
    """The request in `raw`."""
    return parsed(_requests(), raw)


def redaction_json(redaction: Redaction) -> bytes:
    """`redaction` as one line of JSON."""
    return _redactions().dump_json(redaction)


def parse_redaction(raw: bytes) -> Redaction:
    """The redaction in `raw`, which comes from a worker that has read hostile media: nothing about it is taken on trust.

    Raises:
        WorkerLost: it is not a redaction.
    """
    redaction = parsed(_redactions(), raw)
    numbers = (redaction.width, redaction.height, redaction.frames, redaction.bytes, redaction.duration_s)
    if not all(0 <= number < _MOST for number in numbers):
        raise not_a_result()
    return redaction
