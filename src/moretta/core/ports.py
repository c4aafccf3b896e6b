"""The protocols between the layers. Each docstring is a contract that a test holds its implementations to.

Belongs here: a protocol with two implementations, or with one that is real and one that tests need.
Does not belong here: anything with a body.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from moretta.core.analysis import (
    Analysis,
    AnalysisRequest,
    Attributes,
    MediaInfo,
    Notice,
    Posture,
    Progress,
    TrustReport,
)
from moretta.core.values import (
    AudioBlock,
    Embedding,
    Face,
    FaceSample,
    Floats,
    Frame,
    Measurement,
    MediaKind,
    Mesh,
    Pixels,
    TrackedFace,
)

OnProgress = Callable[[Progress], None]


class MediaReader(Protocol):
    """One opened media item. Upright frames in presentation order; constant memory however long the item is."""

    @property
    def info(self) -> MediaInfo:
        """What the container says; `frames` and `duration_s` become those decoded once `frames()` is exhausted."""

    @property
    def frames_total(self) -> int | None:
        """How many frames the container announces, None where it does not; never trusted, only shown."""

    @property
    def scale(self) -> float:
        """Pixels of a frame per pixel of the upright original (`info.width`), at most 1; boxes are reported divided by it."""

    @property
    def warnings(self) -> Sequence[Notice]:
        """What went wrong without ending the analysis, such as a video that breaks half-way."""

    def frames(self) -> Iterator[Frame]:
        """Decode. Raises a `MediaError` before the first frame; after it, ends early and adds to `warnings`."""

    def audio(self) -> Iterator[AudioBlock]:
        """Decode the sound as mono 16 kHz blocks of at most a second; nothing where there is none."""

    def close(self) -> None:
        """Give the memory back. Idempotent."""


class FaceDetector(Protocol):
    """Finds faces in a picture."""

    def detect(self, pixels: Pixels) -> list[Face]:
        """Faces of RGB (h, w, 3), highest score first; boxes within the picture; never raises for any picture."""


class LandmarkModel(Protocol):
    """Fits the 468-point mesh to a face."""

    def fit(self, pixels: Pixels, face: Face) -> Mesh:
        """The mesh of `face`; `presence` tells how far to trust it. `irises` are filled."""


class Tracker(Protocol):
    """Follows faces through a video with stable ids."""

    def update(self, frame: Frame) -> list[TrackedFace]:
        """The faces of the next frame; an id lives on through a short occlusion and is never given to another person."""


class FaceEmbedder(Protocol):
    """Turns an aligned face into a comparable vector."""

    @property
    def model_id(self) -> str:
        """Name and digest of what makes the vectors comparable."""

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        """The embedding of the face at `landmarks` (5, 2) px."""


class AttributeModel(Protocol):
    """Estimates age, gender or expression where a caller asked for it. No Article 9 attribute can be expressed."""

    def estimate(self, pixels: Pixels, tracked: TrackedFace) -> Attributes:
        """Only the attributes this model stands for are filled."""


class PostureModel(Protocol):
    """Measures head and shoulders."""

    def estimate(self, pixels: Pixels, face: Face) -> Posture | None:
        """The posture of the person to whom `face` belongs; None where the body is not in view."""


class AttackScorer(Protocol):
    """A model that scores a face between 0 (genuine) and 1 (attack)."""

    def score(self, pixels: Pixels, tracked: TrackedFace) -> float:
        """The model's raw score for one face of one frame."""


class CueMeter(Protocol):
    """Collects what one cue needs from one track. Memory is bounded however long the track is."""

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order; never raises for any sample."""

    def measure(self) -> Measurement:
        """The finding so far; may be called at any time, more than once, and changes nothing."""


class TrustCue(Protocol):
    """One measurement with a published basis that tells genuine faces from attacks."""

    @property
    def name(self) -> str:
        """Stable name, the key of its calibration."""

    @property
    def kinds(self) -> frozenset[MediaKind]:
        """Where it can be measured."""

    def start(self) -> CueMeter:
        """A fresh meter for one track."""


class Fusion(Protocol):
    """Turns measurements into a calibrated trust report."""

    def report(self, kind: MediaKind, measurements: dict[str, Measurement]) -> TrustReport:
        """The report; a cue without a value does not vote; too little evidence gives no score and says why."""


class Executor(Protocol):
    """Runs analyses away from the caller. The caller keeps the file descriptor and closes it."""

    def analyse(self, media_fd: int, request: AnalysisRequest, on_progress: OnProgress | None = None) -> Analysis:
        """The analysis of the media in `media_fd` (a seekable descriptor, read from its start).

        Raises:
            MediaError: the media is at fault.
            TimeLimitExceeded: it took too long; the worker was ended.
            WorkerLost: the worker died; later calls work.
            Overloaded: no worker became free in time.
            Cancelled: `on_progress` raised it.
        """

    def close(self) -> None:
        """End the workers. Idempotent."""
