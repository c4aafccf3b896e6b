"""The worker's side: loads every model once, then answers requests about a descriptor.

Belongs here: what runs inside the confined process. It is called once before the kernel takes files and network away.
"""

from collections.abc import Callable
from functools import lru_cache

from moretta.core.analysis import Progress
from moretta.core.limits import MediaLimits
from moretta.core.protection import ProtectionTerms, TemplateProtector
from moretta.core.recognising import Compared, Embedded, EmbedRequest
from moretta.protection.schemes import protector
from moretta.settings import Settings
from moretta.use_cases.analyse import analyse
from moretta.use_cases.embed import compare, embed
from moretta.use_cases.features import measure_features
from moretta.use_cases.redaction.probe import probe_tracks
from moretta.vision.decode import DecodeOptions, open_media, warm_up
from moretta.vision.encode import DescriptorMedia
from moretta.wiring.feature_instruments import feature_instruments, rehearse_features
from moretta.wiring.features_wire import feature_set_json, parse_feature_request
from moretta.wiring.instruments import Workshop
from moretta.wiring.recognising_wire import (
    compared_json,
    embedded_json,
    parse_compare_request,
    parse_embed_request,
    parse_probe_tracks_request,
    probed_tracks_json,
)
from moretta.wiring.redacting import redaction_instruments, rehearse_redaction
from moretta.wiring.redacting_worker import redacted
from moretta.wiring.rehearsal import rehearse, rehearse_recognition
from moretta.wiring.requests import RequestKind, untagged
from moretta.wiring.wire import analysis_json, not_a_result, parse_request, progress_json

Tell = Callable[[bytes], None]
Handler = Callable[..., bytes]

# A busy worker protects for the same few collections; reading a public key anew for each photo would be waste.
_PROTECTORS = 8
# Where no output is made there is no descriptor for it.
_NOTHING_WRITTEN = -1


def worker_handler() -> Handler:
    """The handler of requests, with all models loaded and every lazy import done.

    Raises:
        ModelMissing, ModelCorrupt: `moretta models install` mends it.
    """
    settings = Settings()
    workshop = Workshop(settings.models_dir, allow_expression=settings.allow_expression)
    warm_up()
    protector_of = lru_cache(maxsize=_PROTECTORS)(protector)
    bench = _Bench(workshop, settings.limits, protector_of)
    rehearse(workshop)
    rehearse_recognition(workshop)
    rehearse_redaction(workshop)
    rehearse_features(workshop)
    return bench.handle


class _Bench:
    """Where one worker does its work."""

    def __init__(
        self, workshop: Workshop, limits: MediaLimits, protector_of: Callable[[ProtectionTerms], TemplateProtector]
    ) -> None:
        self._workshop, self._limits, self._protector_of = workshop, limits, protector_of
        self._redaction = redaction_instruments(workshop)

    def handle(self, media_fd: int, request: bytes, tell: Tell, output_fd: int | None = None) -> bytes:
        """The answer to one request; what is written goes into `output_fd`."""
        kind, body = untagged(request)
        match kind:
            case RequestKind.ANALYSE:
                return self._analyse(media_fd, body, tell)
            case RequestKind.EMBED:
                return embedded_json(self._embed(media_fd, parse_embed_request(body)))
            case RequestKind.COMPARE:
                return compared_json(self._compare(media_fd, body))
            case RequestKind.PROBE_TRACKS:
                return self._probe_tracks(media_fd, body, tell)
            case RequestKind.FEATURES:
                return self._features(media_fd, body, tell)
            case RequestKind.REDACT:
                if output_fd is not None:
                    return redacted(media_fd, output_fd, body, tell, self._redaction, self._limits)
        raise not_a_result()

    def _analyse(self, media_fd: int, body: bytes, tell: Tell) -> bytes:
        wanted = parse_request(body)

        def on_progress(progress: Progress) -> None:
            tell(progress_json(progress))

        reader = open_media(media_fd, self._limits, DecodeOptions())
        return analysis_json(analyse(reader, wanted, self._workshop.instruments(wanted), on_progress))

    def _probe_tracks(self, media_fd: int, body: bytes, tell: Tell) -> bytes:
        wanted = parse_probe_tracks_request(body)
        embedder, protects = self._workshop.embedder(wanted.terms.model_id), self._protector_of(wanted.terms)

        def on_progress(progress: Progress) -> None:
            tell(progress_json(progress))

        media = DescriptorMedia(media_fd, _NOTHING_WRITTEN, self._limits)
        measures = self._workshop.face_instruments()
        return probed_tracks_json(
            probe_tracks(media, wanted, self._redaction, measures, embedder, protects, on_progress)
        )

    def _features(self, media_fd: int, body: bytes, tell: Tell) -> bytes:
        wanted = parse_feature_request(body)

        def on_progress(progress: Progress) -> None:
            tell(progress_json(progress))

        reader = open_media(media_fd, self._limits, DecodeOptions())
        instruments = feature_instruments(self._workshop, wanted)
        return feature_set_json(measure_features(reader, wanted, instruments, on_progress))

    def _embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        embedder = self._workshop.embedder(request.terms.model_id)
        reader = open_media(media_fd, self._limits, DecodeOptions())
        protects = self._protector_of(request.terms)
        return embed(reader, request, self._workshop.face_instruments(), embedder, protects)

    def _compare(self, media_fd: int, body: bytes) -> Compared:
        request, first_bytes = parse_compare_request(body)
        embedder = self._workshop.embedder(request.model_id)
        first = open_media(media_fd, self._limits, DecodeOptions(), (0, first_bytes))
        second = open_media(media_fd, self._limits, DecodeOptions(), (first_bytes, self._limits.bytes + 1))
        return compare(first, second, request.threshold, self._workshop.face_instruments(), embedder)
