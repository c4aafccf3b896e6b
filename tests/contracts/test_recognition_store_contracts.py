"""What the store of people must do, in both kinds of database: collections, persons, faces, imports, what lies outside."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, text
from tests.storage_rig import (
    COMPANY,
    NOW,
    OTHER_COMPANY,
    Database,
    a_collection,
    a_key,
    a_person,
    a_segment,
    created,
    packed,
    snapshot,
    some_faces,
)

from moretta.core.errors import Conflict, KeyRejected, NotFound, PersonErased
from moretta.core.key_service import Place
from moretta.core.protection import Scheme
from moretta.core.recognition import CollectionState, IdKind, PersonState, Thresholds, new_id
from moretta.core.recognition_store import Unfinished
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.recognition.store import SqlRecognitionStore

REGION = "local"


@pytest.fixture
def service() -> MemoryKeyService:
    return MemoryKeyService()


@pytest.fixture
def cipher(service: MemoryKeyService) -> Envelope:
    return Envelope(service)


@pytest.fixture
def store(engine: Engine, cipher: Envelope) -> Iterator[SqlRecognitionStore]:
    store = SqlRecognitionStore(engine, cipher, clock=lambda: NOW)
    yield store
    store.close()


def test_a_collection_is_kept_as_it_is(store: SqlRecognitionStore) -> None:
    collection = created(store)
    assert store.collection(COMPANY, collection.collection_id) == collection


def test_a_collection_needs_a_key_that_was_announced(store: SqlRecognitionStore) -> None:
    with pytest.raises(Conflict):
        store.create_collection(a_collection())
    collection = created(store)
    with pytest.raises(Conflict):
        store.create_collection(replace(a_collection(), key_id=collection.key_id))


def test_a_change_of_a_collection_leaves_its_key_model_and_home_alone(store: SqlRecognitionStore) -> None:
    collection = created(store)
    changed = replace(
        collection,
        name="visitors",
        purpose="events",
        thresholds=Thresholds(0.5, 0.7, 0.0001, "calibrated"),
        retention_days=None,
        min_quality=60.0,
        bands=True,
        replicas=frozenset({"eu", "us"}),
        state=CollectionState.REISSUING,
    )
    store.update_collection(replace(changed, key_id="other", model_id="other", dimension=8, home="us", sequence=99))
    assert store.collection(COMPANY, collection.collection_id) == changed


def test_another_company_sees_and_changes_nothing(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person = a_person(collection)
    (face,) = store.enrol(collection, person, some_faces())
    theirs = replace(collection, company_id=OTHER_COMPANY)
    for attempt in (
        lambda: store.collection(OTHER_COMPANY, collection.collection_id),
        lambda: store.update_collection(theirs),
        lambda: store.delete_collection(OTHER_COMPANY, collection.collection_id),
        lambda: store.enrol(theirs, a_person(theirs), some_faces()),
        lambda: store.enrol(theirs, replace(person, company_id=OTHER_COMPANY), some_faces()),
        lambda: store.person(OTHER_COMPANY, person.person_id),
        lambda: store.persons(OTHER_COMPANY, collection.collection_id, 10),
        lambda: store.update_person(replace(person, company_id=OTHER_COMPANY)),
        lambda: store.delete_person(OTHER_COMPANY, person.person_id),
        lambda: store.faces(OTHER_COMPANY, person.person_id),
        lambda: store.delete_face(OTHER_COMPANY, face.face_id),
        lambda: store.create_import(new_id(IdKind.IMPORT, REGION), collection.collection_id, OTHER_COMPANY),
        lambda: store.publish_segments(theirs, [], []),
        lambda: store.reissue(theirs, a_key(), [], []),
    ):
        with pytest.raises(NotFound):
            attempt()  # type: ignore[no-untyped-call]
    assert store.collections(OTHER_COMPANY, 10) == []
    assert store.faces(COMPANY, person.person_id) == [face]


def test_collections_and_persons_are_listed_in_pages_in_the_order_of_their_ids(store: SqlRecognitionStore) -> None:
    made = sorted(created(store).collection_id for _ in range(5))
    created(store, company_id=OTHER_COMPANY)
    first = store.collections(COMPANY, 3)
    rest = store.collections(COMPANY, 3, after=first[-1].collection_id)
    assert [one.collection_id for one in first + rest] == made
    assert len(store.collections(None, 10)) == 6
    people = [a_person(first[0], f"name {number}") for number in range(5)]
    for person in people:
        store.enrol(first[0], person, some_faces(2))
    seen = store.persons(COMPANY, made[0], 3)
    seen += store.persons(COMPANY, made[0], 3, after=seen[-1].person_id)
    assert seen == [replace(one, faces=2) for one in sorted(people, key=lambda one: one.person_id)]


def test_faces_get_rows_that_are_never_used_twice(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person = a_person(collection)
    first = store.enrol(collection, person, some_faces(3))
    for face in first:
        store.delete_face(COMPANY, face.face_id)
    second = store.enrol(collection, person, some_faces(2))
    assert len({face.row for face in first + second}) == 5
    assert store.faces(COMPANY, person.person_id) == second
    assert store.person(COMPANY, person.person_id) == replace(person, faces=2)


def test_what_a_face_record_says_is_what_was_enrolled(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person = a_person(collection)
    (new,) = some_faces(quality=61.5)
    (face,) = store.enrol(collection, person, [new])
    assert (face.face_id, face.person_id, face.collection_id) == (new.face_id, person.person_id, person.collection_id)
    assert (face.model_id, face.key_id, face.quality, face.created_at) == ("embedder-1", collection.key_id, 61.5, NOW)
    assert face.photo_id is None


def test_more_faces_of_a_known_person_change_neither_name_nor_key(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person = a_person(collection)
    store.enrol(collection, person, some_faces())
    key = store.subject_key(person.person_id)
    store.enrol(collection, replace(person, name="Somebody else", state=PersonState.OBJECTED), some_faces())
    assert store.person(COMPANY, person.person_id) == replace(person, faces=2)
    assert store.subject_key(person.person_id) == key


def test_replacing_removes_the_old_faces_in_the_same_step_and_none_of_another_person(
    store: SqlRecognitionStore,
) -> None:
    collection = created(store)
    person, other = a_person(collection), a_person(collection)
    (old,) = store.enrol(collection, person, some_faces())
    (theirs,) = store.enrol(collection, other, some_faces())
    with pytest.raises(NotFound):
        store.enrol(collection, person, some_faces(), replaces=[old.face_id, theirs.face_id])
    (new,) = store.enrol(collection, person, some_faces(), replaces=[old.face_id])
    assert store.faces(COMPANY, person.person_id) == [new]
    assert set(store.faces_at(collection.collection_id, [old.row, new.row, theirs.row])) == {new.row, theirs.row}


def test_templates_under_another_key_or_while_the_key_changes_are_refused(store: SqlRecognitionStore) -> None:
    collection = created(store)
    with pytest.raises(Conflict):
        store.enrol(replace(collection, key_id=a_key()), a_person(collection), some_faces())
    store.update_collection(replace(collection, state=CollectionState.REISSUING))
    with pytest.raises(Conflict):
        store.enrol(collection, a_person(collection), some_faces())
    store.update_collection(replace(collection, state=CollectionState.DELETED))
    with pytest.raises(NotFound):
        store.enrol(collection, a_person(collection), some_faces())
    assert store.persons(COMPANY, collection.collection_id, 10) == []


def test_a_deleted_person_stays_known_as_erased_and_cannot_be_enrolled_under_the_same_id(
    store: SqlRecognitionStore,
) -> None:
    collection = created(store)
    person = a_person(collection)
    (face,) = store.enrol(collection, person, some_faces())
    store.delete_person(COMPANY, person.person_id)
    for attempt in (
        lambda: store.person(COMPANY, person.person_id),
        lambda: store.faces(COMPANY, person.person_id),
        lambda: store.update_person(person),
        lambda: store.delete_person(COMPANY, person.person_id),
        lambda: store.subject_key(person.person_id),
        lambda: store.enrol(collection, person, some_faces()),
    ):
        with pytest.raises(PersonErased):
            attempt()  # type: ignore[no-untyped-call]
    with pytest.raises(NotFound):
        store.person(OTHER_COMPANY, person.person_id)
    with pytest.raises(NotFound):
        store.delete_face(COMPANY, face.face_id)
    assert store.faces_at(collection.collection_id, [face.row]) == {}


def test_a_deleted_collection_leaves_its_people_erased_and_its_key_and_files_to_be_deleted(
    store: SqlRecognitionStore, engine: Engine
) -> None:
    collection, other = created(store), created(store)
    person = a_person(collection)
    store.announce_blob("photo1")
    faces = store.enrol(collection, person, some_faces(2, photo_id="photo1"))
    store.create_import(new_id(IdKind.IMPORT, REGION), collection.collection_id, COMPANY)
    segment = packed(store, collection, [faces[0].row])
    store.delete_collection(COMPANY, collection.collection_id)
    with pytest.raises(NotFound):
        store.collection(COMPANY, collection.collection_id)
    with pytest.raises(NotFound):
        store.delta(collection.collection_id, 0)
    with pytest.raises(PersonErased):
        store.person(COMPANY, person.person_id)
    assert store.unfinished() == Unfinished(("photo1",), (segment.info.segment_id,), (collection.key_id,))
    assert store.known_keys() == {other.key_id}
    left = snapshot(engine)
    for table in ("persons", "subject_keys", "faces", "segments", "removed_rows", "imports"):
        assert f'"{table}": []' in left


def test_name_and_attributes_can_be_corrected_and_lengths_of_names_do_not_show(
    store: SqlRecognitionStore, engine: Engine
) -> None:
    collection = created(store)
    person, longer = a_person(collection, "Al"), a_person(collection, "Alexandrina Wilhelmina")
    for one in (person, longer):
        store.enrol(collection, replace(one, attributes=()), some_faces())
    with engine.begin() as connection:
        lengths = connection.execute(text("SELECT length(profile) FROM persons")).scalars().all()
    assert len(set(lengths)) == 1
    corrected = replace(person, name="Ål", attributes=(("badge", "12"),))
    store.update_person(corrected)
    assert store.person(COMPANY, person.person_id) == replace(corrected, faces=1)


def test_faces_of_a_person_who_must_not_be_compared_are_not_told(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person, other = a_person(collection), a_person(collection)
    (face,) = store.enrol(collection, person, some_faces())
    (theirs,) = store.enrol(collection, other, some_faces())
    both = {face.row: face, theirs.row: theirs}
    assert store.faces_at(collection.collection_id, [theirs.row, face.row, 999]) == both
    for state in (PersonState.RESTRICTED, PersonState.OBJECTED):
        store.update_person(replace(person, state=state))
        assert store.person(COMPANY, person.person_id).state is state
        assert store.faces_at(collection.collection_id, [face.row, theirs.row]) == {theirs.row: theirs}
        assert store.excluded_rows(collection.collection_id) == [face.row]
    store.update_person(person)
    assert store.faces_at(collection.collection_id, [face.row, theirs.row]) == both
    assert store.excluded_rows(collection.collection_id) == []


def test_a_sealed_value_that_was_moved_to_another_person_does_not_open(
    store: SqlRecognitionStore, engine: Engine
) -> None:
    collection = created(store)
    person, other = a_person(collection), a_person(collection)
    for one in (person, other):
        store.enrol(collection, one, some_faces())
    with engine.begin() as connection:
        moved = "SELECT profile FROM persons WHERE person_id = :one"
        connection.execute(
            text(f"UPDATE persons SET profile = ({moved}) WHERE person_id = :other"),
            {"one": person.person_id, "other": other.person_id},
        )
    assert store.person(COMPANY, person.person_id).name == person.name
    with pytest.raises(KeyRejected):
        store.person(COMPANY, other.person_id)


def test_only_what_no_write_uses_can_be_abandoned(store: SqlRecognitionStore) -> None:
    collection = created(store)
    used, unused = Unfinished(keys=(collection.key_id,)), Unfinished(blobs=("photo9",))
    store.announce_blob("photo9")
    both = Unfinished(unused.blobs, (), used.keys)
    assert store.abandon(both) == unused
    assert store.abandon(both) == unused
    assert store.unfinished() == unused
    assert collection.key_id in store.known_keys()


def test_a_photo_is_kept_until_the_last_face_that_uses_it_goes(store: SqlRecognitionStore) -> None:
    collection = created(store)
    person = a_person(collection)
    store.announce_blob("photo1")
    one, two = store.enrol(collection, person, some_faces(2, photo_id="photo1"))
    (three,) = store.enrol(collection, person, some_faces(photo_id="photo1"))
    assert {face.photo_id for face in store.faces(COMPANY, person.person_id)} == {"photo1"}
    store.delete_face(COMPANY, one.face_id)
    store.enrol(collection, person, [], replaces=[two.face_id])
    assert store.unfinished() == Unfinished()
    assert store.delete_face(COMPANY, three.face_id) == three
    assert store.unfinished() == Unfinished(blobs=("photo1",))
    store.gone(Unfinished(blobs=("photo1",)))
    store.gone(Unfinished(blobs=("photo1",)))
    assert store.unfinished() == Unfinished()


def test_a_photo_must_have_been_announced_and_belongs_to_one_person(store: SqlRecognitionStore) -> None:
    collection = created(store)
    with pytest.raises(Conflict):
        store.enrol(collection, a_person(collection), some_faces(photo_id="photo1"))
    store.announce_blob("photo1")
    store.enrol(collection, a_person(collection), some_faces(photo_id="photo1"))
    with pytest.raises(Conflict):
        store.enrol(collection, a_person(collection), some_faces(photo_id="photo1"))
    assert len(store.persons(COMPANY, collection.collection_id, 10)) == 1


def test_a_new_person_may_bring_the_key_that_sealed_their_photo(store: SqlRecognitionStore, cipher: Envelope) -> None:
    collection = created(store)
    person = a_person(collection)
    key = cipher.new_key(person.person_id)
    sealed = cipher.seal(key, Place("photos", "photo1", "content"), b"picture")
    store.enrol(collection, person, some_faces(), wrapped_key=key.wrapped)
    kept = cipher.opened(person.person_id, store.subject_key(person.person_id))
    assert cipher.open(kept, Place("photos", "photo1", "content"), sealed) == b"picture"
    with pytest.raises(Conflict):
        store.enrol(collection, person, some_faces(), wrapped_key=cipher.new_key(person.person_id).wrapped)
    store.enrol(collection, person, some_faces(), wrapped_key=key.wrapped)
    assert store.person(COMPANY, person.person_id).faces == 2


def test_what_is_announced_is_unfinished_once_its_process_is_gone(
    store: SqlRecognitionStore, engine: Engine, cipher: Envelope
) -> None:
    other = SqlRecognitionStore(engine, cipher)
    other.announce_blob("photo1")
    other.announce_segment("segment1")
    other.announce_key("key1")
    store.announce_blob("photo2")
    assert store.unfinished() == Unfinished()
    assert store.known_keys() == {"key1"}
    other.close()
    assert store.unfinished() == Unfinished(("photo1",), ("segment1",), ("key1",))
    assert store.known_keys() == set()
    store.gone(Unfinished(("photo1", "photo2"), ("segment1",), ("key1",)))
    store.close()
    assert store.unfinished() == Unfinished()


def test_what_was_taken_for_left_over_cannot_be_put_to_use_any_more(
    store: SqlRecognitionStore, engine: Engine, cipher: Envelope
) -> None:
    collection = created(store)
    other = SqlRecognitionStore(engine, cipher)
    other.announce_blob("photo1")
    other.close()
    assert store.unfinished().blobs == ("photo1",)
    with pytest.raises(Conflict):
        store.enrol(collection, a_person(collection), some_faces(photo_id="photo1"))
    assert store.persons(COMPANY, collection.collection_id, 10) == []


def test_an_id_is_announced_once(store: SqlRecognitionStore) -> None:
    store.announce_blob("photo1")
    with pytest.raises(Conflict):
        store.announce_blob("photo1")
    store.announce_segment("photo1")


def test_nobody_seeks_left_over_keys_while_one_is_made(store: SqlRecognitionStore) -> None:
    seen: list[str] = []

    def make() -> None:
        with store.keys_alone():
            seen.append("made")
            store.announce_key("key1")
            seen.append("announced")

    def seek() -> None:
        with store.keys_alone():
            seen.append("sought")

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(job) for job in (seek, make, seek, seek)]
        for job in jobs:
            job.result()
    assert seen[seen.index("made") + 1] == "announced"


def test_an_import_remembers_each_item_and_enrols_none_twice(store: SqlRecognitionStore) -> None:
    collection = created(store)
    import_id = new_id(IdKind.IMPORT, REGION)
    for _ in range(2):
        store.create_import(import_id, collection.collection_id, COMPANY)
    person, second = a_person(collection), a_person(collection)
    store.import_failed(import_id, "item1", "face.not_found")
    store.import_failed(import_id, "item2", "face.not_found")
    store.import_failed(import_id, "item2", "quality.too_low")
    store.enrol(collection, person, some_faces(), import_item=(import_id, "item1"))
    store.import_failed(import_id, "item1", "face.not_found")
    assert store.import_items(import_id) == {"item1": person.person_id, "item2": "failed:quality.too_low"}
    with pytest.raises(Conflict):
        store.enrol(collection, second, some_faces(), import_item=(import_id, "item1"))
    with pytest.raises(NotFound):
        store.person(COMPANY, second.person_id)


def test_an_import_belongs_to_one_collection(store: SqlRecognitionStore) -> None:
    collection, other = created(store), created(store)
    import_id = new_id(IdKind.IMPORT, REGION)
    with pytest.raises(NotFound):
        store.import_items(import_id)
    store.create_import(import_id, collection.collection_id, COMPANY)
    with pytest.raises(NotFound):
        store.create_import(import_id, other.collection_id, COMPANY)
    with pytest.raises(NotFound):
        store.enrol(other, a_person(other), some_faces(), import_item=(import_id, "item"))
    assert store.persons(COMPANY, other.collection_id, 10) == []


def test_a_change_of_the_master_key_rewraps_every_data_key_and_nothing_else(
    store: SqlRecognitionStore, cipher: Envelope, service: MemoryKeyService
) -> None:
    collection = created(store)
    people = [a_person(collection) for _ in range(5)]
    for person in people:
        store.enrol(collection, person, some_faces())
    old = service.active()
    service.rotate()
    first = store.wrapped_keys(3)
    rest = store.wrapped_keys(3, after=first[-1][0])
    assert [person_id for person_id, _ in first + rest] == sorted(person.person_id for person in people)
    changed = [(person_id, was, cipher.rewrapped(person_id, was) or b"") for person_id, was in first + rest]
    stale = (changed[0][0], b"changed meanwhile", b"wrong")
    store.rewrap([*changed, stale])
    service.destroy(old)
    for person in people:
        assert store.person(COMPANY, person.person_id) == replace(person, faces=1)


def test_services_that_enrol_at_once_pass_one_after_the_other(database: Database, cipher: Envelope) -> None:
    engines = [database.opened() for _ in range(2)]
    stores = [SqlRecognitionStore(engine, cipher) for engine in engines]
    collection = created(stores[0])

    def enrol(store: SqlRecognitionStore) -> list[int]:
        return [face.row for _ in range(15) for face in store.enrol(collection, a_person(collection), some_faces(2))]

    with ThreadPoolExecutor(4) as pool:
        rows = [row for rows in pool.map(enrol, stores * 2) for row in rows]
    assert len(set(rows)) == len(rows) == 120
    assert stores[0].collection(COMPANY, collection.collection_id).sequence == 60
    for store, engine in zip(stores, engines, strict=True):
        store.close()
        engine.dispose()


def test_writers_that_meet_in_every_way_all_end(store: SqlRecognitionStore) -> None:
    collections = [created(store) for _ in range(2)]
    people = [a_person(collections[number % 2]) for number in range(12)]
    by_id = {one.collection_id: one for one in collections}

    def live(person: object) -> None:
        assert hasattr(person, "collection_id")
        collection = by_id[person.collection_id]
        try:
            photo = person.person_id  # type: ignore[attr-defined]
            store.announce_blob(photo)
            faces = store.enrol(collection, person, some_faces(2, photo_id=photo))  # type: ignore[arg-type]
            store.unfinished()
            store.rewrap([(key_id, key, key) for key_id, key in store.wrapped_keys(100)])
            store.delete_face(COMPANY, faces[0].face_id)
            store.delete_person(COMPANY, photo)
            store.gone(store.unfinished())
        except (NotFound, PersonErased, Conflict):
            return

    def take_down() -> None:
        store.delete_collection(COMPANY, collections[1].collection_id)

    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(live, person) for person in people]
        jobs.insert(6, pool.submit(take_down))
        for job in jobs:
            job.result(timeout=60)
    assert store.persons(COMPANY, collections[0].collection_id, 100) == []


def test_nothing_of_an_erased_person_but_the_id_is_in_the_database(store: SqlRecognitionStore, engine: Engine) -> None:
    collection = created(store)
    person = a_person(collection)
    faces = store.enrol(collection, person, some_faces(2))
    segment = packed(store, collection, [faces[0].row])
    store.delete_person(COMPANY, person.person_id)
    rows = snapshot(engine)
    assert rows.count(person.person_id) == 1
    assert all(face.face_id not in rows for face in faces)
    assert segment.info.segment_id in rows


def test_a_segment_needs_an_announcement_and_the_present_key(store: SqlRecognitionStore) -> None:
    collection = created(store, Scheme.HE)
    rows = [face.row for face in store.enrol(collection, a_person(collection), some_faces(3))]
    segment = a_segment(rows, collection.key_id)
    with pytest.raises(Conflict):
        store.publish_segments(collection, [segment], [])
    store.announce_segment(segment.info.segment_id)
    with pytest.raises(Conflict):
        store.publish_segments(collection, [replace(segment, key_id=a_key())], [])
    with pytest.raises(Conflict):
        store.publish_segments(replace(collection, key_id=a_key()), [segment], [])
    assert store.segments(collection.collection_id) == []
    store.publish_segments(collection, [segment], [])
    assert [one.segment_id for one in store.segments(collection.collection_id)] == [segment.info.segment_id]
