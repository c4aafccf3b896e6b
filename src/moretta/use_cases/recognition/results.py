"""What recognition answers beside the core's own values, and what an import is given.

Belongs here: frozen values that doors turn into answers. Does not belong here: templates, scores.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from moretta.core.ports import OnProgress
from moretta.core.recognising import ProbedTracks, ProbeTracksRequest
from moretta.core.recognition import SearchedFace
from moretta.core.values import TrackId

Box = tuple[float, float, float, float]
# A team on a photo; each is a comparison with each face, which the caller's brake counts.
MAX_PERSONS = 20


class TrackProber(Protocol):
    """Follows and protects faces in confined workers, as `core.redaction.RedactionExecutor.probe_tracks`."""

    def probe_tracks(
        self, media_fd: int, request: ProbeTracksRequest, on_progress: OnProgress | None = None
    ) -> ProbedTracks:
        """See `core.redaction.RedactionExecutor`."""


@dataclass(frozen=True, slots=True)
class SeenFace:
    """The face of a photo: `box` xyxy px of the upright original; `quality` and its `components` 0-100."""

    box: Box
    quality: float
    components: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two photos show the same person, decided at the threshold of false match rate `fmr`."""

    match: bool
    first: SeenFace
    second: SeenFace
    fmr: float
    model_id: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether a photo shows the person claimed. `face_id`: the enrolled face that matched best; None without a match.

    `from_region`: where it was compared; `behind`: how many changes of the gallery that place had not seen yet; `search_id`:
    under which the act stands in the log and in "who searched me"; `pending`: the id of a proposal that people must confirm,
    until when this is no match.
    """

    match: bool
    face_id: str | None
    face: SeenFace
    fmr: float
    from_region: str = ""
    behind: int = 0
    search_id: str = ""
    pending: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """Who of the gallery is in a photo, face by face. `from_region`, `behind` and `search_id` as in `Verification`.

    `pending`: the id of a proposal that people must confirm; until they have, no face names anybody.
    """

    faces: tuple[SearchedFace, ...]
    fmr: float
    from_region: str = ""
    behind: int = 0
    search_id: str = ""
    pending: str | None = None


@dataclass(frozen=True, slots=True)
class RecognisedTracks:
    """Which tracks of an item show one of the persons who were named.

    `shown` matched somebody; `others` were compared with everybody named and matched nobody, and are none where somebody could
    not be compared; any other track is unclear, of which there are `unclear`. Of `named` persons `compared` were compared, and
    `found` in some track. `tracking` is how the tracks were followed (see `RedactionRequest`); empty where nobody was compared.
    """

    tracking: str
    shown: frozenset[TrackId]
    others: frozenset[TrackId]
    unclear: int
    named: int
    compared: int
    found: int


@dataclass(frozen=True, slots=True)
class ImportItem:
    """One photo to import.

    `key` names it within its import (a relative path, a line of a list) and is never stored. `open` gives a descriptor that the
    import closes. Items of one `person_key` are photos of one person; left out, each item is a person of its own.
    `consent_id`: the consent on which it rests, which says who it is. `source`: where the photo comes from; a photo with
    neither is refused (Regulation (EU) 2024/1689, Art. 5(1)(e)).
    """

    key: str = field(repr=False)
    open: Callable[[], int]
    person_name: str = field(default="", repr=False)
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    person_key: str | None = field(default=None, repr=False)
    consent_id: str | None = None
    source: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ImportFailure:
    """An item that was not enrolled: its key as given, a stable code, and why in words."""

    key: str = field(repr=False)
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is: items dealt with, and of these enrolled, failed, and done by an earlier run."""

    done: int
    enrolled: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What came of an import. With `import_id` it can be run again: what is done is skipped, what failed is tried again."""

    import_id: str
    enrolled: int
    skipped: int
    persons: int
    duplicates: int
    failures: tuple[ImportFailure, ...] = ()


@dataclass(frozen=True, slots=True)
class StepProgress:
    """How far a job over a collection is: `done` of `total` steps of `stage`."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Reenrolment:
    """What came of moving a collection to another model: persons of `needing_photo` have no face until one is enrolled."""

    model_id: str
    faces: int
    needing_photo: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a dead process had left behind and is gone now."""

    photos: int = 0
    segments: int = 0
    keys: int = 0


@dataclass(frozen=True, slots=True)
class PhotoOfPerson:
    """A stored photo, decrypted: JPEG, upright, with nothing beside the pixels."""

    content: bytes = field(repr=False)
    created_at: datetime
    media_type: str = "image/jpeg"


OnImport = Callable[[ImportProgress], None]
OnStep = Callable[[StepProgress], None]
