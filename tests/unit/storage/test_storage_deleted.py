"""What is deleted from a SQLite file is not in any file beside it any more."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, a_person, created, some_faces, stored_bytes

from moretta.core.recognition import Collection, Person
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.recognition.store import SqlRecognitionStore

Delete = Callable[[SqlRecognitionStore, Collection, Person], object]

DELETIONS: dict[str, Delete] = {
    "face": lambda store, _, person: store.delete_face(COMPANY, store.faces(COMPANY, person.person_id)[0].face_id),
    "person": lambda store, _, person: store.delete_person(COMPANY, person.person_id),
    "collection": lambda store, collection, _: store.delete_collection(COMPANY, collection.collection_id),
}


@pytest.mark.parametrize("what", DELETIONS)
def test_the_bytes_of_what_is_deleted_are_overwritten(engine: Engine, what: str) -> None:
    store = SqlRecognitionStore(engine, Envelope(MemoryKeyService()))
    collection = created(store)
    person = a_person(collection)
    store.enrol(collection, person, some_faces())
    with engine.begin() as connection:
        secrets = {
            "face": connection.exec_driver_sql("SELECT payload FROM faces").scalar_one(),
            "person": connection.exec_driver_sql("SELECT wrapped FROM subject_keys").scalar_one(),
            "collection": connection.exec_driver_sql("SELECT profile FROM persons").scalar_one(),
        }
    assert all(secret in stored_bytes(engine) for secret in secrets.values())
    DELETIONS[what](store, collection, person)
    gone = list(secrets)[: list(secrets).index(what) + 1]
    stored = stored_bytes(engine)
    assert [name for name, secret in secrets.items() if secret not in stored][: len(gone)] == gone
    store.close()
