"""`core.recognition_store.RecognitionStore` in SQL: each method one transaction.

Belongs here: which transaction a method needs, and its checkpoints. Does not belong here: SQL, which the other modules of this
package hold by subject.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from sqlalchemy import Connection, Engine, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.gallery import GalleryDelta, SegmentInfo
from moretta.core.key_service import SubjectCipher
from moretta.core.ledger import LogEntry
from moretta.core.recognition import Collection, FaceRecord, Person
from moretta.core.recognition_store import NewFace, PackedSegment, Unfinished
from moretta.storage.database import (
    between_checkpoints,
    exclusive,
    forget_deleted,
    reading,
    writing_rows,
)
from moretta.storage.ledger import append
from moretta.storage.ledger.comparing import note_comparable
from moretta.storage.recognition import (
    collections,
    enrolment,
    faces,
    gallery,
    imports,
    outside,
    packing,
    persons,
    reissue,
    sealed,
)
from moretta.storage.recognition.outside import Kind
from moretta.storage.recognition.owner import Owner, owner_is_alive
from moretta.storage.schema import announced, subject_keys
from moretta.storage.schema import collections as collections_table


class SqlRecognitionStore:
    """One region's recognition. Safe to share between threads and processes; close it when done.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(
        self,
        engine: Engine,
        cipher: SubjectCipher,
        checkpoint: Checkpoint = no_checkpoint,
        clock: Clock = utc_now,
    ) -> None:
        self._engine = engine
        self._cipher = cipher
        self._checkpoint = checkpoint
        self._clock = clock
        self._owner = Owner(engine)

    def close(self) -> None:
        """Leave to others what was announced and not put to use. Idempotent; the engine stays open."""
        self._owner.close()

    def create_collection(self, collection: Collection, *, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a new collection."""
        with self._writing("create-collection", entries) as connection:
            collections.create_collection(connection, collection)

    def collection(self, company_id: str, collection_id: str) -> Collection:
        """The collection as it stands."""
        with reading(self._engine) as connection:
            return collections.to_collection(collections.find_collection(connection, collection_id, company_id))

    def collections(self, company_id: str | None, limit: int, after: str | None = None) -> list[Collection]:
        """Collections in the order of their ids."""
        with reading(self._engine) as connection:
            return collections.list_collections(connection, company_id, limit, after)

    def update_collection(self, collection: Collection, *, entries: Sequence[LogEntry] = ()) -> None:
        """Change what may change of a collection."""
        with self._writing("update-collection", entries) as connection:
            collections.update_collection(connection, collection)

    def delete_collection(self, company_id: str, collection_id: str, *, entries: Sequence[LogEntry] = ()) -> None:
        """Delete a collection and all that is its."""
        with self._deleting("delete-collection", entries) as connection:
            collections.delete_collection(connection, collection_id, company_id, self._now())

    def enrol(
        self,
        collection: Collection,
        person: Person,
        faces: Sequence[NewFace],
        *,
        replaces: Sequence[str] = (),
        import_item: tuple[str, str] | None = None,
        wrapped_key: bytes | None = None,
        entries: Sequence[LogEntry] = (),
    ) -> list[FaceRecord]:
        """Keep faces of a person."""
        with reading(self._engine) as connection:
            known = enrolment.known_key(connection, person, wrapped_key)
        to_keep = enrolment.seal_enrolment(known, self._cipher, person, faces, wrapped_key)
        with self._writing("enrol", entries) as connection:
            records = enrolment.enrol(connection, collection, to_keep, replaces, import_item, self._now())
            note_comparable(connection, person.person_id, self._now())
            return records

    def person(self, company_id: str, person_id: str) -> Person:
        """The person."""
        with reading(self._engine) as connection:
            row = persons.find_person(connection, person_id, company_id)
        return persons.to_person(row, self._keys())

    def persons(self, company_id: str, collection_id: str, limit: int, after: str | None = None) -> list[Person]:
        """Persons in the order of their ids."""
        with reading(self._engine) as connection:
            collections.find_collection(connection, collection_id, company_id)
            rows = persons.list_persons(connection, collection_id, limit, after)
        keys = self._keys()
        return [persons.to_person(row, keys) for row in rows]

    def update_person(self, person: Person, *, entries: Sequence[LogEntry] = ()) -> None:
        """Change a person's name, attributes and state."""
        with reading(self._engine) as connection:
            row = persons.find_person(connection, person.person_id, person.company_id)
        key = self._cipher.opened(person.person_id, row.wrapped)
        profile = sealed.seal_profile(self._cipher, key, person.name, person.attributes)
        with self._writing("update-person", entries) as connection:
            persons.change_person(connection, person, profile)
            note_comparable(connection, person.person_id, self._now())

    def delete_person(self, company_id: str, person_id: str, *, entries: Sequence[LogEntry] = ()) -> None:
        """Delete a person."""
        with self._deleting("delete-person", entries) as connection:
            persons.delete_person(connection, person_id, company_id, self._now())

    def faces(self, company_id: str, person_id: str) -> list[FaceRecord]:
        """The person's faces."""
        with reading(self._engine) as connection:
            persons.find_person(connection, person_id, company_id)
            return faces.faces_of(connection, person_id)

    def face(self, company_id: str, face_id: str) -> FaceRecord:
        """One face."""
        with reading(self._engine) as connection:
            return faces.to_face(faces.find_face(connection, face_id, company_id))

    def delete_face(self, company_id: str, face_id: str, *, entries: Sequence[LogEntry] = ()) -> FaceRecord:
        """Delete one face."""
        with self._deleting("delete-face", entries) as connection:
            seen = faces.find_face(connection, face_id, company_id)
            collection = collections.lock_collection(connection, seen.collection_id, company_id)
            row = faces.find_face(connection, face_id, company_id)
            faces.remove_faces(connection, [row], collections.advance(connection, collection), self._now())
            note_comparable(connection, row.person_id, self._now())
            return faces.to_face(row)

    def faces_at(self, collection_id: str, rows: Sequence[int]) -> dict[int, FaceRecord]:
        """The faces at gallery rows that may be compared."""
        with reading(self._engine) as connection:
            return faces.comparable_at(connection, collection_id, rows)

    def excluded_rows(self, collection_id: str) -> list[int]:
        """The rows that must not be compared."""
        with reading(self._engine) as connection:
            return faces.excluded_rows(connection, collection_id)

    def subject_key(self, person_id: str) -> bytes:
        """The person's wrapped data key."""
        with reading(self._engine) as connection:
            mine = subject_keys.c.person_id == person_id
            found = connection.execute(select(subject_keys.c.wrapped).where(mine)).scalar_one_or_none()
            if found is None:
                raise persons.absent_person(connection, person_id)
        return bytes(found)

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        """What changed in the gallery."""
        with reading(self._engine) as connection:
            return gallery.read_delta(connection, self._keys(), collection_id, since)

    def unpacked(self, collection_id: str, limit: int) -> list[tuple[int, bytes]]:
        """Rows and payloads in no segment."""
        with reading(self._engine) as connection:
            return gallery.read_unpacked(connection, self._keys(), collection_id, limit)

    def unpacked_count(self, collection_id: str) -> int:
        """How many there are."""
        with reading(self._engine) as connection:
            return gallery.count_unpacked(connection, collection_id)

    def segments(self, collection_id: str) -> list[SegmentInfo]:
        """The present segments."""
        with reading(self._engine) as connection:
            return list(gallery.read_segments(connection, collection_id))

    def publish_segments(self, collection: Collection, added: Sequence[PackedSegment], dropped: Sequence[str]) -> None:
        """Replace segments and payloads."""
        with self._writing("publish-segments") as connection:
            packing.publish(connection, collection, added, dropped, self._now())

    def settle(self, collection_id: str, sequence: int) -> None:
        """Forget payloads that only passed through."""
        with self._writing("settle") as connection:
            packing.settle(connection, collection_id, sequence)

    def reissue(
        self,
        collection: Collection,
        new_key_id: str,
        payloads: Sequence[tuple[int, bytes]],
        added: Sequence[PackedSegment],
        *,
        entries: Sequence[LogEntry] = (),
    ) -> None:
        """Switch the collection to another key."""
        with reading(self._engine) as connection:
            rows = reissue.seal_rows(connection, self._keys(), collection.collection_id, payloads)
        with self._writing("reissue", entries) as connection:
            reissue.reissue(connection, collection, new_key_id, rows, added, self._now())

    def announce_blob(self, blob_id: str) -> None:
        """A blob is about to be written."""
        self._announce(Kind.BLOB, blob_id)

    def announce_segment(self, segment_id: str) -> None:
        """A segment file is about to be written."""
        self._announce(Kind.SEGMENT, segment_id)

    def announce_key(self, key_id: str) -> None:
        """A gallery key was made."""
        self._announce(Kind.KEY, key_id)

    def keys_alone(self) -> AbstractContextManager[None]:
        """Keep others from making and from seeking gallery keys."""
        return exclusive(self._engine, "keys")

    def known_keys(self) -> set[str]:
        """The gallery keys in use or announced."""
        about_to_be = select(announced.c.id).where(announced.c.kind == Kind.KEY.value, announced.c.owner.is_not(None))
        with reading(self._engine) as connection:
            in_use = set(connection.execute(select(collections_table.c.key_id)).scalars())
            return in_use | set(connection.execute(about_to_be).scalars())

    def abandon(self, made: Unfinished) -> Unfinished:
        """Which of these no write uses."""
        with self._writing("abandon") as connection:
            return outside.abandon(connection, made)

    def unfinished(self) -> Unfinished:
        """What is left over."""
        with self._writing("unfinished") as connection:
            return outside.left_over(connection, lambda token: owner_is_alive(self._engine, connection, token))

    def gone(self, finished: Unfinished) -> None:
        """These were deleted."""
        with self._writing("gone") as connection:
            outside.forget(connection, finished)

    def create_import(self, import_id: str, collection_id: str, company_id: str) -> None:
        """Begin an import, or go on with one."""
        with self._writing("create-import") as connection:
            collections.find_collection(connection, collection_id, company_id)
            imports.create_import(connection, import_id, collection_id, company_id, self._now())

    def import_items(self, import_id: str) -> dict[str, str]:
        """The item keys that were dealt with."""
        with reading(self._engine) as connection:
            return imports.outcomes(connection, import_id)

    def import_failed(self, import_id: str, item_key: str, reason: str) -> None:
        """Note that an item cannot be enrolled."""
        with self._writing("import-failed") as connection:
            imports.mark_failed(connection, import_id, item_key, reason)

    def wrapped_keys(self, limit: int, after: str | None = None) -> list[tuple[str, bytes]]:
        """Person ids and wrapped data keys."""
        with reading(self._engine) as connection:
            return persons.wrapped_keys(connection, limit, after)

    def rewrap(self, keys: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Replace wrapped data keys."""
        with self._writing("rewrap") as connection:
            for person_id, old, new in sorted(keys):
                persons.rewrap(connection, person_id, old, new)

    @contextmanager
    def _writing(self, what: str, entries: Sequence[LogEntry] = ()) -> Iterator[Connection]:
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, what) as connection:
            yield connection
            append(connection, entries)

    @contextmanager
    def _deleting(self, what: str, entries: Sequence[LogEntry]) -> Iterator[Connection]:
        with self._writing(what, entries) as connection:
            yield connection
        forget_deleted(self._engine)

    def _announce(self, kind: Kind, some_id: str) -> None:
        owner = self._owner.token()
        with self._writing("announce") as connection:
            outside.announce(connection, kind, some_id, owner, self._now())

    def _keys(self) -> sealed.OpenedKeys:
        return sealed.OpenedKeys(self._cipher)

    def _now(self) -> str:
        return to_second(self._clock())
