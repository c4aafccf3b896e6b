"""Enrolling: a person's faces, new or more, in one transaction.

Belongs here: what is checked and written when faces are kept. Does not belong here: who may enrol, quality, protecting.

Keys are opened and values sealed before the transaction begins, so that no lock waits for a key service. A person's data key
never changes, only how it is wrapped; so what was sealed before stays right, as long as the person is there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from moretta.core.clock import from_second
from moretta.core.errors import Conflict, NotFound, PersonErased
from moretta.core.key_service import SubjectCipher
from moretta.core.recognition import Collection, FaceRecord, Person
from moretta.core.recognition_store import NewFace
from moretta.storage.recognition.collections import CollectionRow, advance, lock_collection, require_writable
from moretta.storage.recognition.faces import face_rows, remove_faces, unknown_face
from moretta.storage.recognition.imports import mark_enrolled
from moretta.storage.recognition.outside import Kind, take
from moretta.storage.recognition.persons import absent_person, keep_person
from moretta.storage.recognition.sealed import seal_payload, seal_profile
from moretta.storage.schema import faces, persons, subject_keys


@dataclass(frozen=True, slots=True)
class SealedEnrolment:
    """What is to be written. `is_new`: as far as could be seen before the transaction."""

    person: Person
    is_new: bool
    wrapped: bytes = field(repr=False)
    profile: bytes = field(repr=False)
    faces: tuple[tuple[NewFace, bytes], ...] = field(repr=False)


def seal_enrolment(
    known: bytes | None, cipher: SubjectCipher, person: Person, new: Sequence[NewFace], wrapped: bytes | None
) -> SealedEnrolment:
    """Everything sealed under the person's key: the `known` one, the caller's, or a fresh one."""
    given = known if known is not None else wrapped
    key = cipher.new_key(person.person_id) if given is None else cipher.opened(person.person_id, given)
    return SealedEnrolment(
        person,
        known is None,
        key.wrapped,
        seal_profile(cipher, key, person.name, person.attributes),
        tuple((face, seal_payload(cipher, key, face.face_id, face.payload)) for face in new),
    )


def known_key(connection: Connection, person: Person, wrapped: bytes | None) -> bytes | None:
    """The wrapped key of a person who is enrolled already; None where they are new.

    Raises:
        PersonErased, NotFound: erased, or of another company or collection.
        Conflict: enrolled under another key than the caller's.
    """
    query = (
        select(persons.c.collection_id, persons.c.company_id, subject_keys.c.wrapped)
        .join(subject_keys, subject_keys.c.person_id == persons.c.person_id)
        .where(persons.c.person_id == person.person_id)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        absent = absent_person(connection, person.person_id)
        if isinstance(absent, PersonErased):
            raise absent
        return None
    if (row.collection_id, row.company_id) != (person.collection_id, person.company_id):
        raise NotFound("expected the id of a person of this collection; list its persons to see the ids")
    if wrapped is not None and wrapped != row.wrapped:
        raise Conflict("the person was enrolled meanwhile under another key; read the person's key and try again")
    return bytes(row.wrapped)


def enrol(
    connection: Connection,
    collection: Collection,
    sealed: SealedEnrolment,
    replaces: Sequence[str],
    import_item: tuple[str, str] | None,
    now: str,
) -> list[FaceRecord]:
    """Write it."""
    person = sealed.person
    row = lock_collection(connection, collection.collection_id, collection.company_id)
    require_writable(row, collection.key_id)
    _keep_subject(connection, sealed)
    _use_photos(connection, sealed)
    changes = bool(sealed.faces or replaces)
    sequence = advance(connection, row, len(sealed.faces)) if changes else int(row.sequence)
    records = _keep_faces(connection, row, sealed, sequence, now)
    if replaces:
        _replace(connection, person.person_id, replaces, sequence, now)
    if import_item is not None:
        mark_enrolled(connection, *import_item, person.person_id, person.collection_id, person.company_id)
    return records


def _keep_subject(connection: Connection, sealed: SealedEnrolment) -> None:
    present = known_key(connection, sealed.person, None)
    if sealed.is_new and present is None:
        keep_person(connection, sealed.person, sealed.wrapped, sealed.profile)
    elif sealed.is_new:
        raise Conflict("the person was enrolled meanwhile; read the person and try again")
    elif present is None:
        raise Conflict("the person is gone; read the person and try again")


def _use_photos(connection: Connection, sealed: SealedEnrolment) -> None:
    wanted = {face.photo_id for face, _ in sealed.faces if face.photo_id is not None}
    if wanted:
        theirs = select(faces.c.photo_id).where(faces.c.person_id == sealed.person.person_id)
        take(connection, Kind.BLOB, wanted - set(connection.execute(theirs).scalars()))


def _keep_faces(
    connection: Connection, row: CollectionRow, sealed: SealedEnrolment, sequence: int, now: str
) -> list[FaceRecord]:
    person, first = sealed.person, int(row.next_row)
    values = [
        {
            "face_id": face.face_id,
            "collection_id": person.collection_id,
            "person_id": person.person_id,
            "gallery_row": first + offset,
            "quality": face.quality,
            "created_at": now,
            "photo_id": face.photo_id,
            "segment_id": None,
            "sequence": sequence,
            "payload": payload,
        }
        for offset, (face, payload) in enumerate(sealed.faces)
    ]
    if values:
        connection.execute(faces.insert(), values)
    return [
        FaceRecord(
            face.face_id,
            person.person_id,
            person.collection_id,
            first + offset,
            row.model_id,
            row.key_id,
            face.quality,
            from_second(now),
            face.photo_id,
        )
        for offset, (face, _) in enumerate(sealed.faces)
    ]


def _replace(connection: Connection, person_id: str, replaces: Sequence[str], sequence: int, now: str) -> None:
    theirs = {row.face_id: row for row in face_rows(connection, person_id)}
    if not theirs.keys() >= set(replaces):
        raise unknown_face()
    remove_faces(connection, [theirs[face_id] for face_id in sorted(set(replaces))], sequence, now)
