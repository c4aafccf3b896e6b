"""Recognition over three parties: nobody holds a template, and the database only passes shares through."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.recognition_rig import COMPANY, Place, opened
from tests.shares_rig import Trio

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, PersonState, StoreWish


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    made = Trio(tmp_path / "parties")
    yield made
    for index in range(3):
        made.stop(index)


@pytest.fixture
def place(tmp_path: Path, trio: Trio) -> Iterator[Place]:
    with opened(tmp_path / "place", trio=trio) as found:
        yield found


@pytest.fixture
def people(place: Place) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "access", scheme=Scheme.SHARES)


def _payloads(place: Place) -> int:
    """How many templates the database holds in any form."""
    database = sqlite3.connect(place.root / "moretta.db")
    try:
        return int(database.execute("SELECT count(*) FROM faces WHERE payload IS NOT NULL").fetchone()[0])
    finally:
        database.close()


def test_people_are_found_verified_restricted_and_erased(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna", "anna/1", "anna/2", store=StoreWish.PHOTO)
    ben = place.enrolled(people.collection_id, "ben")
    assert _payloads(place) == 0, "what every party has is forgotten"
    assert place.found(people.collection_id, "ben/3", "zoe/1", "anna/3") == [[ben.person_id], [], [anna.person_id]]
    assert place.recognition.verify(COMPANY, anna.person_id, place.fd("anna/4")).match
    assert not place.recognition.verify(COMPANY, anna.person_id, place.fd("ben/4")).match
    place.recognition.update_person(COMPANY, ben.person_id, state=PersonState.RESTRICTED)
    assert place.found(people.collection_id, "ben/3") == [[]]
    place.recognition.delete_person(COMPANY, anna.person_id)
    assert place.found(people.collection_id, "anna/3") == [[]]


def test_refreshed_shares_decide_the_same_and_a_new_key_is_refused(place: Place, people: Collection) -> None:
    anna = place.enrolled(people.collection_id, "anna")
    place.recognition.refresh_shares(COMPANY, people.collection_id)
    assert place.found(people.collection_id, "anna/3", "zoe/1") == [[anna.person_id], []]
    with pytest.raises(RequestInvalid, match="refresh"):
        place.recognition.reissue(COMPANY, people.collection_id)


def test_a_party_that_is_down_is_an_error_and_never_a_match(place: Place, people: Collection, trio: Trio) -> None:
    anna = place.enrolled(people.collection_id, "anna")
    trio.stop(1)
    with pytest.raises(NodeUnavailable):
        place.found(people.collection_id, "anna/3")
    trio.start(1)
    assert place.found(people.collection_id, "anna/3") == [[anna.person_id]]


def test_an_enrolment_while_a_party_is_down_is_refused_whole(place: Place, people: Collection, trio: Trio) -> None:
    place.enrolled(people.collection_id, "anna")
    trio.stop(2)
    with pytest.raises(NodeUnavailable):
        place.enrolled(people.collection_id, "ben")
    assert len(place.recognition.persons(COMPANY, people.collection_id)) == 1
    trio.start(2)
    ben = place.enrolled(people.collection_id, "ben")
    assert place.found(people.collection_id, "ben/3") == [[ben.person_id]]
    assert _payloads(place) == 0
