"""How core's values about people turn into the shapes of the API.

Belongs here: from values to views. Does not belong here: the shapes themselves (see `people_schemas`).
"""

from collections.abc import Mapping, Sequence

from moretta.api.people_schemas import (
    CandidateView,
    CollectionView,
    ComparisonView,
    DuplicateView,
    Enrolment,
    FaceView,
    PersonView,
    PhotoOutcome,
    SearchedFaceView,
    SearchView,
    SeenFaceView,
    ThresholdsView,
    VerificationView,
)
from moretta.core.recognition import (
    Candidate,
    Collection,
    Duplicate,
    Enrolled,
    FaceRecord,
    FailureToEnrol,
    Person,
    SearchedFace,
)
from moretta.use_cases.recognition.results import Comparison, Search, SeenFace, Verification


def collection_view(collection: Collection) -> CollectionView:
    """`collection` as its owner sees it."""
    at = collection.thresholds
    return CollectionView(
        id=collection.collection_id,
        name=collection.name,
        purpose=collection.purpose,
        scheme=collection.scheme,
        model_id=collection.model_id,
        dimension=collection.dimension,
        key_id=collection.key_id,
        thresholds=ThresholdsView.model_construct(match=at.match, duplicate=at.duplicate, fmr=at.fmr, source=at.source),
        region=collection.home,
        replicas=sorted(collection.replicas),
        created_at=collection.created_at,
        retention_days=collection.retention_days,
        min_quality=collection.min_quality,
        bands=collection.bands,
        state=collection.state,
    )


def person_view(person: Person) -> PersonView:
    """`person` as the operator sees them."""
    return PersonView(
        id=person.person_id,
        collection_id=person.collection_id,
        name=person.name,
        attributes=dict(person.attributes),
        state=person.state,
        faces=person.faces,
        created_at=person.created_at,
    )


def face_view(face: FaceRecord) -> FaceView:
    """`face`, of which neither row nor key is anybody's business."""
    return FaceView(
        id=face.face_id,
        person_id=face.person_id,
        model_id=face.model_id,
        quality=round(face.quality, 1),
        has_photo=face.photo_id is not None,
        created_at=face.created_at,
    )


def enrolment(outcomes: Sequence[Enrolled | FailureToEnrol]) -> Enrolment:
    """`outcomes`, of which at least one is an `Enrolled`."""
    person_id = next(one.person_id for one in outcomes if isinstance(one, Enrolled))
    return Enrolment(person_id=person_id, photos=[_outcome(i, one) for i, one in enumerate(outcomes)])


def comparison_view(found: Comparison) -> ComparisonView:
    """`found` as JSON's shape."""
    return ComparisonView(
        match=found.match, fmr=found.fmr, model_id=found.model_id, a=_seen(found.first), b=_seen(found.second)
    )


def verification_view(person_id: str, found: Verification) -> VerificationView:
    """`found` as JSON's shape."""
    return VerificationView(
        person_id=person_id,
        match=found.match,
        face_id=found.face_id,
        fmr=found.fmr,
        face=_seen(found.face),
        from_region=found.from_region,
        behind=found.behind,
        search_id=found.search_id,
        pending=found.pending,
    )


def search_view(found: Search, names: Mapping[str, str] | None = None) -> SearchView:
    """`found` as JSON's shape; with `names` (by person id), only the persons who stand in it, and their names."""
    return SearchView(
        faces=[_searched(face, names) for face in found.faces],
        fmr=found.fmr,
        from_region=found.from_region,
        behind=found.behind,
        search_id=found.search_id,
        pending=found.pending,
    )


def _outcome(index: int, one: Enrolled | FailureToEnrol) -> PhotoOutcome:
    duplicates = [_duplicate(other) for other in one.duplicates]
    if isinstance(one, Enrolled):
        return PhotoOutcome(index=index, outcome="enrolled", face=face_view(one.face), duplicates=duplicates)
    return PhotoOutcome(
        index=index,
        outcome="failed",
        code=one.reason.value,
        detail=one.detail,
        quality=None if one.quality is None else round(one.quality, 1),
        components=_rounded(one.components) or None,
        duplicates=duplicates,
    )


def _duplicate(found: Duplicate) -> DuplicateView:
    return DuplicateView(person_id=found.person_id, face_id=found.face_id)


def _seen(face: SeenFace) -> SeenFaceView:
    return SeenFaceView(box=face.box, quality=round(face.quality, 1), components=_rounded(face.components))


def _searched(face: SearchedFace, names: Mapping[str, str] | None) -> SearchedFaceView:
    told = [one for one in face.candidates if names is None or one.person_id in names]
    return SearchedFaceView(
        box=face.box,
        quality=round(face.quality, 1),
        reason=face.reason,
        candidates=[_candidate(one, names) for one in told],
    )


def _candidate(one: Candidate, names: Mapping[str, str] | None) -> CandidateView:
    name = None if names is None else names[one.person_id]
    return CandidateView(person_id=one.person_id, face_id=one.face_id, rank=one.rank, band=one.band, name=name)


def _rounded(components: Sequence[tuple[str, float]]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in components}
