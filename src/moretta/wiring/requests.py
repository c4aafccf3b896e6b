"""What workers are started for, and what kind of request one is given: one word before the body.

Belongs here: the words. Does not belong here: the bodies (see `wire`, `recognising_wire`, `redacting_wire`).
"""

from enum import StrEnum

from moretta.core.errors import RequestInvalid


class RequestKind(StrEnum):
    """What is asked of a worker."""

    ANALYSE = "analyse"
    EMBED = "embed"
    COMPARE = "compare"
    REDACT = "redact"
    FEATURES = "features"
    PROBE_TRACKS = "probe_tracks"


class Duty(StrEnum):
    """What workers are started for: the entry point of each, which loads what that takes and nothing else.

    `COVERS` hides faces by every method but the avatar, `AVATARS` by the avatar alone.
    """

    ALL = "moretta.wiring.worker:worker_handler"
    COVERS = "moretta.wiring.redacting_worker:covers_handler"
    AVATARS = "moretta.wiring.redacting_worker:avatars_handler"


def tagged(kind: RequestKind, body: bytes) -> bytes:
    """A request of that kind."""
    return kind.encode() + b"\n" + body


def untagged(request: bytes) -> tuple[RequestKind, bytes]:
    """Kind and body. Raises `RequestInvalid` where there is no such kind."""
    word, _, body = request.partition(b"\n")
    try:
        return RequestKind(word.decode("ascii")), body
    except ValueError:
        raise RequestInvalid(
            "expected a request of a known kind; the service and its workers differ in version"
        ) from None
