"""Enrolling: what is kept, what is refused and why, and that nothing half-done remains."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.recognition_rig import CARD, COMPANY, OTHER_COMPANY, Place, opened

from moretta.core.errors import (
    Conflict,
    MediaUnreadable,
    ModelMismatch,
    NotFound,
    PurposeMismatch,
    RequestInvalid,
)
from moretta.core.protection import Scheme
from moretta.core.recognition import (
    Collection,
    Enrolled,
    FailureToEnrol,
    IdKind,
    PersonState,
    RefusalReason,
    StoreWish,
    region_of,
)
from moretta.core.recognition_store import Unfinished


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with opened(tmp_path / "place") as found:
        yield found


@pytest.fixture
def people(place: Place) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED)


def test_several_photos_become_several_templates_of_one_person(place: Place, people: Collection) -> None:
    outcomes = place.recognition.enrol(
        COMPANY,
        people.collection_id,
        [place.fd("anna/1"), place.fd("anna/2")],
        name="Anna",
        attributes=[("team", "blue")],
    )
    enrolled = [outcome for outcome in outcomes if isinstance(outcome, Enrolled)]
    assert len(enrolled) == len(outcomes) == 2
    assert len({outcome.person_id for outcome in enrolled}) == 1
    person = place.recognition.person(COMPANY, enrolled[0].person_id)
    assert (person.name, person.attributes, person.faces) == ("Anna", (("team", "blue"),), 2)
    assert region_of(person.person_id, IdKind.PERSON) == people.home
    faces = place.recognition.faces(COMPANY, person.person_id)
    assert [face.face_id for face in faces] == [outcome.face.face_id for outcome in enrolled]
    assert all(face.key_id == people.key_id and face.model_id == CARD.model_id for face in faces)


def test_a_refused_photo_says_why_and_the_others_are_enrolled(place: Place, people: Collection) -> None:
    fds = [place.fd(), place.fd("anna/1", "ben/1"), place.fd("anna/2/20"), place.fd("anna/3")]
    outcomes = place.recognition.enrol(COMPANY, people.collection_id, fds)
    reasons = [outcome.reason if isinstance(outcome, FailureToEnrol) else None for outcome in outcomes]
    assert reasons == [RefusalReason.NO_FACE, RefusalReason.SEVERAL_FACES, RefusalReason.LOW_QUALITY, None]
    blurred = outcomes[2]
    assert isinstance(blurred, FailureToEnrol)
    assert (blurred.quality, blurred.components, blurred.detail) == (20.0, (("sharpness", 20.0),), "it is blurred")


def test_a_person_is_not_there_when_no_photo_was_good_enough(place: Place, people: Collection) -> None:
    outcomes = place.recognition.enrol(COMPANY, people.collection_id, [place.fd("anna/1/5")], store=StoreWish.PHOTO)
    assert isinstance(outcomes[0], FailureToEnrol)
    assert place.recognition.persons(COMPANY, people.collection_id) == []
    assert list(place.region.photos.ids()) == []


def test_a_photo_at_fault_ends_the_call_and_nobody_is_enrolled(place: Place, people: Collection) -> None:
    with pytest.raises(MediaUnreadable):
        place.recognition.enrol(COMPANY, people.collection_id, [place.fd("anna/1"), place.raw(b"no picture")])
    assert place.recognition.persons(COMPANY, people.collection_id) == []


def test_enrolling_asks_for_a_wish_photos_and_the_collections_purpose(place: Place, people: Collection) -> None:
    enrol = place.recognition.enrol
    with pytest.raises(RequestInvalid, match="template or photo"):
        enrol(COMPANY, people.collection_id, [place.fd("anna/1")], store=StoreWish.NONE)
    with pytest.raises(RequestInvalid, match="photos"):
        enrol(COMPANY, people.collection_id, [])
    with pytest.raises(PurposeMismatch):
        enrol(COMPANY, people.collection_id, [place.fd("anna/1")], purpose="marketing")
    with pytest.raises(NotFound):
        enrol(OTHER_COMPANY, people.collection_id, [place.fd("anna/1")])
    with pytest.raises(RequestInvalid, match="name"):
        enrol(COMPANY, people.collection_id, [place.fd("anna/1")], name="x" * 201)
    with pytest.raises(RequestInvalid, match="each attribute once"):
        enrol(COMPANY, people.collection_id, [place.fd("anna/1")], attributes=[("a", "1"), ("a", "2")])
    assert isinstance(enrol(COMPANY, people.collection_id, [place.fd("anna/1")], purpose="access")[0], Enrolled)


def test_somebody_already_enrolled_is_reported_and_refused_on_demand(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna")
    again = place.enrolled(people.collection_id, "anna too", "anna/2")
    assert [duplicate.person_id for duplicate in again.duplicates] == [anna.person_id]
    refused = place.recognition.enrol(COMPANY, people.collection_id, [place.fd("anna/3")], refuse_duplicates=True)[0]
    assert isinstance(refused, FailureToEnrol)
    assert refused.reason is RefusalReason.DUPLICATE
    assert {duplicate.person_id for duplicate in refused.duplicates} == {anna.person_id, again.person_id}
    more = place.recognition.add_faces(COMPANY, anna.person_id, [place.fd("anna/4")])[0]
    assert isinstance(more, Enrolled)
    assert anna.person_id not in {duplicate.person_id for duplicate in more.duplicates}, "nobody is their own duplicate"


def test_a_stored_photo_is_unreadable_on_the_disk_and_given_back_whole(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna", store=StoreWish.PHOTO)
    ben = place.enrolled(people.collection_id, "ben")
    stored = [place.region.photos.get(blob_id) for blob_id in place.region.photos.ids()]
    assert len(stored) == 1
    assert b"anna" not in stored[0]
    photo = place.recognition.photo(COMPANY, anna.person_id)
    assert (photo.content, photo.media_type) == (b"\xff\xd8\xffpicture\nanna/1", "image/jpeg")
    with pytest.raises(NotFound):
        place.recognition.photo(COMPANY, ben.person_id)
    with pytest.raises(NotFound):
        place.recognition.photo(OTHER_COMPANY, anna.person_id)


def test_a_replaced_face_is_gone_with_its_photo(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna", store=StoreWish.PHOTO)
    (before,) = place.region.photos.ids()
    new = place.recognition.add_faces(
        COMPANY, anna.person_id, [place.fd("anna/2")], store=StoreWish.PHOTO, replace=anna.face.face_id
    )[0]
    assert isinstance(new, Enrolled)
    assert [face.face_id for face in place.recognition.faces(COMPANY, anna.person_id)] == [new.face.face_id]
    assert list(place.region.photos.ids()) != [before]
    assert len(list(place.region.photos.ids())) == 1
    with pytest.raises(NotFound):
        place.recognition.add_faces(COMPANY, anna.person_id, [place.fd("anna/3")], replace=anna.face.face_id)


def test_a_failure_before_the_commit_leaves_no_photo(tmp_path: Path) -> None:
    def fail(step: str) -> None:
        if step == "enrol:before":
            raise OSError("made up")

    with opened(tmp_path / "place", checkpoint=fail) as place:
        people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN)
        with pytest.raises(OSError, match="made up"):
            place.recognition.enrol(COMPANY, people.collection_id, [place.fd("anna/1")], store=StoreWish.PHOTO)
        assert list(place.region.photos.ids()) == []
        assert place.region.store.unfinished() == Unfinished()
        assert place.recognition.persons(COMPANY, people.collection_id) == []


def test_a_collection_of_a_model_that_is_gone_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "place") as place:
        people = place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.PLAIN, model="second")
        anna = place.enrolled(people.collection_id, "anna")
    with opened(tmp_path / "place", cards=[CARD]) as place:
        with pytest.raises(ModelMismatch):
            place.recognition.enrol(COMPANY, people.collection_id, [place.fd("anna/2")])
        with pytest.raises(ModelMismatch):
            place.recognition.search(COMPANY, people.collection_id, place.fd("anna/2"))
        with pytest.raises(ModelMismatch):
            place.recognition.verify(COMPANY, anna.person_id, place.fd("anna/2"))


def test_a_person_of_another_collection_is_not_enrolled_here(place: Place, people: Collection) -> None:
    other = place.recognition.create_collection(COMPANY, "others", "access", scheme=Scheme.PLAIN)
    ben = place.enrolled(other.collection_id, "ben")
    with pytest.raises(NotFound):
        place.recognition.enrol(COMPANY, people.collection_id, [place.fd("ben/2")], person_id=ben.person_id)


def test_writes_wait_while_the_key_changes(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna")

    def while_it_changes(_: object) -> None:
        with pytest.raises(Conflict):
            place.recognition.enrol(COMPANY, people.collection_id, [place.fd("ben/1")])
        assert place.found(people.collection_id, "anna/2") == [[anna.person_id]], "reads go on"

    place.recognition.reissue(COMPANY, people.collection_id, on_progress=while_it_changes)
    assert place.enrolled(people.collection_id, "ben").person_id


def test_a_restricted_person_may_get_no_hint_of_a_duplicate(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna")
    place.recognition.update_person(COMPANY, anna.person_id, state=PersonState.RESTRICTED)
    assert place.enrolled(people.collection_id, "again", "anna/2").duplicates == ()
