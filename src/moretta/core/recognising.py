"""What passes between the service and a worker when faces are protected, and the port of whoever does that.

Belongs here: requests and results of recognition as values, and their bounds. Does not belong here: how a face is found,
measured, embedded or protected, and their form as bytes.

An embedding never leaves the worker: what comes back is a payload that the terms' scheme protects, or a decision.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from moretta.core.protection import ProtectionTerms
from moretta.core.values import TrackId

# A still may show a crowd; the worker of analyses bounds it at the same number.
MAX_FACES = 100
# The longest of any scheme: an `he` probe of 2,048 dimensions, a `shares` reference of 4,096; ten times a usual one.
MAX_PAYLOAD_BYTES = 256 * 1024
# A stored photo is written anew by the worker: at most 2,048 px a side, which JPEG at quality 95 keeps under this.
MAX_PHOTO_BYTES = 8 * 1024 * 1024
# Of an item with more tracks the longest are protected: a crowd is hidden whole, and a caller's brake counts each.
MAX_TRACKS = 100


class Wanted(StrEnum):
    """What is made of the faces of one photo.

    `REFERENCE`: the one face, as a reference and as a probe (duplicates are looked for with it), behind the quality gate.
    `PROBE`: every face, as a probe. `PROBE_OF_ONE`: the one face, as a probe.
    """

    REFERENCE = "reference"
    PROBE = "probe"
    PROBE_OF_ONE = "probe_of_one"


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Protect the face or faces of one still picture under `terms`.

    Faces under `min_quality` (0-100) are described and not protected. `photo`: give the picture back as well, upright, without
    what its file said beside the pixels.
    """

    terms: ProtectionTerms
    wanted: Wanted
    min_quality: float = 0.0
    max_faces: int = MAX_FACES
    photo: bool = False


@dataclass(frozen=True, slots=True)
class EmbeddedFace:
    """One face: `box` xyxy in px of the upright original, `quality` and its `components` 0-100.

    `reference` and `probe` are payloads in the scheme's form; None where the face was not protected, and then `reason` tells
    why in words for a person.
    """

    box: tuple[float, float, float, float]
    quality: float
    components: tuple[tuple[str, float], ...]
    reference: bytes | None = field(default=None, repr=False)
    probe: bytes | None = field(default=None, repr=False)
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Embedded:
    """The faces of one picture, the largest first; with several faces where one was wanted, none of them is protected.

    `size` is that of the upright original, width and height in px.
    """

    faces: tuple[EmbeddedFace, ...]
    photo: bytes | None = field(default=None, repr=False)
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """Whether two pictures show the same person: the similarity of their faces under `model_id` reaches `threshold`."""

    model_id: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Compared:
    """The decision, and the face of each picture; `match` is None where a picture does not show exactly one usable face."""

    match: bool | None
    first: tuple[EmbeddedFace, ...]
    second: tuple[EmbeddedFace, ...]


@dataclass(frozen=True, slots=True)
class ProbeTracksRequest:
    """Follow the faces of an image or a video and protect each track under `terms`, as one probe.

    A track is one person's where its faces, looked at one after the other, reach `threshold` with those before; it takes part
    with faces of `min_quality` (0-100) and better.
    """

    terms: ProtectionTerms
    threshold: float
    min_quality: float = 0.0


@dataclass(frozen=True, slots=True)
class ProbedTrack:
    """One track, with a probe of `faces` of its faces together; None where it is not clear whose it is."""

    track_id: TrackId
    faces: int = 0
    probe: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProbedTracks:
    """Every track of an item, by id; `tracking` (64 hexadecimal digits) names exactly how they were followed.

    Whoever names these tracks in a `RedactionRequest` hands `tracking` back with them: nobody stays visible by an id that
    means another face by then.
    """

    tracking: str
    tracks: tuple[ProbedTrack, ...]


class FaceReader(Protocol):
    """Reads faces in confined workers. The caller keeps the file descriptors and closes them. Safe for several threads."""

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        """The faces of the picture in `media_fd`, protected.

        Raises:
            MediaError: the media is at fault, or is a video.
            ModelMismatch: the terms' model is not loaded.
            TimeLimitExceeded, WorkerLost, Overloaded: as `core.ports.Executor.analyse`.
        """

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        """Whether two pictures show the same person; raises as `embed` does."""


@dataclass(frozen=True, slots=True)
class EmbedderCard:
    """What is known about an embedder.

    `similarities` pairs false match rates with the thresholds that were measured for them, the highest rate first; empty for
    a network of the operator's own, until it is calibrated.
    """

    name: str
    model_id: str
    dimension: int
    similarities: tuple[tuple[float, float], ...] = ()
    source: str = ""
