"""The worker's side: loads every model once, then answers analysis requests about a descriptor.

Belongs here: what runs inside the confined process. It is called once before the kernel takes files and network away.
"""

from collections.abc import Callable

from moretta.core.analysis import Progress
from moretta.settings import Settings
from moretta.use_cases.analyse import analyse
from moretta.vision.decode import DecodeOptions, open_media, warm_up
from moretta.wiring.instruments import Workshop
from moretta.wiring.rehearsal import rehearse
from moretta.wiring.wire import analysis_json, parse_request, progress_json

Tell = Callable[[bytes], None]
Handler = Callable[[int, bytes, Tell], bytes]


def worker_handler() -> Handler:
    """The handler of analysis requests, with all models loaded and every lazy import done.

    Raises:
        ModelMissing, ModelCorrupt: `moretta models install` mends it.
    """
    settings = Settings()
    limits = settings.limits
    workshop = Workshop(settings.models_dir, allow_expression=settings.allow_expression)
    warm_up()

    def handle(media_fd: int, request: bytes, tell: Tell) -> bytes:
        wanted = parse_request(request)

        def on_progress(progress: Progress) -> None:
            tell(progress_json(progress))

        reader = open_media(media_fd, limits, DecodeOptions())
        return analysis_json(analyse(reader, wanted, workshop.instruments(wanted), on_progress))

    rehearse(workshop)
    return handle
