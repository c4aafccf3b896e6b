"""Galleries as nodes see them, in both kinds of database: whoever follows the deltas compares exactly what may be compared.

`Follower` does to the letter what `core.gallery.GalleryDelta` says. Whatever happens in the database, and wherever a follower
stands, one delta brings it to the same set of rows as a follower that begins anew, and that set is the truth.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine, event
from tests.storage_rig import (
    COMPANY,
    Follower,
    a_key,
    a_person,
    a_segment,
    created,
    packed,
    some_faces,
)

from moretta.core.errors import Conflict
from moretta.core.gallery import GallerySpec
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, CollectionState, Person, PersonState
from moretta.core.recognition_store import Unfinished
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.recognition.store import SqlRecognitionStore


@pytest.fixture
def store(engine: Engine) -> Iterator[SqlRecognitionStore]:
    store = SqlRecognitionStore(engine, Envelope(MemoryKeyService()))
    yield store
    store.close()


def test_a_new_collection_has_an_empty_gallery_that_says_where_it_may_be(store: SqlRecognitionStore) -> None:
    collection = created(store)
    delta = store.delta(collection.collection_id, 0)
    regions = frozenset({"local", "eu"})
    assert delta.spec == GallerySpec(collection.collection_id, Scheme.HE, "embedder-1", 4, collection.key_id, regions)
    assert (delta.since, delta.sequence, delta.added, delta.removed, delta.segments) == (0, 0, (), (), ())


def test_enrolled_payloads_are_told_once_and_as_they_were(store: SqlRecognitionStore) -> None:
    collection = created(store)
    new = some_faces(3)
    faces = store.enrol(collection, a_person(collection), new)
    told = {face.row: one.payload for face, one in zip(faces, new, strict=True)}
    delta = store.delta(collection.collection_id, 0)
    assert dict(delta.added) == told
    assert delta.sequence == store.collection(COMPANY, collection.collection_id).sequence == 1
    again = store.delta(collection.collection_id, 1)
    assert (again.since, again.sequence, again.added) == (1, 1, ())


def test_packed_rows_are_told_as_a_segment_and_their_payloads_are_gone(store: SqlRecognitionStore) -> None:
    collection = created(store)
    faces = store.enrol(collection, a_person(collection), some_faces(5))
    rows = [face.row for face in faces]
    assert [row for row, _ in store.unpacked(collection.collection_id, 3)] == rows[:3]
    assert store.unpacked_count(collection.collection_id) == 5
    segment = packed(store, collection, [rows[2], rows[0], rows[1]])
    (info,) = store.segments(collection.collection_id)
    assert info.rows.tolist() == segment.info.rows.tolist()
    assert (info.segment_id, info.sha256, info.length) == (segment.info.segment_id, "ab" * 32, 1000)
    assert [row for row, _ in store.unpacked(collection.collection_id, 10)] == rows[3:]
    assert store.unpacked_count(collection.collection_id) == 2
    delta = store.delta(collection.collection_id, 0)
    assert [row for row, _ in delta.added] == rows[3:]
    assert [one.segment_id for one in delta.segments] == [info.segment_id]
    assert store.faces_at(collection.collection_id, rows) == {face.row: face for face in faces}


def test_a_repacked_segment_takes_the_place_of_the_old_ones(store: SqlRecognitionStore) -> None:
    collection = created(store)
    faces = store.enrol(collection, a_person(collection), some_faces(4))
    rows = [face.row for face in faces]
    first, second = packed(store, collection, rows[:2]), packed(store, collection, rows[2:])
    store.delete_face(COMPANY, faces[0].face_id)
    before = store.delta(collection.collection_id, 0)
    assert before.removed == (rows[0],)
    third = packed(store, collection, rows[1:], first.info.segment_id, second.info.segment_id)
    after = store.delta(collection.collection_id, 0)
    assert after.removed == ()
    assert [one.segment_id for one in after.segments] == [third.info.segment_id]
    dropped = tuple(sorted((first.info.segment_id, second.info.segment_id)))
    assert store.delta(collection.collection_id, before.sequence).dropped_segments == dropped
    assert store.unfinished() == Unfinished(segments=dropped)


def test_a_row_deleted_while_it_was_packed_stays_deleted_in_the_segment(store: SqlRecognitionStore) -> None:
    collection = created(store)
    faces = store.enrol(collection, a_person(collection), some_faces(3))
    rows = [face.row for face in faces]
    segment = a_segment(rows, collection.key_id)
    store.announce_segment(segment.info.segment_id)
    store.delete_face(COMPANY, faces[1].face_id)
    late = store.delta(collection.collection_id, 0)
    store.publish_segments(collection, [segment], [])
    for since in (0, late.sequence):
        assert store.delta(collection.collection_id, since).removed == (rows[1],)


def test_no_row_is_packed_twice_or_lost_and_no_segment_is_dropped_twice(store: SqlRecognitionStore) -> None:
    collection = created(store)
    faces = store.enrol(collection, a_person(collection), some_faces(4))
    rows = [face.row for face in faces]
    first = packed(store, collection, rows[:2])
    before = store.delta(collection.collection_id, 0)
    for wrong, dropped in (
        (rows[1:3], []),  # a row of another segment
        ([999], []),  # a row that never was
        (rows[:1], [first.info.segment_id]),  # a row of the dropped segment is missing
        (rows[2:], ["unknown"]),
    ):
        with pytest.raises(Conflict):
            packed(store, collection, wrong, *dropped)
    assert store.delta(collection.collection_id, 0).sequence == before.sequence
    second = packed(store, collection, rows, first.info.segment_id)
    with pytest.raises(Conflict):
        packed(store, collection, rows, first.info.segment_id)
    assert [one.segment_id for one in store.segments(collection.collection_id)] == [second.info.segment_id]


def test_a_dead_row_does_not_come_back_by_a_second_segment(store: SqlRecognitionStore) -> None:
    collection = created(store)
    faces = store.enrol(collection, a_person(collection), some_faces(2))
    rows = [face.row for face in faces]
    packed(store, collection, rows)
    store.delete_face(COMPANY, faces[0].face_id)
    with pytest.raises(Conflict):
        packed(store, collection, [rows[0]])
    assert store.delta(collection.collection_id, 0).removed == (rows[0],)


def test_rows_of_a_restricted_person_are_excluded_and_come_back_whether_packed_or_not(
    store: SqlRecognitionStore,
) -> None:
    collection = created(store)
    person = a_person(collection)
    rows = [face.row for face in store.enrol(collection, person, some_faces(2))]
    packed(store, collection, rows[:1])
    follower = Follower()
    follower.apply(store.delta(collection.collection_id, 0))
    for state, compared in (
        (PersonState.RESTRICTED, set()),
        (PersonState.ACTIVE, set(rows)),
        (PersonState.OBJECTED, set()),
        (PersonState.ACTIVE, set(rows)),
    ):
        store.update_person(replace(person, state=state))
        delta = store.delta(collection.collection_id, follower.position)
        assert delta.sequence == follower.position + 1
        assert delta.excluded == (() if compared else tuple(rows))
        follower.apply(delta)
        assert follower.compared() == compared
    store.update_person(replace(person, name="A new name"))
    assert store.delta(collection.collection_id, 0).sequence == follower.position


def test_payloads_that_only_pass_through_are_forgotten_once_settled(store: SqlRecognitionStore) -> None:
    collection = created(store, Scheme.SHARES)
    person = a_person(collection)
    first = [face.row for face in store.enrol(collection, person, some_faces(2))]
    second = [face.row for face in store.enrol(collection, person, some_faces(1))]
    store.settle(collection.collection_id, 1)
    delta = store.delta(collection.collection_id, 0)
    assert delta.settled == tuple(first)
    assert [row for row, _ in delta.added] == second
    assert store.delta(collection.collection_id, 1).settled == ()
    assert store.unpacked_count(collection.collection_id) == 1


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED, Scheme.HE])
def test_settling_never_forgets_the_only_copy_of_a_template(store: SqlRecognitionStore, scheme: Scheme) -> None:
    collection = created(store, scheme)
    store.enrol(collection, a_person(collection), some_faces(2))
    store.settle(collection.collection_id, 99)
    assert store.unpacked_count(collection.collection_id) == 2


def test_a_position_that_the_gallery_has_not_reached_gets_all_of_it(store: SqlRecognitionStore) -> None:
    collection = created(store)
    store.enrol(collection, a_person(collection), some_faces(2))
    delta = store.delta(collection.collection_id, 50)
    assert (delta.since, delta.sequence, len(delta.added)) == (0, 1, 2)


def _reissued(
    store: SqlRecognitionStore, collection: Collection, *, leave_out: int | None = None
) -> tuple[Collection, str]:
    """Reissue as it stands: payloads anew, and one segment for each segment."""
    now = store.collection(COMPANY, collection.collection_id)
    key = a_key()
    store.announce_key(key)
    payloads = [
        (row, b"new " + payload)
        for row, payload in store.unpacked(collection.collection_id, 10_000)
        if row != leave_out
    ]
    added = [a_segment(info.rows.tolist(), key) for info in store.segments(collection.collection_id)]
    for segment in added:
        store.announce_segment(segment.info.segment_id)
    store.reissue(now, key, payloads, added)
    return store.collection(COMPANY, collection.collection_id), key


def test_a_reissue_switches_every_row_to_the_new_key_and_leaves_the_old_one_to_be_deleted(
    store: SqlRecognitionStore,
) -> None:
    collection = created(store)
    faces = store.enrol(collection, a_person(collection), some_faces(4))
    rows = [face.row for face in faces]
    old = packed(store, collection, rows[:2])
    store.delete_face(COMPANY, faces[0].face_id)
    store.update_collection(replace(collection, state=CollectionState.REISSUING))
    before = store.delta(collection.collection_id, 0)
    now, key = _reissued(store, collection)
    assert (now.key_id, now.state) == (key, CollectionState.ACTIVE)
    delta = store.delta(collection.collection_id, 0)
    assert delta.spec.key_id == key
    assert dict(delta.added) == {row: b"new " + payload for row, payload in before.added}
    assert delta.removed == (rows[0],)
    assert {face.key_id for face in store.faces_at(collection.collection_id, rows).values()} == {key}
    assert store.unfinished() == Unfinished(segments=(old.info.segment_id,), keys=(collection.key_id,))
    assert store.known_keys() == {key}


def test_a_reissue_of_a_gallery_that_changed_or_that_leaves_a_row_out_is_refused(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person = a_person(collection)
    faces = store.enrol(collection, person, some_faces(2))
    read = store.collection(COMPANY, collection.collection_id)
    key = a_key()
    store.announce_key(key)
    everything = [(row, b"new") for row, _ in store.unpacked(collection.collection_id, 10)]
    store.update_person(replace(person, state=PersonState.RESTRICTED))
    with pytest.raises(Conflict):
        store.reissue(read, key, everything, [])
    with pytest.raises(Conflict):
        _reissued(store, collection, leave_out=faces[0].row)
    now = store.collection(COMPANY, collection.collection_id)
    with pytest.raises(Conflict):
        store.reissue(now, key, [*everything, (999, b"nobody's")], [])
    with pytest.raises(Conflict):
        store.reissue(now, a_key(), everything, [])
    assert store.collection(COMPANY, collection.collection_id) == now
    assert now.key_id == collection.key_id


def test_another_model_takes_the_rows_that_could_be_protected_anew_and_deletes_the_others(
    store: SqlRecognitionStore,
) -> None:
    collection = created(store)
    people = [a_person(collection) for _ in range(2)]
    store.announce_blob("photo1")
    kept, lost = (store.enrol(collection, person, some_faces(2)) for person in people)
    (with_photo,) = store.enrol(collection, people[1], some_faces(photo_id="photo1"))
    packed(store, collection, [kept[0].row, lost[0].row])
    now = replace(
        store.collection(COMPANY, collection.collection_id),
        model_id="embedder-2",
        dimension=8,
        thresholds=replace(collection.thresholds, match=0.3),
    )
    key = a_key()
    store.announce_key(key)
    store.reissue(now, key, [(face.row, b"new") for face in kept], [])
    after = store.collection(COMPANY, collection.collection_id)
    assert (after.model_id, after.dimension, after.thresholds.match) == ("embedder-2", 8, 0.3)
    delta = store.delta(collection.collection_id, 0)
    assert [row for row, _ in delta.added] == [face.row for face in kept]
    assert (delta.segments, delta.removed) == ((), ())
    assert store.faces(COMPANY, people[1].person_id) == []
    assert "photo1" in store.unfinished().blobs
    assert with_photo.face_id not in {face.face_id for face in store.faces(COMPANY, people[0].person_id)}


def test_a_reissue_of_shares_leaves_settled_rows_to_their_parties(store: SqlRecognitionStore) -> None:
    collection = created(store, Scheme.SHARES)
    person = a_person(collection)
    settled = [face.row for face in store.enrol(collection, person, some_faces(2))]
    store.settle(collection.collection_id, 1)
    store.enrol(collection, person, some_faces(1))
    now, _ = _reissued(store, collection)
    delta = store.delta(collection.collection_id, 0)
    assert delta.settled == tuple(settled)
    assert len(delta.added) == 1
    assert store.delta(collection.collection_id, now.sequence - 1).settled == tuple(settled)


@pytest.mark.parametrize("scheme", [Scheme.HE, Scheme.SHARES])
@pytest.mark.parametrize("seed", range(2))
def test_whoever_follows_compares_exactly_what_may_be_compared(
    store: SqlRecognitionStore, scheme: Scheme, seed: int
) -> None:
    """Random changes, and followers that ask at different times; every failure prints its seed."""
    chance = random.Random(seed)
    history = _History(store, created(store, scheme), chance)
    followers = [Follower() for _ in range(3)]
    for step in range(60):
        history.change()
        # The first follows each change, the second now and then, the third after long pauses; one at times begins anew.
        for follower, pause in zip(followers, (1, 7, 23), strict=True):
            if step % pause == 0:
                history.bring_up(follower)
        if step % 11 == 0:
            followers[1] = Follower()
    for follower in [*followers, Follower()]:
        history.bring_up(follower)


class _History:
    """A collection to which random things happen, and the truth about it."""

    def __init__(self, store: SqlRecognitionStore, collection: Collection, chance: random.Random) -> None:
        self.store = store
        self.collection = collection
        self.chance = chance
        self.people: dict[str, Person] = {}

    def change(self) -> None:
        shares = self.collection.scheme is Scheme.SHARES
        other = [self.settle] if shares else [self.pack, self.repack, self.repack]
        self.chance.choice(
            [self.enrol, self.enrol, self.delete_face, self.restrict, self.erase, self.replace, *other]
        )()

    def bring_up(self, follower: Follower) -> None:
        delta = self.store.delta(self.collection.collection_id, follower.position)
        follower.apply(delta)
        follower.apply(delta)
        assert follower.position == self.store.collection(COMPANY, self.collection.collection_id).sequence
        assert follower.compared() == self.truth()

    def truth(self) -> set[int]:
        active = [one for one in self.people.values() if one.state.comparable]
        return {face.row for one in active for face in self.store.faces(COMPANY, one.person_id)}

    def some_person(self) -> Person | None:
        return self.chance.choice(list(self.people.values())) if self.people else None

    def enrol(self) -> None:
        person = self.some_person() if self.chance.random() < 0.3 else None
        person = person or a_person(self.collection)
        self.people.setdefault(person.person_id, person)
        self.store.enrol(self.collection, person, some_faces(self.chance.randint(1, 4)))

    def delete_face(self) -> None:
        person = self.some_person()
        for face in self.store.faces(COMPANY, person.person_id)[:1] if person else []:
            self.store.delete_face(COMPANY, face.face_id)

    def replace(self) -> None:
        person = self.some_person()
        if person is not None:
            old = [face.face_id for face in self.store.faces(COMPANY, person.person_id)]
            self.store.enrol(self.collection, person, some_faces(2), replaces=old)

    def restrict(self) -> None:
        person = self.some_person()
        if person is not None:
            changed = replace(person, state=self.chance.choice(list(PersonState)))
            self.store.update_person(changed)
            self.people[person.person_id] = changed

    def erase(self) -> None:
        person = self.some_person()
        if person is not None:
            self.store.delete_person(COMPANY, person.person_id)
            del self.people[person.person_id]

    def settle(self) -> None:
        sequence = self.store.collection(COMPANY, self.collection.collection_id).sequence
        self.store.settle(self.collection.collection_id, sequence)

    def pack(self) -> None:
        rows = [row for row, _ in self.store.unpacked(self.collection.collection_id, 6)]
        if rows:
            packed(self.store, self.collection, rows)

    def repack(self) -> None:
        old = self.store.segments(self.collection.collection_id)[:2]
        rows = [row for info in old for row in info.rows.tolist()]
        live = set(self.store.faces_at(self.collection.collection_id, rows))
        live |= set(self.store.excluded_rows(self.collection.collection_id)) & set(rows)
        if old:
            ids = [info.segment_id for info in old]
            if live:
                packed(self.store, self.collection, sorted(live), *ids)
            else:
                self.store.publish_segments(self.collection, [], ids)


def test_a_whole_gallery_is_read_in_the_same_few_statements_however_many_rows_are_packed(
    store: SqlRecognitionStore, engine: Engine
) -> None:
    collection = created(store)
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(str(arguments[2])))
    counts = []
    for _ in range(3):
        faces = store.enrol(collection, a_person(collection), some_faces(300))
        packed(store, collection, [face.row for face in faces])
        statements.clear()
        delta = store.delta(collection.collection_id, 0)
        counts.append(len([one for one in statements if one.startswith("SELECT")]))
    assert len(delta.segments) == 3
    assert counts == [counts[0]] * 3
    assert counts[0] <= 6
