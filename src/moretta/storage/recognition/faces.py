"""Faces as rows: finding, reading, removing.

Belongs here: a face's row and what its removal leaves behind. Does not belong here: enrolling, packing, payloads.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy import Connection, Row, Select, bindparam, select

from moretta.core.clock import from_second
from moretta.core.errors import NotFound
from moretta.core.recognition import FaceRecord, PersonState
from moretta.storage.governance.holding import require_not_held
from moretta.storage.recognition.outside import Kind, doom
from moretta.storage.schema import collections, faces, persons, removed_rows

FaceRow = Row[tuple[object, ...]]

# One statement takes thousands of values on both databases (SQLite 32,766, PostgreSQL 65,535); so many keep statements short.
_CHUNK = 1000

_COMPARABLE = [state.value for state in PersonState if state.comparable]


def chunked(values: Iterable[int]) -> Iterable[list[int]]:
    """The values in the order of their size, in pieces that one statement takes."""
    ordered = sorted({int(value) for value in values})
    return (ordered[start : start + _CHUNK] for start in range(0, len(ordered), _CHUNK))


def faces_of(connection: Connection, person_id: str) -> list[FaceRecord]:
    """A person's faces, the oldest first."""
    return sorted((to_face(row) for row in face_rows(connection, person_id)), key=lambda face: face.row)


def face_rows(connection: Connection, person_id: str) -> Sequence[FaceRow]:
    """The rows of a person's faces."""
    return connection.execute(_with_collection().where(faces.c.person_id == person_id)).all()


def rows_not_since(connection: Connection, collection_id: str, sequence: int) -> Iterator[Sequence[FaceRow]]:
    """The rows of faces that were last protected before `sequence`, person by person."""
    mine = (faces.c.collection_id == collection_id, faces.c.sequence < sequence)
    ordered = connection.execute(_with_collection().where(*mine).order_by(faces.c.person_id)).all()
    return (list(theirs) for _, theirs in groupby(ordered, key=lambda row: row.person_id))


def find_face(connection: Connection, face_id: str, company_id: str) -> FaceRow:
    """The row of a face, with its collection's model and key. Raises `NotFound`."""
    query = _with_collection().where(faces.c.face_id == face_id, collections.c.company_id == company_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise unknown_face()
    return row


def comparable_at(connection: Connection, collection_id: str, rows: Sequence[int]) -> dict[int, FaceRecord]:
    """The faces at gallery rows whose persons may be compared."""
    found: dict[int, FaceRecord] = {}
    query = (
        _with_collection()
        .join(persons, persons.c.person_id == faces.c.person_id)
        .where(faces.c.collection_id == collection_id, persons.c.state.in_(_COMPARABLE))
    )
    for chunk in chunked(rows):
        for row in connection.execute(query.where(faces.c.gallery_row.in_(chunk))).all():
            found[row.gallery_row] = to_face(row)
    return found


def excluded_rows(connection: Connection, collection_id: str) -> list[int]:
    """The rows of persons who must not be compared, in the order of their size."""
    others = [state.value for state in PersonState if not state.comparable]
    query = (
        select(faces.c.gallery_row)
        .join(persons, persons.c.person_id == faces.c.person_id)
        .where(persons.c.collection_id == collection_id, persons.c.state.in_(others))
        .order_by(faces.c.gallery_row)
    )
    return list(connection.execute(query).scalars())


def remove_faces(connection: Connection, rows: Sequence[FaceRow], sequence: int, now: str) -> None:
    """Delete faces of one person; their rows are to be compared never again, unused photos are to be deleted.

    Raises:
        PersonHeld: a hold keeps the person.
    """
    if not rows:
        return
    require_not_held(connection, {row.person_id for row in rows})
    gone = [
        {
            "collection_id": row.collection_id,
            "gallery_row": row.gallery_row,
            "sequence": sequence,
            "segment_id": row.segment_id,
        }
        for row in rows
    ]
    connection.execute(removed_rows.insert(), gone)
    connection.execute(
        faces.delete().where(faces.c.face_id == bindparam("face")), [{"face": row.face_id} for row in rows]
    )
    photos = {row.photo_id for row in rows if row.photo_id is not None}
    still = select(faces.c.photo_id).where(faces.c.person_id == rows[0].person_id, faces.c.photo_id.is_not(None))
    doom(connection, Kind.BLOB, photos - set(connection.execute(still).scalars()), now)


def to_face(row: FaceRow) -> FaceRecord:
    """The value that a row stands for."""
    return FaceRecord(
        face_id=row.face_id,
        person_id=row.person_id,
        collection_id=row.collection_id,
        row=row.gallery_row,
        model_id=row.model_id,
        key_id=row.key_id,
        quality=row.quality,
        created_at=from_second(row.created_at),
        photo_id=row.photo_id,
    )


def unknown_face() -> NotFound:
    """What to raise where there is no such face."""
    return NotFound("expected the id of a face of this company; list a person's faces to see the ids")


def _with_collection() -> Select[tuple[object, ...]]:
    wanted = [column for column in faces.columns if column.name != "payload"]
    return select(*wanted, collections.c.model_id, collections.c.key_id).join(
        collections, collections.c.collection_id == faces.c.collection_id
    )
