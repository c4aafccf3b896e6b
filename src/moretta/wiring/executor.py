"""Analyses in confined worker processes.

Belongs here: the `Executor` over the sandbox's pool, started as the settings say. Does not belong here: what a worker does.
"""

import os
from collections.abc import Callable

from moretta.core.analysis import Analysis, AnalysisRequest
from moretta.core.features import FeatureRequest, FeatureSet
from moretta.core.limits import MediaLimits
from moretta.core.ports import OnProgress
from moretta.core.recognising import ProbedTracks, ProbeTracksRequest
from moretta.core.redaction import Redaction, RedactionRequest
from moretta.sandbox.confinement import Confinement, Mode
from moretta.sandbox.output import OutputMemory
from moretta.sandbox.pool import WorkerPool, probe
from moretta.settings import Settings
from moretta.wiring.features_wire import feature_request_json, parse_feature_set
from moretta.wiring.policy import policy_in_force, reads_expressions
from moretta.wiring.recognising import PoolFaceReader
from moretta.wiring.recognising_wire import parse_probed_tracks, probe_tracks_request_json
from moretta.wiring.redacting_wire import parse_redaction, redaction_request_json
from moretta.wiring.requests import Duty, RequestKind, tagged
from moretta.wiring.wire import not_a_result, parse_analysis, parse_progress, request_json

# A picture that was saved at a low quality may need several times its bytes; a small file may need room for a container's index.
_OUTPUT_TIMES, _OUTPUT_BYTES = 4, 16 * 2**20
# What a worker must know; nothing else of the environment is inherited.
_WORKER_SETTINGS = ("models_dir", "max_bytes", "max_pixels", "max_frames", "max_duration_s")


class PoolExecutor:
    """`core.ports.Executor` over a pool of workers, whose every word is checked. `faces` are read by the same workers."""

    def __init__(
        self, pool: WorkerPool, redaction_limit_s: float | None = None, most_output_bytes: int = MediaLimits().bytes
    ) -> None:
        self.pool = pool
        self._redaction_limit_s, self._most_output_bytes = redaction_limit_s, most_output_bytes
        self.faces = PoolFaceReader(pool)

    def analyse(self, media_fd: int, request: AnalysisRequest, on_progress: OnProgress | None = None) -> Analysis:
        """The analysis of the media in `media_fd`; see the port for what it raises."""
        return parse_analysis(
            self.pool.run(media_fd, tagged(RequestKind.ANALYSE, request_json(request)), _teller(on_progress))
        )

    def features(self, media_fd: int, request: FeatureRequest, on_progress: OnProgress | None = None) -> FeatureSet:
        """See `core.features.FeatureExecutor`."""
        body = tagged(RequestKind.FEATURES, feature_request_json(request))
        return parse_feature_set(self.pool.run(media_fd, body, _teller(on_progress)))

    def redact(
        self, media_fd: int, request: RedactionRequest, on_progress: OnProgress | None = None
    ) -> tuple[Redaction, int]:
        """See `core.redaction.RedactionExecutor`."""

        def size_of(result: bytes) -> int:
            return parse_redaction(result).bytes

        body = tagged(RequestKind.REDACT, redaction_request_json(request))
        output = OutputMemory(output_limit(os.fstat(media_fd).st_size, self._most_output_bytes))
        try:
            result = self.pool.run(
                media_fd,
                body,
                _teller(on_progress),
                time_limit_s=self._redaction_limit_s,
                output=output,
                size_of=size_of,
            )
            redaction = parse_redaction(result)
            if bool(redaction.bytes) == request.follow_only:
                raise not_a_result()
            return redaction, output.detach()
        finally:
            output.close()

    def probe_tracks(
        self, media_fd: int, request: ProbeTracksRequest, on_progress: OnProgress | None = None
    ) -> ProbedTracks:
        """See `core.redaction.RedactionExecutor`."""
        body = tagged(RequestKind.PROBE_TRACKS, probe_tracks_request_json(request))
        return parse_probed_tracks(
            self.pool.run(media_fd, body, _teller(on_progress), time_limit_s=self._redaction_limit_s)
        )

    def close(self) -> None:
        """End the workers. Idempotent."""
        self.pool.close()


def _teller(on_progress: OnProgress | None) -> Callable[[bytes], None]:
    """What is done with a worker's word of progress: it is checked, whether or not anybody listens."""

    def tell(raw: bytes) -> None:
        progress = parse_progress(raw)
        if on_progress is not None:
            on_progress(progress)

    return tell


def output_limit(media_bytes: int, most: int) -> int:
    """How many bytes an output may have: some times its input's, since another encoder made that, and never over `most`."""
    return min(most, _OUTPUT_TIMES * media_bytes + _OUTPUT_BYTES)


def start_executor(settings: Settings, *, workers: int | None = None, duty: Duty = Duty.ALL) -> PoolExecutor:
    """A running executor with the settings' workers, or another number of them, for everything or for one duty."""
    pool = WorkerPool(
        duty,
        workers=workers or settings.workers,
        mode=Mode(settings.sandbox),
        memory_bytes=settings.worker_memory_mb * 2**20,
        time_limit_s=settings.time_limit_s,
        queue_limit_s=max(settings.queue_limit_s, 60.0) if workers else settings.queue_limit_s,
        environment=_environment(settings),
    )
    return PoolExecutor(pool, settings.redaction_limit_s, settings.max_bytes)


def confinement(settings: Settings) -> Confinement:
    """What would be in force around a worker on this machine, as one that is started for it reports.

    Raises:
        SandboxUnavailable: the settings require more than the kernel gives.
    """
    return probe(Mode.BEST_EFFORT, environment=_environment(settings))


def _environment(settings: Settings) -> dict[str, str]:
    told = {name: str(getattr(settings, name)) for name in _WORKER_SETTINGS}
    # Workers know no policy: they read expressions, or do not have the model for it.
    told["allow_expression"] = str(reads_expressions(policy_in_force(settings)))
    return {f"MORETTA_{name.upper()}": value for name, value in told.items()}
