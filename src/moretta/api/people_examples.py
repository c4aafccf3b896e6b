"""Examples of recognition for the OpenAPI document, made from the real types so that they cannot drift from them.

Belongs here: invented values. Does not belong here: measurements of anybody.
"""

import json
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from moretta.api.people_schemas import CollectionView, ComparisonView, Enrolment, SearchView, VerificationView
from moretta.api.people_views import collection_view, comparison_view, enrolment, search_view, verification_view
from moretta.api.schemas import to_json
from moretta.core.protection import Scheme
from moretta.core.recognition import (
    Candidate,
    Collection,
    Duplicate,
    Enrolled,
    FaceRecord,
    FailureToEnrol,
    RefusalReason,
    SearchedFace,
    Thresholds,
)
from moretta.use_cases.recognition.results import Comparison, Search, SeenFace, Verification

_AT = datetime(2025, 1, 31, 12, tzinfo=UTC)
_COLLECTION = "col_local_0123456789abcdef01234567"
_PERSON = "per_local_0123456789abcdef01234567"
_OTHER = "per_local_76543210fedcba9876543210"
_FACE = "fac_local_0123456789abcdef01234567"
_MODEL = "mobilefacenet"
_PARTS = (("sharpness", 84.0), ("pose", 91.0), ("brightness", 88.0))
_BOX = (212.0, 96.5, 402.0, 361.0)


def people_examples() -> dict[str, Any]:
    """The JSON of the answers to POST, by path."""
    seen = SeenFace(_BOX, 81.0, _PARTS)
    shown: dict[str, tuple[type[BaseModel], BaseModel]] = {
        "/v1/collections": (CollectionView, collection_view(_collection())),
        "/v1/collections/{collection_id}/persons": (Enrolment, _enrolment()),
        "/v1/collections/{collection_id}/search": (SearchView, search_view(_search())),
        "/v1/persons/{person_id}/verify": (
            VerificationView,
            verification_view(_PERSON, Verification(True, _FACE, seen, 1e-4, "local")),
        ),
        "/v1/compare": (ComparisonView, comparison_view(Comparison(True, seen, seen, 1e-4, _MODEL))),
    }
    return {path: json.loads(to_json(kind, value)) for path, (kind, value) in shown.items()}


def _collection() -> Collection:
    return Collection(
        collection_id=_COLLECTION,
        company_id="co_0123456789abcdef0123",
        name="Plant 2",
        purpose="door access, plant 2",
        scheme=Scheme.HE,
        model_id=_MODEL,
        dimension=192,
        key_id="0123456789abcdef",
        thresholds=Thresholds(0.53, 0.53, 1e-4),
        home="local",
        replicas=frozenset(),
        created_at=_AT,
    )


def _enrolment() -> Enrolment:
    face = FaceRecord(_FACE, _PERSON, _COLLECTION, 0, _MODEL, "0123456789abcdef", 81.0, _AT)
    blurred = FailureToEnrol(RefusalReason.LOW_QUALITY, "the face is blurred", 22.0, (("sharpness", 12.0),))
    return enrolment([Enrolled(_PERSON, face, (Duplicate(_OTHER, "fac_local_76543210fedcba9876543210"),)), blurred])


def _search() -> Search:
    known = SearchedFace(_BOX, 81.0, (Candidate(_PERSON, _FACE, 1),))
    small = SearchedFace((20.0, 30.0, 36.0, 52.0), 18.0, (), "the face is too small")
    return Search((known, small), 1e-4, "local")
