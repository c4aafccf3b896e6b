"""What vision, signals and trust pass to each other while one media item is analysed.

Belongs here: frozen values with arrays, alive only inside the worker process.
Does not belong here: anything that leaves the worker (see `analysis`).

Coordinates are pixels of the upright frame, x to the right and y down. "Right" and "left" are the subject's own.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
TrackId = NewType("TrackId", int)


class Profile(StrEnum):
    """How much work is spent on a frame."""

    FAST = "fast"
    ACCURATE = "accurate"


class MediaKind(StrEnum):
    """What a media item is."""

    IMAGE = "image"
    VIDEO = "video"


def _read_only(array: npt.NDArray[np.generic]) -> None:
    array.flags.writeable = False


@dataclass(frozen=True, slots=True)
class Frame:
    """One upright picture: `pixels` is RGB, uint8, shape (h, w, 3)."""

    pixels: Pixels
    index: int
    time_ns: int

    def __post_init__(self) -> None:
        if self.pixels.ndim != 3 or self.pixels.shape[2] != 3 or self.pixels.dtype != np.uint8:
            raise ValueError(f"expected RGB uint8 (h, w, 3), got {self.pixels.dtype} {self.pixels.shape}")
        _read_only(self.pixels)


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Consecutive mono samples: `samples` float32 in -1..1, shape (n,), at `rate_hz`."""

    samples: Floats
    rate_hz: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face: `box` xyxy px float32 (4,); `landmarks` px float32 (5, 2).

    Landmark order: right eye, left eye, nose tip, right and left mouth corner (image-left first on a frontal face).
    """

    box: Floats
    landmarks: Floats
    detection_score: float

    def __post_init__(self) -> None:
        if self.box.shape != (4,) or self.landmarks.shape != (5, 2):
            raise ValueError(f"expected box (4,) and landmarks (5, 2), got {self.box.shape} and {self.landmarks.shape}")
        _read_only(self.box)
        _read_only(self.landmarks)


@dataclass(frozen=True, slots=True)
class Mesh:
    """The MediaPipe face mesh of one face: `points` px float32 (468, 3), z in px towards negative = nearer.

    `presence` is the model's probability (0-1) that the region holds a face. `irises` px float32 (2, 5, 2): the subject's
    right then left iris, each centre, then four points on its rim; None where they were not measured.
    """

    points: Floats
    presence: float
    irises: Floats | None = None

    def __post_init__(self) -> None:
        if self.points.shape != (468, 3):
            raise ValueError(f"expected points (468, 3), got {self.points.shape}")
        _read_only(self.points)
        if self.irises is not None:
            if self.irises.shape != (2, 5, 2):
                raise ValueError(f"expected irises (2, 5, 2), got {self.irises.shape}")
            _read_only(self.irises)


@dataclass(frozen=True, slots=True)
class Pose:
    """Head rotation in degrees: yaw > 0 towards image-right, pitch > 0 up, roll > 0 clockwise as seen; 0 looks ahead."""

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Gaze:
    """Iris offset from the eye-corner midpoint, in half eye widths: x > 0 image-right, y > 0 down."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Quality:
    """Face image quality in ISO/IEC 29794-5's terms; each component 0 (worst) to 100 (best)."""

    sharpness: float
    under_exposure_prevention: float
    over_exposure_prevention: float
    inter_eye_distance: float
    head_pose: float
    unified: float
    inter_eye_px: float


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """One face of one frame with the stable id of its track. `detected` tells a fresh detection from a followed mesh."""

    track_id: TrackId
    face: Face
    mesh: Mesh
    detected: bool


@dataclass(frozen=True, slots=True)
class FaceSample:
    """All that was measured of one tracked face in one frame; cues and signal meters observe these in time order.

    `skin` float32 (3, 3): mean RGB (0-255) of forehead, subject's right cheek, subject's left cheek, or None where a region
    is empty. `eye_openness` is the eye aspect ratio averaged over both eyes; `mouth_openness` the inner-lip gap over the
    mouth width.
    """

    frame: Frame
    tracked: TrackedFace
    pose: Pose
    gaze: Gaze | None
    eye_openness: float
    mouth_openness: float
    skin: Floats | None = None

    @property
    def time_s(self) -> float:
        """Presentation time in seconds."""
        return self.frame.time_ns / 1e9


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a cue's meter found: a `value` in the cue's own unit, or None with the `reason` in words a person understands.

    `coverage` (0-1) is the share of the wanted evidence that was there. `detail` holds further figures for the explanation.
    """

    value: float | None
    coverage: float
    reason: str = ""
    detail: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embedding:
    """A face embedding: `vector` float32 (d,), unit norm, comparable only under the same `model_id`."""

    vector: Floats
    model_id: str

    def __post_init__(self) -> None:
        if self.vector.ndim != 1 or abs(float(np.linalg.norm(self.vector)) - 1) > 1e-3:
            raise ValueError("expected a unit vector of shape (d,)")
        _read_only(self.vector)
