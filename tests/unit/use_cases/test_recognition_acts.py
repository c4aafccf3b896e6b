"""Every act on people is an entry of the log that holds nothing of them; "who searched me" is answered while they are there."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import DBAPIError
from tests.recognition_rig import COMPANY, OTHER_COMPANY, Place, opened
from tests.storage_rig import KINDS, a_database

from moretta.core.audit import SearchKind
from moretta.core.errors import NotFound, PersonErased, StorageUnusable
from moretta.core.ledger import EntryKind, LogEntry, Logged, subject_commitment
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, PersonState, StoreWish, Thresholds
from moretta.keys.signing import is_signed_by
from moretta.ledger.check import check_log
from moretta.storage.ledger.store import SqlLedger
from moretta.wiring.rights import rights_over

MARK = "Xantippa-Quillfeather"


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with a_database(request.param, request, tmp_path) as database:
        url = str(database.where) if request.param == "postgresql" else None
        with opened(tmp_path / "place", database=url) as found:
            yield found


def engine_of(place: Place) -> Engine:
    engine: Engine = place.region.log._store._engine  # type: ignore[attr-defined]
    return engine


def a_collection(place: Place, scheme: Scheme = Scheme.ROTATED) -> Collection:
    return place.recognition.create_collection(COMPANY, "people", "doors of the house", scheme=scheme)


def told(place: Place) -> list[LogEntry]:
    return [found.entry for found in place.region.log.entries(0, 1000)]


def facts(entry: LogEntry) -> dict[str, str]:
    return dict(entry.facts)


def about(place: Place, person_id: str) -> list[Logged]:
    """The entries that are about a person, as whoever has their key finds them."""
    key = place.region.cipher.opened(person_id, place.region.store.subject_key(person_id)).key
    return [
        found
        for found in place.region.log.entries(0, 1000)
        if found.entry.subject == subject_commitment(key, person_id, found.entry.nonce)
    ]


def test_every_act_is_told_and_the_log_holds(place: Place) -> None:
    people = place.recognition
    collection = a_collection(place)
    cid = collection.collection_id
    ann = place.enrolled(cid, "ann", "ann/1", "ann/2", store=StoreWish.PHOTO)
    people.update_collection(COMPANY, cid, name="others", thresholds=Thresholds(0.6, 0.7, 1e-4, "calibrated"))
    people.search(COMPANY, cid, place.fd("ann/3", "bob/1"), caller="key1")
    people.verify(COMPANY, ann.person_id, place.fd("bob/1"), caller="key1")
    people.compare(COMPANY, place.fd("ann/1"), place.fd("bob/1"), caller="key1")
    people.photo(COMPANY, ann.person_id)
    people.export(COMPANY, cid, io.BytesIO())
    people.update_person(COMPANY, ann.person_id, name="Anna", state=PersonState.RESTRICTED)
    people.reissue(COMPANY, cid)
    people.delete_face(COMPANY, ann.face.face_id)
    people.delete_person(COMPANY, ann.person_id)
    people.rotate_master_key()
    rights_over(place.means).delete_collection(COMPANY, cid)
    found = told(place)
    assert [entry.kind for entry in found] == [
        EntryKind.COLLECTION_CHANGED,
        EntryKind.ENROLLED,
        EntryKind.COLLECTION_CHANGED,
        EntryKind.SEARCHED,
        EntryKind.SEARCHED,
        EntryKind.VERIFIED,
        EntryKind.VERIFIED,
        EntryKind.COMPARED,
        EntryKind.PHOTO_VIEWED,
        EntryKind.EXPORTED,
        EntryKind.RECTIFIED,
        EntryKind.RESTRICTED,
        EntryKind.KEY_CHANGED,
        EntryKind.FACE_REMOVED,
        EntryKind.ERASED,
        EntryKind.KEY_CHANGED,
        EntryKind.KEY_CHANGED,
        EntryKind.COLLECTION_CHANGED,
        EntryKind.COLLECTION_CHANGED,
    ]
    assert [facts(one)["change"] for one in found[-2:]] == ["closed", "deleted"]
    assert facts(found[1]) == {"collection": cid, "faces": "2", "photos": "2", "replaced": "0"}
    assert facts(found[2])["fields"] == "name,thresholds"
    assert {name: facts(found[3])[name] for name in ("caller", "faces", "compared", "matched")} == {
        "caller": "key1",
        "faces": "2",
        "compared": "2",
        "matched": "1",
    }
    assert facts(found[4])["role"] == "matched"
    assert (facts(found[5])["compared"], facts(found[5])["matched"]) == ("2", "0")
    assert facts(found[6])["role"] == "claimed"
    check_log(SqlLedger(engine_of(place)), place.region.log.public_keys(), is_signed_by)


def test_whoever_has_the_persons_key_finds_their_entries_and_nobody_else(place: Place) -> None:
    cid = a_collection(place).collection_id
    ann, bob = place.enrolled(cid, "ann"), place.enrolled(cid, "bob")
    place.recognition.search(COMPANY, cid, place.fd("ann/2"))
    assert Counter(found.entry.kind for found in about(place, ann.person_id)) == {
        EntryKind.ENROLLED: 1,
        EntryKind.SEARCHED: 1,
    }
    assert Counter(found.entry.kind for found in about(place, bob.person_id)) == {EntryKind.ENROLLED: 1}
    commitments = [entry.subject for entry in told(place) if entry.subject]
    assert len(set(commitments)) == len(commitments)


def all_rows(engine: Engine) -> bytes:
    """Every value of every row of every table."""
    found = []
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                found += [bytes(one) if isinstance(one, bytes | memoryview) else str(one).encode() for one in row]
    return b"\n".join(found)


def test_neither_the_log_nor_the_records_hold_anything_of_a_person(place: Place) -> None:
    cid = a_collection(place).collection_id
    ann = place.enrolled(cid, MARK, f"{MARK}/1", attributes=(("badge", MARK),), store=StoreWish.PHOTO)
    place.recognition.search(COMPANY, cid, place.fd(f"{MARK}/2"))
    place.recognition.update_person(COMPANY, ann.person_id, name=f"{MARK} the second", state=PersonState.OBJECTED)
    place.region.log.checkpoint()
    whole = json.dumps([dict(entry.fields()) for entry in told(place)])
    assert MARK not in whole
    assert ann.person_id not in whole
    assert ann.face.face_id not in whole
    assert "doors of the house" not in whole
    assert MARK.encode() not in all_rows(engine_of(place))


def test_who_searched_me_tells_each_act_that_compared_or_matched_me(place: Place) -> None:
    people, audit = place.recognition, place.region.audit
    cid = a_collection(place).collection_id
    ann, bob = place.enrolled(cid, "ann"), place.enrolled(cid, "bob")
    first = people.search(COMPANY, cid, place.fd("ann/2"), caller="key1")
    second = people.verify(COMPANY, ann.person_id, place.fd("bob/2"), caller="key2")
    mine = audit.searches_about(COMPANY, ann.person_id, 10)
    assert [(one.record.search_id, one.matched, one.record.caller) for one in mine] == [
        (second.search_id, False, "key2"),
        (first.search_id, True, "key1"),
    ]
    assert mine[0].record.claimed == ann.person_id
    theirs = audit.searches_about(COMPANY, bob.person_id, 10)
    assert [(one.record.search_id, one.matched, one.record.matched) for one in theirs] == [(first.search_id, False, ())]
    assert audit.searches_about(COMPANY, ann.person_id, 10, before=mine[0].log_index) == mine[1:]
    assert [place.region.log.entries(one.log_index, 1)[0].entry.kind for one in mine] == ["verify", "search"]
    whole = audit.search(COMPANY, first.search_id)
    assert (whole.kind, whole.matched, whole.compared) == (SearchKind.SEARCH, (ann.person_id,), 2)
    with pytest.raises(NotFound):
        audit.searches_about(OTHER_COMPANY, ann.person_id, 10)
    with pytest.raises(NotFound):
        audit.search(OTHER_COMPANY, first.search_id)


def test_whoever_is_kept_out_of_comparisons_was_not_searched(place: Place) -> None:
    people, audit = place.recognition, place.region.audit
    cid = a_collection(place).collection_id
    ann = place.enrolled(cid, "ann")
    people.search(COMPANY, cid, place.fd("bob/1"))
    people.update_person(COMPANY, ann.person_id, state=PersonState.RESTRICTED)
    people.search(COMPANY, cid, place.fd("bob/1"))
    people.update_person(COMPANY, ann.person_id, state=PersonState.ACTIVE)
    with engine_of(place).begin() as connection:  # moments are to the second: make hours of them
        for change in (
            "UPDATE searches SET time = '2027-01-01T01:00:00Z' WHERE log_index = (SELECT min(log_index) FROM searches)",
            "UPDATE comparable_since SET since = '2027-01-01T02:00:00Z' WHERE number = 2",
            "UPDATE searches SET time = '2027-01-01T03:00:00Z' WHERE log_index = (SELECT max(log_index) FROM searches)",
            "UPDATE comparable_since SET since = '2027-01-01T04:00:00Z' WHERE number = 3",
        ):
            connection.execute(text(change))
    assert [one.record.time for one in audit.searches_about(COMPANY, ann.person_id, 10)] == ["2027-01-01T01:00:00Z"]


def test_records_go_with_the_person_and_with_the_collection(place: Place) -> None:
    people, audit = place.recognition, place.region.audit
    cid = a_collection(place).collection_id
    ann, bob = place.enrolled(cid, "ann"), place.enrolled(cid, "bob")
    found = people.search(COMPANY, cid, place.fd("ann/2", "bob/2"))
    people.delete_person(COMPANY, ann.person_id)
    assert audit.search(COMPANY, found.search_id).matched == (bob.person_id,)
    with pytest.raises(PersonErased):
        audit.searches_about(COMPANY, ann.person_id, 10)
    rights_over(place.means).delete_collection(COMPANY, cid)
    with pytest.raises(NotFound):
        audit.search(COMPANY, found.search_id)
    assert sum(entry.kind is EntryKind.SEARCHED for entry in told(place)) == 3


def test_nobody_is_told_of_a_match_that_no_record_tells_of(place: Place) -> None:
    cid = a_collection(place).collection_id
    place.enrolled(cid, "ann")
    with engine_of(place).begin() as connection:
        connection.execute(text("ALTER TABLE searches RENAME TO away"))
    before = place.region.log.size()
    with pytest.raises((StorageUnusable, DBAPIError)):
        place.recognition.search(COMPANY, cid, place.fd("ann/2"))
    assert place.region.log.size() == before


def test_a_face_is_deleted_even_where_the_persons_key_does_not_open_any_more(place: Place) -> None:
    cid = a_collection(place).collection_id
    ann = place.enrolled(cid, "ann")
    with engine_of(place).begin() as connection:
        connection.execute(text("UPDATE subject_keys SET wrapped = :other"), {"other": b"\x01" * 60})
    place.recognition.delete_face(COMPANY, ann.face.face_id)
    assert told(place)[-1].kind is EntryKind.FACE_REMOVED
    assert told(place)[-1].subject == b""
