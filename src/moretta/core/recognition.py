"""People who are recognised: collections, persons, faces, and what comes of enrolling and searching.

Belongs here: values, their states, and ids. Does not belong here: templates (see `protection`), keys, SQL, HTTP.

Ids name their region (`col_eu_0123456789abcdef`), so that a request finds its database without a directory over all regions.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from moretta.core.errors import NotFound
from moretta.core.protection import Scheme

REGION = re.compile(r"[a-z][a-z0-9]{0,15}")
_ID = re.compile(
    r"(?P<kind>col|per|fac|imp|con|not|cha|apr|rev|cer|req|hol|inc|run)_(?P<region>[a-z][a-z0-9]{0,15})_(?P<random>[0-9a-f]{24})"
)


class IdKind(StrEnum):
    """What an id names."""

    COLLECTION = "col"
    PERSON = "per"
    FACE = "fac"
    IMPORT = "imp"
    CONSENT = "con"
    NOTICE = "not"
    CHALLENGE = "cha"
    APPROVAL = "apr"
    REVIEW = "rev"
    CERTIFICATE = "cer"
    REQUEST = "req"
    HOLD = "hol"
    INCIDENT = "inc"
    RETENTION_RUN = "run"


def new_id(kind: IdKind, region: str) -> str:
    """A random id (96 bits) of something whose home is `region`."""
    return f"{kind}_{region}_{secrets.token_hex(12)}"


def region_of(some_id: str, kind: IdKind) -> str:
    """The region that the id names.

    Raises:
        NotFound: it is not an id of that kind.
    """
    match = _ID.fullmatch(some_id)
    if match is None or match["kind"] != kind:
        raise NotFound(f"expected an id such as {kind}_local_ and 24 hexadecimal digits")
    return match["region"]


class StoreWish(StrEnum):
    """What a caller wants kept of a photo: `TEMPLATE` is what enrolling needs, `PHOTO` keeps the photo as well."""

    NONE = "none"
    TEMPLATE = "template"
    PHOTO = "photo"


class CollectionState(StrEnum):
    """`REISSUING`: a change of key is under way; reads go on, writes wait. `DELETED`: being taken down."""

    ACTIVE = "active"
    REISSUING = "reissuing"
    DELETED = "deleted"


class PersonState(StrEnum):
    """`RESTRICTED` and `OBJECTED`: kept, never compared. An erased person is not there any more (`PersonErased`)."""

    ACTIVE = "active"
    RESTRICTED = "restricted"
    OBJECTED = "objected"

    @property
    def comparable(self) -> bool:
        """Whether the person's faces take part in comparisons."""
        return self is PersonState.ACTIVE


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a collection decides. Similarities (cosine) from `match` on are a match; `duplicate` is for enrolment.

    `source` says where they come from: `default` (the embedder's card) or `calibrated` (`moretta calibrate`), with the false
    match rate `fmr` that they stand for.
    """

    match: float
    duplicate: float
    fmr: float
    source: str = "default"


@dataclass(frozen=True, slots=True)
class Collection:
    """A gallery of people under one purpose, one model and one protection scheme.

    `home` and `replicas` are the only regions that may hold any of it. `sequence` counts the changes of its gallery.
    `min_quality` (0-100) is the quality gate of enrolment. `bands`: whether a match tells how far over the threshold it is.
    """

    collection_id: str
    company_id: str
    name: str = field(repr=False)
    purpose: str
    scheme: Scheme
    model_id: str
    dimension: int
    key_id: str
    thresholds: Thresholds
    home: str
    replicas: frozenset[str]
    created_at: datetime
    retention_days: int | None = None
    min_quality: float = 40.0
    bands: bool = False
    state: CollectionState = CollectionState.ACTIVE
    sequence: int = 0

    @property
    def regions(self) -> frozenset[str]:
        """Where the collection may be."""
        return self.replicas | {self.home}


@dataclass(frozen=True, slots=True)
class Person:
    """A person of one collection. `name` and `attributes` are the operator's own words, encrypted where they are kept."""

    person_id: str
    collection_id: str
    company_id: str
    created_at: datetime
    state: PersonState = PersonState.ACTIVE
    name: str = field(default="", repr=False)
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    faces: int = 0


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One template of a person, without the template. `row` is its place in the gallery; `photo_id` its stored photo."""

    face_id: str
    person_id: str
    collection_id: str
    row: int
    model_id: str
    key_id: str
    quality: float
    created_at: datetime
    photo_id: str | None = None


class RefusalReason(StrEnum):
    """Why a photo could not be enrolled."""

    NO_FACE = "face.not_found"
    SEVERAL_FACES = "face.multiple"
    LOW_QUALITY = "quality.too_low"
    DUPLICATE = "face.duplicate"


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Somebody already enrolled whose face is as alike as `Thresholds.duplicate` asks."""

    person_id: str
    face_id: str


@dataclass(frozen=True, slots=True)
class FailureToEnrol:
    """A photo that was not enrolled (ISO/IEC 19795-1 counts these): why, and what was measured, in words for a person."""

    reason: RefusalReason
    detail: str
    quality: float | None = None
    components: tuple[tuple[str, float], ...] = ()
    duplicates: tuple[Duplicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A photo that was enrolled."""

    person_id: str
    face: FaceRecord
    duplicates: tuple[Duplicate, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A person of the gallery who matches a face. `rank` counts from 1; `band` only where the collection releases one."""

    person_id: str
    face_id: str
    rank: int
    band: int | None = None


@dataclass(frozen=True, slots=True)
class SearchedFace:
    """One face of a searched photo and its candidates. `box` xyxy px; `reason` where the face could not be compared."""

    box: tuple[float, float, float, float]
    quality: float
    candidates: tuple[Candidate, ...] = ()
    reason: str | None = None
