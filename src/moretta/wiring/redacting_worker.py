"""The side of a worker that hides faces; also a worker of its own, which can do nothing else and so starts quickly.

Belongs here: answering requests to redact. Does not belong here: every other request (see `worker`).
"""

from collections.abc import Callable, Collection

from moretta.core.analysis import Progress
from moretta.core.errors import RequestInvalid
from moretta.core.limits import MediaLimits
from moretta.core.redaction import Method
from moretta.settings import Settings
from moretta.use_cases.redaction.instruments import RedactionInstruments
from moretta.use_cases.redaction.redact import redact
from moretta.vision.decode import warm_up
from moretta.vision.encode import DescriptorMedia
from moretta.wiring.face_workshop import FaceWorkshop
from moretta.wiring.redacting import redaction_instruments, rehearse_redaction
from moretta.wiring.redacting_wire import parse_redaction_request, redaction_json
from moretta.wiring.requests import RequestKind, untagged
from moretta.wiring.wire import progress_json

Tell = Callable[[bytes], None]
Handler = Callable[..., bytes]


def covers_handler() -> Handler:
    """The handler of requests to cover faces, with its models loaded and every lazy import done.

    Raises:
        ModelMissing, ModelCorrupt: `moretta models install` mends it.
    """
    return _handler(frozenset(Method) - {Method.AVATAR})


def avatars_handler() -> Handler:
    """As `covers_handler`, for avatars."""
    return _handler(frozenset({Method.AVATAR}))


def _handler(methods: frozenset[Method]) -> Handler:
    settings = Settings()
    workshop = FaceWorkshop(settings.models_dir)
    warm_up()
    rehearse_redaction(workshop, sorted(methods))
    instruments = redaction_instruments(workshop)

    def handle(media_fd: int, request: bytes, tell: Tell, output_fd: int | None = None) -> bytes:
        kind, body = untagged(request)
        if kind is not RequestKind.REDACT or output_fd is None:
            raise _another_duty()
        return redacted(media_fd, output_fd, body, tell, instruments, settings.limits, methods)

    return handle


def redacted(
    media_fd: int,
    output_fd: int,
    body: bytes,
    tell: Tell,
    instruments: RedactionInstruments,
    limits: MediaLimits,
    methods: Collection[Method] = tuple(Method),
) -> bytes:
    """The answer to a request to redact the media in `media_fd`; what is written goes into `output_fd`."""
    wanted = parse_redaction_request(body)
    if wanted.method not in methods:
        raise _another_duty()

    def on_progress(progress: Progress) -> None:
        tell(progress_json(progress))

    media = DescriptorMedia(media_fd, output_fd, limits)
    return redaction_json(redact(media, wanted, instruments, on_progress))


def _another_duty() -> RequestInvalid:
    return RequestInvalid("expected a request to hide faces by a method that this worker was started for, got another")
