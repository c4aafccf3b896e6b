"""One message on a link: a kind, fields as JSON, and binary attachments, each with its length before it.

Belongs here: the frame and its limits. Does not belong here: sockets, what any kind means.
"""

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from moretta.core.errors import MorettaError, RateLimited, RequestInvalid

Json = str | int | float | bool | None | Sequence["Json"] | Mapping[str, "Json"]

# Sealed scores of a gallery of 1,000,000 are 8 to 16 MB; a segment of 2,048 references of 512 dimensions is 17 MB.
BLOBS_LIMIT = 512 * 2**20
HEAD_LIMIT = 4 * 2**20
_MAGIC = b"MLK1"
_START = struct.Struct(">4sI")


class FrameRejected(Exception):
    """Bytes that are no message of ours."""


@dataclass(frozen=True, slots=True)
class Message:
    """`fields` is JSON; `blobs` are bytes that go beside it untouched."""

    kind: str
    fields: Mapping[str, Json] = field(default_factory=dict)
    blobs: tuple[bytes, ...] = field(default=(), repr=False)


def frame(message: Message) -> list[bytes]:
    """The message as pieces to be written in order; blobs are not copied.

    Raises:
        RequestInvalid: it is over a limit, and the other side would refuse it.
    """
    lengths = [len(blob) for blob in message.blobs]
    head = json.dumps(
        {"kind": message.kind, "fields": message.fields, "lengths": lengths}, separators=(",", ":")
    ).encode()
    if len(head) > HEAD_LIMIT or sum(lengths) > BLOBS_LIMIT:
        raise RequestInvalid("expected a message that a link can carry; send less at once")
    return [_START.pack(_MAGIC, len(head)) + head, *message.blobs]


def read_message(read: Callable[[int], bytes]) -> Message:
    """The next message; `read(n)` gives exactly n bytes or raises.

    Raises:
        FrameRejected: something else, or over a limit.
    """
    magic, length = _START.unpack(read(_START.size))
    if magic != _MAGIC or length > HEAD_LIMIT:
        raise FrameRejected("expected a frame of a link")
    try:
        head = json.loads(read(length))
        kind, fields, lengths = head["kind"], head["fields"], head["lengths"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise FrameRejected("expected a head in JSON") from None
    whole = isinstance(kind, str) and isinstance(fields, dict) and isinstance(lengths, list)
    if not whole or not all(type(size) is int and size >= 0 for size in lengths) or sum(lengths) > BLOBS_LIMIT:
        raise FrameRejected("expected a kind, fields and lengths within the limits")
    return Message(kind, fields, tuple(read(size) for size in lengths))


def error_message(error: MorettaError) -> Message:
    """The answer that tells the other side of an error of ours: its code and what it says, never where it was raised."""
    fields: dict[str, Json] = {"code": error.code, "detail": error.detail}
    if isinstance(error, RateLimited):
        fields["retry_after_s"] = error.retry_after_s
    return Message("error", fields)


def raised_by(message: Message) -> MorettaError | None:
    """The error that an answer tells of; None where it is none. A code that we do not know is a plain `MorettaError`."""
    if message.kind != "error":
        return None
    code, detail = str(message.fields.get("code", "")), str(message.fields.get("detail", ""))[:1000]
    pending: list[type[MorettaError]] = [MorettaError]
    while pending:
        kind = pending.pop()
        if kind.code == code:
            return _with_wait(detail, message) if kind is RateLimited else kind(detail)
        pending.extend(kind.__subclasses__())
    return MorettaError("the other side met an unexpected error; its log tells")


def _with_wait(detail: str, message: Message) -> RateLimited:
    told = message.fields.get("retry_after_s")
    return RateLimited(detail, retry_after_s=told) if type(told) is float and 0 < told < 3600 else RateLimited(detail)
