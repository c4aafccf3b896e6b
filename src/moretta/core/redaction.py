"""What redacting media means, as plain values: which faces are hidden, how, and what the check afterwards found.

Belongs here: requests, plans and reports that may leave the worker, and the port that a method of hiding implements.
Does not belong here: any drawing, decoding or finding of faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from moretta.core.values import Floats, Gaze, Mesh, Pixels, Pose, TrackId


class Method(StrEnum):
    """How a face is hidden."""

    BLUR = "blur"
    MOSAIC = "mosaic"
    SOLID = "solid"
    AVATAR = "avatar"


class SoundTreatment(StrEnum):
    """What becomes of the sound track."""

    KEEP = "keep"
    DROP = "drop"
    CHANGE = "change"  # pitch and formants of voices are moved


class Scope(StrEnum):
    """Whose faces are hidden."""

    ALL = "all"
    ALL_BUT = "all-but"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class RedactionRequest:
    """What a caller asks for. `tracks` are the ids that `Scope.ALL_BUT` and `Scope.ONLY` name; empty with `Scope.ALL`.

    `check` runs the leak check on the output. `seed` chooses the avatars' looks; it is drawn anew for each request, never
    derived from a face.
    """

    method: Method = Method.BLUR
    scope: Scope = Scope.ALL
    tracks: frozenset[TrackId] = frozenset()
    sound: SoundTreatment = SoundTreatment.KEEP
    check: bool = True
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FaceToHide:
    """One face in one frame, as the plan of the first pass says it.

    `box` xyxy px float32 (4,) already dilated to what must be covered; `landmarks` px float32 (5, 2). `mesh`, `pose`, `gaze`
    and the openness values (see `FaceSample`) are None where they were not measured or only interpolated between detections.
    """

    track_id: TrackId
    box: Floats
    landmarks: Floats
    mesh: Mesh | None = None
    pose: Pose | None = None
    gaze: Gaze | None = None
    eye_openness: float | None = None
    mouth_openness: float | None = None


class Redactor(Protocol):
    """One method of hiding. Stateful over the frames of one item where it smooths; a fresh one is made for each item."""

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """Draw over every face of `faces` in `pixels` (h, w, 3) RGB uint8, in place; every pixel of each box's ellipse changes
        so that nothing of the original under it can be seen; never raises for any face, however far outside the picture."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One face that the check found uncovered: `frame` index, `time_s`, `box` xyxy px of the output, and the detector's score."""

    frame: int
    time_s: float
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What re-detecting and attacking the output found.

    `frames_with_faces` counts frames that held a face to hide; `leaks` are at most the first thousand, `frames_leaking` counts
    all; `longest_leak_ms` is the longest run of leaking frames. `reidentified` of `reidentification_trials` faces were ranked
    first against the original gallery of `gallery_size` people (chance is 1 in `gallery_size`), each under the attack that did
    best; `reversal_similarity` is the greatest mean cosine (original's against reversed output's embedding) over the attacks
    tried, None where the item holds too little to try. A clean report is evidence, not proof, that nobody can be recognised.
    """

    frames: int
    frames_with_faces: int
    frames_leaking: int
    longest_leak_ms: float
    leaks: tuple[Leak, ...] = ()
    gallery_size: int = 0
    reidentification_trials: int = 0
    reidentified: int = 0
    reversal_similarity: float | None = None

    @property
    def clean(self) -> bool:
        """No frame leaks."""
        return self.frames_leaking == 0


@dataclass(frozen=True, slots=True)
class HiddenTrack:
    """A face of the item: its track id, seconds of first and last appearance, frames hidden, and whether it was left visible."""

    track_id: TrackId
    first_time_s: float
    last_time_s: float
    frames: int
    exempt: bool


@dataclass(frozen=True, slots=True)
class Redaction:
    """What was done to one item. `report` is None where no check was asked for. Nothing in it is a pixel or an embedding."""

    method: Method
    width: int
    height: int
    frames: int
    duration_s: float
    sound: SoundTreatment | None
    container: str
    tracks: tuple[HiddenTrack, ...] = ()
    report: LeakReport | None = None
    warnings: tuple[str, ...] = field(default=())
