"""Persons as rows: finding, listing, changing, deleting.

Belongs here: a person's row, data key and state. Does not belong here: templates and galleries beyond removing a person's faces.
"""

from sqlalchemy import Connection, Row, Select, func, select

from moretta.core.clock import from_second, to_second
from moretta.core.errors import NotFound, PersonErased
from moretta.core.recognition import Person, PersonState
from moretta.storage.consents.forgetting import forget_people
from moretta.storage.governance.holding import forget_words_about, require_not_held
from moretta.storage.ledger.comparing import forget_comparisons_of
from moretta.storage.recognition.collections import advance, lock_collection
from moretta.storage.recognition.faces import face_rows, remove_faces
from moretta.storage.recognition.sealed import OpenedKeys, open_profile
from moretta.storage.rights.forgetting import forget_requests_of
from moretta.storage.schema import erased_persons, faces, persons, subject_keys
from moretta.storage.subjects.forgetting import forget_links_of
from moretta.storage.tables_rights import erasures

PersonRow = Row[tuple[object, ...]]


def find_person(connection: Connection, person_id: str, company_id: str) -> PersonRow:
    """The row of a person, with wrapped key and number of faces.

    Raises:
        PersonErased: there was one.
        NotFound: there never was, or of another company.
    """
    row = connection.execute(
        _with_key_and_faces().where(persons.c.person_id == person_id, persons.c.company_id == company_id)
    ).one_or_none()
    if row is None:
        raise absent_person(connection, person_id, company_id)
    return row


def absent_person(connection: Connection, person_id: str, company_id: str | None = None) -> NotFound | PersonErased:
    """What to raise where there is no such person: whether there was one."""
    was_there = select(erased_persons.c.person_id).where(erased_persons.c.person_id == person_id)
    if company_id is not None:
        was_there = was_there.where(erased_persons.c.company_id == company_id)
    if connection.execute(was_there).one_or_none() is not None:
        certified = select(erasures.c.certificate_id).where(erasures.c.person_id == person_id, erasures.c.revision > 0)
        certificate_id = connection.execute(certified).scalar_one_or_none()
        return PersonErased("this person was erased; enrol them anew if they consent again", certificate_id)
    return _unknown()


def list_persons(connection: Connection, collection_id: str, limit: int, after: str | None) -> list[PersonRow]:
    """Rows as `find_person` gives, in the order of their ids."""
    query = _with_key_and_faces().where(persons.c.collection_id == collection_id).order_by(persons.c.person_id)
    if after is not None:
        query = query.where(persons.c.person_id > after)
    return list(connection.execute(query.limit(limit)).all())


def to_person(row: PersonRow, keys: OpenedKeys) -> Person:
    """The value that a row stands for, opened."""
    name, attributes = open_profile(keys.cipher, keys.key(row.person_id, row.wrapped), row.profile)
    return Person(
        person_id=row.person_id,
        collection_id=row.collection_id,
        company_id=row.company_id,
        created_at=from_second(row.created_at),
        state=PersonState(row.state),
        name=name,
        attributes=attributes,
        faces=row.faces,
    )


def keep_person(connection: Connection, person: Person, wrapped: bytes, profile: bytes) -> None:
    """A new person's row and data key."""
    values = {
        "person_id": person.person_id,
        "collection_id": person.collection_id,
        "company_id": person.company_id,
        "created_at": to_second(person.created_at),
        "state": person.state.value,
        "profile": profile,
    }
    connection.execute(persons.insert().values(values))
    connection.execute(subject_keys.insert().values(person_id=person.person_id, wrapped=wrapped))


def change_person(connection: Connection, person: Person, profile: bytes) -> None:
    """Change profile and state; a change of state is one of the gallery. Raises `PersonHeld`: who is held is not compared."""
    collection = lock_collection(connection, person.collection_id, person.company_id)
    row = find_person(connection, person.person_id, person.company_id)
    if row.collection_id != person.collection_id:
        raise _unknown()
    if person.state.comparable:
        require_not_held(connection, [person.person_id])
    if row.state != person.state:
        advance(connection, collection)
    mine = persons.c.person_id == person.person_id
    connection.execute(persons.update().where(mine).values(state=person.state.value, profile=profile))


def delete_person(connection: Connection, person_id: str, company_id: str, now: str) -> None:
    """Delete all that is a person's, but for the id, which stands as erased. Raises `PersonHeld`."""
    seen = find_person(connection, person_id, company_id)
    collection = lock_collection(connection, seen.collection_id, company_id)
    find_person(connection, person_id, company_id)
    require_not_held(connection, [person_id])
    theirs = face_rows(connection, person_id)
    remove_faces(connection, theirs, advance(connection, collection), now)
    them = select(persons.c.person_id).where(persons.c.person_id == person_id)
    forget_comparisons_of(connection, them)
    forget_people(connection, them)
    forget_requests_of(connection, them)
    forget_words_about(connection, them)
    forget_links_of(connection, them)
    connection.execute(subject_keys.delete().where(subject_keys.c.person_id == person_id))
    connection.execute(persons.delete().where(persons.c.person_id == person_id))
    connection.execute(erased_persons.insert().values(person_id=person_id, company_id=company_id, erased_at=now))


def wrapped_keys(connection: Connection, limit: int, after: str | None) -> list[tuple[str, bytes]]:
    """Person ids and wrapped data keys in the order of the ids."""
    query = select(subject_keys).order_by(subject_keys.c.person_id).limit(limit)
    if after is not None:
        query = query.where(subject_keys.c.person_id > after)
    return [(row.person_id, row.wrapped) for row in connection.execute(query).all()]


def rewrap(connection: Connection, person_id: str, old: bytes, new: bytes) -> None:
    """Replace a wrapped data key, unless it changed or somebody is about to change it.

    Waiting for a lock here, with others held, could meet a deletion that waits the other way round.
    """
    mine = (subject_keys.c.person_id == person_id, subject_keys.c.wrapped == old)
    query = select(subject_keys.c.person_id).where(*mine).with_for_update(skip_locked=True)
    if connection.execute(query).one_or_none() is not None:
        connection.execute(subject_keys.update().where(subject_keys.c.person_id == person_id).values(wrapped=new))


def _unknown() -> NotFound:
    return NotFound("expected the id of a person of this company; list a collection's persons to see the ids")


def _with_key_and_faces() -> Select[tuple[object, ...]]:
    counted = select(func.count()).select_from(faces).where(faces.c.person_id == persons.c.person_id).scalar_subquery()
    return select(persons, subject_keys.c.wrapped, counted.label("faces")).join(
        subject_keys, subject_keys.c.person_id == persons.c.person_id
    )
