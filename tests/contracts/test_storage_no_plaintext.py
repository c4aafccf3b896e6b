"""The store's bytes hold no plaintext of a person: every file of a SQLite database, every row of a PostgreSQL one, every blob."""

from pathlib import Path

import numpy as np
from sqlalchemy import Engine
from tests.storage_rig import Database, a_collection, a_person, stored_bytes

from moretta.core.protection import Scheme
from moretta.core.recognition import IdKind, new_id
from moretta.core.recognition_store import NewFace
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.blobs.folder import FolderBlobs
from moretta.storage.photos import Photos
from moretta.storage.recognition.store import SqlRecognitionStore

PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 40


def test_no_name_attribute_template_photo_or_key_stands_in_any_stored_byte(
    database: Database, engine: Engine, tmp_path: Path
) -> None:
    cipher = Envelope(MemoryKeyService())
    store, blobs = SqlRecognitionStore(engine, cipher), FolderBlobs(tmp_path / "blobs")
    photos = Photos(blobs, cipher)
    collection = a_collection(Scheme.PLAIN)
    store.announce_key(collection.key_id)
    store.create_collection(collection)
    person = a_person(collection)
    key = cipher.new_key(person.person_id)
    template = np.random.default_rng(7).standard_normal(128, dtype=np.float32)
    photo_id = photos.new_id()
    store.announce_blob(photo_id)
    photos.put(key, photo_id, PICTURE)
    faces = [NewFace(new_id(IdKind.FACE, "local"), template.tobytes(), 80.0, photo_id=photo_id)]
    store.enrol(collection, person, faces, wrapped_key=key.wrapped)
    assert dict(store.delta(collection.collection_id, 0).added) == {1: template.tobytes()}

    stored = stored_bytes(engine) + b"".join(blobs.get(blob_id) for blob_id in blobs.ids())
    # What stands as it is can be found, so the search looks at the right bytes.
    for plain in (person.person_id, collection.name, collection.purpose, faces[0].face_id, photo_id):
        assert plain.encode() in stored
    words = [person.name, *person.name.split(), *(word for pair in person.attributes for word in pair)]
    pieces = [word.encode(encoding) for word in words for encoding in ("utf-8", "utf-16-le")]
    pieces += [template[start : start + 4].tobytes() for start in range(0, 128, 4)]
    pieces += [template[start : start + 8].astype(np.float16).tobytes() for start in range(0, 128, 8)]
    pieces += [PICTURE[start : start + 16] for start in range(0, len(PICTURE) - 16, 256)]
    pieces += [key.key]
    found = [piece for piece in pieces if any(form in stored for form in (piece, piece.hex().encode()))]
    assert found == []
    store.close()
