"""Searching, verifying, comparing: who is told of whom, and how often somebody may ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.recognition_rig import COMPANY, OTHER_COMPANY, Place, opened

from moretta.core.errors import (
    FaceNotFound,
    NotFound,
    PersonErased,
    PersonRestricted,
    PurposeMismatch,
    QualityTooLow,
    RateLimited,
    RequestInvalid,
    SeveralFaces,
)
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, PersonState, Thresholds
from moretta.use_cases.recognition.brakes import Rate, TokenBuckets


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "place") as found:
        yield found


@pytest.fixture(params=[Scheme.PLAIN, Scheme.HE], ids=str)
def people(place: Place, request: pytest.FixtureRequest) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "access", scheme=request.param)


def test_every_face_of_a_group_photo_is_searched(place: Place, people: Collection) -> None:
    anna, ben = place.enrolled(people.collection_id, "anna"), place.enrolled(people.collection_id, "ben")
    found = place.found(people.collection_id, "ben/7", "zoe/1", "anna/9")
    assert found == [[ben.person_id], [], [anna.person_id]]


def test_a_person_with_several_templates_is_one_candidate(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna", "anna/1", "anna/2", "anna/3")
    result = place.recognition.search(COMPANY, people.collection_id, place.fd("anna/2"))
    (candidate,) = result.faces[0].candidates
    assert (candidate.person_id, candidate.rank, candidate.band) == (anna.person_id, 1, None)
    second = place.recognition.faces(COMPANY, anna.person_id)[1]
    assert candidate.face_id == second.face_id, "the face that is most alike is named"
    assert (result.from_region, result.behind, result.fmr) == ("local", 0, 1e-4)


def test_a_face_that_cannot_be_compared_says_why(place: Place) -> None:
    people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN)
    place.enrolled(people.collection_id, "anna")
    result = place.recognition.search(COMPANY, people.collection_id, place.fd("anna/1/-1", "anna/2"))
    assert result.faces[0].candidates == ()
    assert result.faces[0].reason == "it is blurred"
    assert result.faces[1].reason is None


def test_restricted_and_erased_people_are_never_candidates(place: Place, people: Collection) -> None:
    anna, ben = place.enrolled(people.collection_id, "anna"), place.enrolled(people.collection_id, "ben")
    recognition = place.recognition
    recognition.update_person(COMPANY, anna.person_id, state=PersonState.OBJECTED)
    recognition.delete_person(COMPANY, ben.person_id)
    assert place.found(people.collection_id, "anna/2", "ben/2") == [[], []]
    with pytest.raises(PersonRestricted):
        recognition.verify(COMPANY, anna.person_id, place.fd("anna/2"))
    with pytest.raises(PersonErased):
        recognition.verify(COMPANY, ben.person_id, place.fd("ben/2"))
    recognition.update_person(COMPANY, anna.person_id, state=PersonState.ACTIVE)
    assert place.found(people.collection_id, "anna/2") == [[anna.person_id]]


def test_verifying_names_the_face_and_refuses_a_stranger(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna", "anna/1", "anna/2")
    ben = place.enrolled(people.collection_id, "ben")
    verify = place.recognition.verify
    right = verify(COMPANY, anna.person_id, place.fd("anna/2"), purpose="access")
    assert right.match
    assert right.face_id == place.recognition.faces(COMPANY, anna.person_id)[1].face_id
    wrong = verify(COMPANY, ben.person_id, place.fd("anna/2"))
    assert (wrong.match, wrong.face_id) == (False, None)


def test_a_photo_to_verify_shows_exactly_one_usable_face(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna")
    verify = place.recognition.verify
    with pytest.raises(FaceNotFound):
        verify(COMPANY, anna.person_id, place.fd())
    with pytest.raises(SeveralFaces):
        verify(COMPANY, anna.person_id, place.fd("anna/1", "ben/1"))
    with pytest.raises(QualityTooLow, match="blurred"):
        verify(COMPANY, anna.person_id, place.fd("anna/1/-1"))
    with pytest.raises(PurposeMismatch):
        verify(COMPANY, anna.person_id, place.fd("anna/1"), purpose="marketing")
    with pytest.raises(NotFound):
        verify(OTHER_COMPANY, anna.person_id, place.fd("anna/1"))


def test_a_search_is_refused_without_a_face_or_with_an_odd_limit(place: Place, people: Collection) -> None:
    search = place.recognition.search
    with pytest.raises(FaceNotFound):
        search(COMPANY, people.collection_id, place.fd())
    for limit in (0, 101):
        with pytest.raises(RequestInvalid):
            search(COMPANY, people.collection_id, place.fd("anna/1"), limit=limit)
    with pytest.raises(PurposeMismatch):
        search(COMPANY, people.collection_id, place.fd("anna/1"), purpose="marketing")
    with pytest.raises(NotFound):
        search(OTHER_COMPANY, people.collection_id, place.fd("anna/1"))


def test_at_most_as_many_candidates_as_asked_for_the_most_alike_first(place: Place) -> None:
    people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN)
    same = place.enrolled(people.collection_id, "anna", "anna/5")
    for number in range(4):
        place.enrolled(people.collection_id, f"double {number}", f"anna/{number}")
    faces = place.recognition.search(COMPANY, people.collection_id, place.fd("anna/5"), limit=3).faces
    assert [candidate.rank for candidate in faces[0].candidates] == [1, 2, 3]
    assert faces[0].candidates[0].person_id == same.person_id


def test_bands_are_told_only_where_the_collection_releases_them(place: Place) -> None:
    people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN, bands=True)
    place.enrolled(people.collection_id, "anna")
    faces = place.recognition.search(COMPANY, people.collection_id, place.fd("anna/1")).faces
    assert faces[0].candidates[0].band == 2, "the same photo is over every step"


def test_a_stricter_threshold_decides_differently(place: Place, people: Collection) -> None:
    place.enrolled(people.collection_id, "anna")
    assert place.found(people.collection_id, "anna/2") != [[]]
    strict = Thresholds(0.99, 0.99, 1e-6, "calibrated")
    place.recognition.update_collection(COMPANY, people.collection_id, thresholds=strict)
    assert place.found(people.collection_id, "anna/2") == [[]]


def test_two_photos_are_compared_and_nothing_is_kept(place: Place) -> None:
    compare = place.recognition.compare
    same = compare(COMPANY, place.fd("anna/1"), place.fd("anna/2"), fmr=1e-3)
    assert (same.match, same.fmr, same.model_id) == (True, 1e-3, "scripted:1")
    assert not compare(COMPANY, place.fd("anna/1"), place.fd("ben/1")).match
    with pytest.raises(SeveralFaces, match="the second photo"):
        compare(COMPANY, place.fd("anna/1"), place.fd("anna/1", "ben/1"))
    with pytest.raises(RequestInvalid, match="false match rate"):
        compare(COMPANY, place.fd("anna/1"), place.fd("anna/2"), fmr=0.5)
    with pytest.raises(RequestInvalid, match="model"):
        compare(COMPANY, place.fd("anna/1"), place.fd("anna/2"), model="another")


def test_attempts_on_one_person_are_counted_whoever_makes_them(tmp_path: Path) -> None:
    now = 0.0
    with opened(tmp_path / "place", subject_rate=Rate(2, 30.0), now_s=lambda: now) as place:
        people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN)
        anna, ben = place.enrolled(people.collection_id, "anna"), place.enrolled(people.collection_id, "ben")
        verify = place.recognition.verify
        verify(COMPANY, anna.person_id, place.fd("anna/2"), caller="key one")
        with pytest.raises(FaceNotFound):
            verify(COMPANY, anna.person_id, place.fd(), caller="key two")
        with pytest.raises(RateLimited) as refused:
            verify(COMPANY, anna.person_id, place.fd("anna/2"), caller="key three")
        assert refused.value.retry_after_s == pytest.approx(30.0)
        assert verify(COMPANY, ben.person_id, place.fd("ben/2")).match, "others are not held up"
        now = 30.0
        assert verify(COMPANY, anna.person_id, place.fd("anna/2")).match


def test_a_callers_faces_are_counted_one_by_one(tmp_path: Path) -> None:
    with opened(tmp_path / "place", caller_rate=Rate(3, 1.0), now_s=lambda: 0.0) as place:
        people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN)
        search = place.recognition.search
        search(COMPANY, people.collection_id, place.fd("anna/1", "ben/1"), caller="one")
        with pytest.raises(RateLimited):
            search(COMPANY, people.collection_id, place.fd("anna/1", "ben/1"), caller="one")
        search(COMPANY, people.collection_id, place.fd("anna/1", "ben/1"), caller="two")
        with pytest.raises(RateLimited):
            place.recognition.compare(COMPANY, place.fd("anna/1"), place.fd("anna/2"), caller="one")


def test_a_bucket_refills_with_time_and_never_beyond_its_size() -> None:
    now = 0.0
    buckets = TokenBuckets(Rate(2, 10.0), "tries", lambda: now)
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(RateLimited) as refused:
        buckets.take("a")
    assert refused.value.retry_after_s == pytest.approx(10.0)
    now = 1000.0
    buckets.take("a", 2)
    with pytest.raises(RateLimited):
        buckets.take("a")
    now = 1010.0
    buckets.take("a")


def test_more_than_a_bucket_holds_takes_all_of_it() -> None:
    buckets = TokenBuckets(Rate(2, 10.0), "faces", lambda: 0.0)
    buckets.take("a", 50)
    with pytest.raises(RateLimited):
        buckets.take("a")
