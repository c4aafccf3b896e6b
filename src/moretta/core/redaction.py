"""What redacting media means, as plain values: which faces are hidden, how, and what the check afterwards found.

Belongs here: requests, plans and reports that may leave the worker, and the port that a method of hiding implements.
Does not belong here: any drawing, decoding or finding of faces.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from moretta.core.analysis import Notice
from moretta.core.ports import MediaReader, OnProgress
from moretta.core.recognising import ProbedTracks, ProbeTracksRequest
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

    `check` runs the leak check on the output, in which `every_frame` leaves out none (see `LeakReport`). `seed` chooses the
    avatars' looks, the noise of the other methods and how far a voice is moved; it is drawn anew for each request, never
    derived from a face. `follow_only` finds and follows the faces and writes nothing: the tracks of the result can then be
    named in another request for the same media. `tracking`: how those tracks were followed (see `ProbedTracks`); where the
    item's are followed in any other way, every face is hidden.
    """

    method: Method = Method.BLUR
    scope: Scope = Scope.ALL
    tracks: frozenset[TrackId] = frozenset()
    sound: SoundTreatment = SoundTreatment.KEEP
    check: bool = True
    seed: int = 0
    follow_only: bool = False
    tracking: str = ""
    every_frame: bool = False


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


# How far beyond each side of a face's box a `Redactor` may draw, as a share of the box's width and height; what it draws
# farther out is not written.
REACH = 0.6


class Redactor(Protocol):
    """One method of hiding. Stateful over the frames of one item where it smooths; a fresh one is made for each item."""

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        """Draw over every face of `faces` in `pixels` (h, w, 3) RGB uint8, in place; every pixel of each box's ellipse changes
        so that nothing of the original under it can be seen; never raises for any face, however far outside the picture."""


class FrameEditor(Protocol):
    """What happens to each frame on its way from the input to the output."""

    def regions(self, index: int) -> Sequence[Floats]:
        """Boxes xyxy px (4,) of the upright frame `index`, outside of which `edit` changes nothing; none: it is not called."""

    def edit(self, pixels: Pixels, index: int) -> None:
        """Change `pixels`, the upright frame as RGB uint8 (h, w, 3), in place."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What was written: container's name, size in bytes, frames, what became of the sound (None: there was none)."""

    container: str
    bytes: int
    frames: int
    sound: SoundTreatment | None
    warnings: tuple[Notice, ...] = ()


class RedactableMedia(Protocol):
    """One media item that is read more than once and written anew. All readers agree on the frames and their order."""

    def reader(self) -> MediaReader:
        """A fresh reader over the item; the caller closes it."""

    def rewrite(self, editor: FrameEditor, sound: SoundTreatment, seed: int, frames: int) -> Rewritten:
        """Write the first `frames` frames anew, each after `editor`: same container, codec and times, upright, no metadata.

        Raises:
            MediaTooLarge: the output passes its limit.
            MediaUnsupported: this container cannot be written.
        """

    def written(self) -> MediaReader:
        """A reader over the output; the caller closes it."""


class FaceFollower(Protocol):
    """Finds a face of one picture again in the next, or the one before, without a detector."""

    def thumbnail(self, pixels: Pixels) -> Pixels:
        """What is kept of RGB (h, w, 3) for following: grey (h', w')."""

    def follow(self, before: Pixels, box: Floats, now: Pixels, scale: float) -> tuple[Floats, float]:
        """Where the face at `box` (4,) px of thumbnail `before` is in thumbnail `now`, and how alike the two are (-1 to 1).

        `scale`: thumbnail px per px of `box`.
        """


@dataclass(frozen=True, slots=True)
class Leak:
    """One face that the check found uncovered: `frame` index, `time_s`, `box` xyxy px of the output, and the detector's
    score."""

    frame: int
    time_s: float
    box: tuple[float, float, float, float]
    score: float


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What re-detecting and attacking the output found.

    The check looks at `frames_looked_at` of the output's `frames`: at all of a still, in a video at the first and at those that
    were not looked at to find the faces (at all, where none was left out then); a frame between two looks counts as the look
    before it.

    `frames_with_faces` held a face to hide; `leaks` are at most the first thousand, `frames_leaking` counts
    all; `longest_leak_ms` is the longest run of leaking frames. `reidentified` of `reidentification_trials` faces were ranked
    first in a gallery of `gallery_size` people, most of whom do not exist (chance is 1 in `gallery_size`), by the attack whose
    success is the least likely by chance; `reversal_similarity` is the greatest mean cosine (original's embedding against that
    of the output as it is, or undone) over the attacks tried, None where no face of the item was large enough. A clean report
    is evidence, not proof, that nobody can be recognised.
    """

    frames: int
    frames_looked_at: int
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
    """A face of the item: its track id, seconds of first and last appearance, frames hidden, and whether it was left
    visible."""

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
    bytes: int = 0
    tracks: tuple[HiddenTrack, ...] = ()
    report: LeakReport | None = None
    warnings: tuple[Notice, ...] = field(default=())


class RedactionExecutor(Protocol):
    """Runs redactions away from the caller. The caller keeps the media's descriptor and closes it."""

    def redact(
        self, media_fd: int, request: RedactionRequest, on_progress: OnProgress | None = None
    ) -> tuple[Redaction, int]:
        """What was done to the media in `media_fd`, and a sealed descriptor of the output, which the caller closes.

        With `follow_only` the output is empty.

        Raises:
            MediaError: the media is at fault, or its output over the limit.
            RequestInvalid: the request names tracks that the item does not have.
            TimeLimitExceeded, WorkerLost, Overloaded: as `core.ports.Executor.analyse`.
            Cancelled: `on_progress` raised it.
        """

    def probe_tracks(
        self, media_fd: int, request: ProbeTracksRequest, on_progress: OnProgress | None = None
    ) -> ProbedTracks:
        """The tracks of the media in `media_fd`, as `redact` would follow them, each protected where it is clear whose it is.

        Raises:
            ModelMismatch: the terms' model is not loaded.
            MediaError, TimeLimitExceeded, WorkerLost, Overloaded, Cancelled: as `redact`.
        """

    def close(self) -> None:
        """End the workers. Idempotent."""
