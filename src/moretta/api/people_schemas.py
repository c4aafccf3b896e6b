"""The shapes of collections, persons, faces and decisions.

Belongs here: what the API takes and shows of recognition. Does not belong here: addresses, how core's values turn into them (see
`people_views`), templates (nothing shows one).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from moretta.core.protection import Scheme
from moretta.core.recognition import (
    CollectionState,
    PersonState,
    Thresholds,
)
from moretta.use_cases.recognition.collections import MAX_NAME, MAX_PURPOSE, MAX_RETENTION_DAYS

# One line of text: what a list or a terminal shows as it is.
_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
MAX_ATTRIBUTES = 32

AttributeName = Annotated[str, Field(min_length=1, max_length=64, pattern=_LINE)]
AttributeValue = Annotated[str, Field(max_length=500, pattern=_LINE)]
PersonName = Annotated[str, Field(max_length=MAX_NAME, pattern=_LINE, examples=["Employee 17"])]
Attributes = Annotated[dict[AttributeName, AttributeValue], Field(max_length=MAX_ATTRIBUTES, examples=[{"desk": "4"}])]
Line = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=_LINE)]
Purpose = Annotated[str, Field(min_length=1, max_length=MAX_PURPOSE, pattern=_LINE, examples=["door access, plant 2"])]
RegionName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,15}$", examples=["eu"])]
Days = Annotated[int, Field(ge=1, le=MAX_RETENTION_DAYS)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class ThresholdsView(BaseModel, extra="forbid"):
    """Similarities (cosine) from which faces match, or are reported as duplicates at enrolment; `fmr` is the false match
    rate that `match` stands for."""

    match: float = Field(ge=-1, le=1, allow_inf_nan=False)
    duplicate: float = Field(ge=-1, le=1, allow_inf_nan=False)
    fmr: float = Field(gt=0, lt=1, allow_inf_nan=False)
    source: str = Field(default="calibrated", max_length=64, pattern=r"^[a-z][a-z0-9 ._-]*$")

    def value(self) -> Thresholds:
        """As the core has it."""
        return Thresholds(self.match, self.duplicate, self.fmr, self.source)


class NewCollection(BaseModel, extra="forbid"):
    """A gallery to be made. What is left out takes the default of the deployment or of the model."""

    name: Line
    purpose: Purpose
    scheme: Scheme = Scheme.HE
    region: RegionName | None = Field(default=None, description="Its home; null: the deployment's first region.")
    replicas: list[RegionName] = Field(default=[], max_length=32, description="Where else it may be.")
    retention_days: Days | None = Field(default=None, description="null: until it is deleted.")
    model: str | None = Field(default=None, max_length=200, description="An installed embedder; null: the default one.")
    min_quality: Percent | None = Field(default=None, description="The quality gate of enrolment, 0-100.")
    bands: bool = Field(default=False, description="Whether a match tells coarsely how far over the threshold it is.")
    thresholds: ThresholdsView | None = None


class CollectionChanges(BaseModel, extra="forbid"):
    """What of a collection shall change; what is left out stays."""

    # Whether a field was sent is what counts; a factory keeps a default that means nothing out of the document.
    name: Line = Field(default_factory=str)
    purpose: Purpose = Field(default_factory=str)
    retention_days: Days | None = Field(default=None, description="null: until it is deleted.")
    min_quality: Percent = Field(default_factory=float)
    bands: bool = Field(default_factory=bool)
    thresholds: ThresholdsView | None = Field(default=None, description="null: as they are.")
    replicas: list[RegionName] = Field(default_factory=list, max_length=32)


class CollectionView(BaseModel):
    """A gallery of people under one purpose, one model and one protection scheme."""

    id: str
    name: str
    purpose: str
    scheme: Scheme
    model_id: str
    dimension: int
    key_id: str
    thresholds: ThresholdsView
    region: str
    replicas: list[str]
    created_at: datetime
    retention_days: int | None
    min_quality: float
    bands: bool
    state: CollectionState


class CollectionPage(BaseModel):
    """The company's collections, in the order of their ids."""

    data: list[CollectionView]
    next_cursor: str | None


class PersonView(BaseModel):
    """A person. `name` and `attributes` are the operator's own words, encrypted where they are kept."""

    id: str
    collection_id: str
    name: str
    attributes: dict[str, str]
    state: PersonState
    faces: int
    created_at: datetime


class PersonPage(BaseModel):
    """The collection's persons, in the order of their ids."""

    data: list[PersonView]
    next_cursor: str | None


class PersonChanges(BaseModel, extra="forbid"):
    """What of a person shall change; what is left out stays. `restricted` and `objected`: kept, never compared.

    `reason`: needed where somebody who was restricted or objected is made `active` again; it is recorded.
    """

    name: PersonName | None = None
    attributes: Attributes | None = None
    state: PersonState | None = None
    reason: Annotated[str, Field(max_length=1000)] | None = None


class FaceView(BaseModel):
    """One template of a person, without the template. `has_photo`: whether the photo is kept, too."""

    id: str
    person_id: str
    model_id: str
    quality: float
    has_photo: bool
    created_at: datetime


class FacePage(BaseModel):
    """All faces of a person, the oldest first."""

    data: list[FaceView]
    next_cursor: str | None = None


class DuplicateView(BaseModel):
    """Somebody already enrolled whose face is as alike as the collection's threshold for duplicates."""

    person_id: str
    face_id: str


class PhotoOutcome(BaseModel):
    """What became of one photo: a face, or the code of the reason and what was measured."""

    index: int
    outcome: Literal["enrolled", "failed"]
    face: FaceView | None = None
    code: str | None = None
    detail: str | None = None
    quality: float | None = None
    components: dict[str, float] | None = None
    duplicates: list[DuplicateView] = []


class Enrolment(BaseModel):
    """A person and an outcome for each photo, in the order in which they were sent. At least one photo was enrolled."""

    person_id: str
    photos: list[PhotoOutcome]


class Erasure(BaseModel):
    """What was deleted; it cannot be brought back."""

    id: str
    persons: int
    faces: int
    photos: int


class PersonErasure(Erasure):
    """A person who was erased. `certificate_id`: what says how, at `/v1/receipts`; `waiting`: nodes that acknowledge it later."""

    certificate_id: str | None = None
    waiting: list[str] = []


class PhotoAddress(BaseModel):
    """Where one stored photo can be fetched without a key until `expires_at`; relative to the service's own address."""

    url: str = Field(examples=["/v1/photos/MTc0..."])
    expires_at: datetime


class SeenFaceView(BaseModel):
    """The face of a photo: `box` x1, y1, x2, y2 in px; `quality` and its `components` 0-100."""

    box: tuple[float, float, float, float]
    quality: float
    components: dict[str, float]


class ComparisonView(BaseModel):
    """Whether two photos show the same person, decided at a threshold of false match rate `fmr`. No score is told."""

    match: bool
    fmr: float
    model_id: str
    a: SeenFaceView
    b: SeenFaceView


class VerificationView(BaseModel):
    """Whether the photo shows that person. `face_id`: the enrolled face that matched best. `from_region`: where it was
    compared; `behind`: how many changes that place had not seen yet. `search_id`: the record of the act. `pending`: the proposal
    that people must confirm (GET /v1/reviews/{id}); until they have, this is no match."""

    person_id: str
    match: bool
    face_id: str | None
    fmr: float
    face: SeenFaceView
    from_region: str
    behind: int
    search_id: str
    pending: str | None


class CandidateView(BaseModel):
    """Somebody who matches; `rank` counts from 1. `band` only where the collection releases it, `name` only where asked."""

    person_id: str
    face_id: str
    rank: int
    band: int | None = None
    name: str | None = None


class SearchedFaceView(BaseModel):
    """One face of the photo; `reason` says why it could not be compared, where it could not."""

    box: tuple[float, float, float, float]
    quality: float
    reason: str | None
    candidates: list[CandidateView]


class SearchView(BaseModel):
    """Every face of the photo with those of the gallery who match it. `search_id`: the record of the act.

    `pending`: the proposal that people must confirm (GET /v1/reviews/{id}); until they have, no face names anybody.
    """

    faces: list[SearchedFaceView]
    fmr: float
    from_region: str
    behind: int
    search_id: str
    pending: str | None


class Renewal(StrEnum):
    """What of a collection is made anew.

    `key`: another key and rotation, without enrolling anybody again. `shares`: fresh shares at the parties. `packing`: packed
    ciphertexts without what was removed. `model`: templates of another model, from stored photos.
    """

    KEY = "key"
    SHARES = "shares"
    PACKING = "packing"
    MODEL = "model"


class NewRenewal(BaseModel, extra="forbid"):
    """What shall be made anew; left out: the key, or for the scheme `shares` the shares."""

    renew: Renewal | None = None
    model: str | None = Field(default=None, max_length=200, description="With `model`: which; null: the default one.")
