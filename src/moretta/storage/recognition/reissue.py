"""Changing a collection's key, with all of its rows, in one transaction.

Belongs here: the switch, and what must hold for no row to be lost. Does not belong here: making templates anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, select

from moretta.core.errors import Conflict
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, CollectionState
from moretta.core.recognition_store import PackedSegment
from moretta.storage.ledger.comparing import note_comparable
from moretta.storage.recognition.collections import (
    CollectionRow,
    advance,
    lock_collection,
    require_standing,
    threshold_columns,
)
from moretta.storage.recognition.faces import chunked, remove_faces, rows_not_since
from moretta.storage.recognition.outside import Kind, doom, take
from moretta.storage.recognition.packing import add_segments, drop_segments
from moretta.storage.recognition.sealed import OpenedKeys, seal_payload
from moretta.storage.schema import collections, faces, segments, subject_keys


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row's new payload, sealed already."""

    row: int
    sealed: bytes


def seal_rows(
    connection: Connection, keys: OpenedKeys, collection_id: str, payloads: Sequence[tuple[int, bytes]]
) -> list[SealedRow]:
    """New payloads, sealed under the keys of the people whose rows they are. Raises `Conflict` where a row is nobody's."""
    wanted = dict(payloads)
    query = (
        select(faces.c.gallery_row, faces.c.face_id, faces.c.person_id, subject_keys.c.wrapped)
        .join(subject_keys, subject_keys.c.person_id == faces.c.person_id)
        .where(faces.c.collection_id == collection_id)
    )
    sealed: list[SealedRow] = []
    for chunk in chunked(wanted):
        for row in connection.execute(query.where(faces.c.gallery_row.in_(chunk))).all():
            key = keys.key(row.person_id, row.wrapped)
            payload = seal_payload(keys.cipher, key, row.face_id, wanted[row.gallery_row])
            sealed.append(SealedRow(row.gallery_row, payload))
    if len(sealed) != len(payloads):
        raise _changed()
    return sealed


def reissue(
    connection: Connection,
    collection: Collection,
    new_key_id: str,
    payloads: Sequence[SealedRow],
    added: Sequence[PackedSegment],
    now: str,
) -> None:
    """Switch to another key.

    Raises:
        Conflict: the collection changed meanwhile, or a segment is packed under another key.
    """
    row = lock_collection(connection, collection.collection_id, collection.company_id)
    require_standing(row)
    if row.sequence != collection.sequence or row.key_id != collection.key_id:
        raise _changed()
    if any(segment.key_id != new_key_id for segment in added):
        raise Conflict("a segment is packed under another key than the new one; pack it again")
    sequence = advance(connection, row)
    take(connection, Kind.KEY, [new_key_id])
    _switch(connection, row, collection, new_key_id)
    old = _present_segments(connection, collection.collection_id)
    drop_segments(connection, collection.collection_id, old, sequence, now)
    _replace_payloads(connection, collection.collection_id, payloads, sequence)
    add_segments(connection, collection.collection_id, added, old, sequence)
    _leave_none_behind(connection, row, collection, sequence, now)
    doom(connection, Kind.KEY, [row.key_id], now)


def _switch(connection: Connection, row: CollectionRow, collection: Collection, new_key_id: str) -> None:
    changed: dict[str, object] = {"key_id": new_key_id, "state": CollectionState.ACTIVE.value}
    changed["scheme"] = collection.scheme.value
    if _other_model(row, collection):
        changed |= {"model_id": collection.model_id, "dimension": collection.dimension}
        changed |= threshold_columns(collection.thresholds)
    mine = collections.c.collection_id == collection.collection_id
    connection.execute(collections.update().where(mine).values(changed))


def _replace_payloads(connection: Connection, collection_id: str, payloads: Sequence[SealedRow], sequence: int) -> None:
    if not payloads:
        return
    mine = (faces.c.collection_id == collection_id, faces.c.gallery_row == bindparam("row"))
    new: dict[str, object] = {"segment_id": None, "sequence": sequence, "payload": bindparam("sealed")}
    rows = [{"row": one.row, "sealed": one.sealed} for one in payloads]
    connection.execute(faces.update().where(*mine).values(new), rows)


def _leave_none_behind(
    connection: Connection, row: CollectionRow, collection: Collection, sequence: int, now: str
) -> None:
    """Every row is under the new key: or its parties changed it themselves (`shares`), or it cannot be and goes."""
    behind = (faces.c.collection_id == collection.collection_id, faces.c.sequence < sequence)
    if _other_model(row, collection):
        for theirs in rows_not_since(connection, collection.collection_id, sequence):
            remove_faces(connection, theirs, sequence, now)
            note_comparable(connection, theirs[0].person_id, now)
    elif collection.scheme is Scheme.SHARES:
        settled = (faces.c.segment_id.is_(None), faces.c.payload.is_(None))
        connection.execute(faces.update().where(*behind, *settled).values(sequence=sequence))
    if connection.execute(select(func.count()).select_from(faces).where(*behind)).scalar_one():
        raise Conflict(
            "a row is neither in the new payloads nor in the new segments; reissue all rows as they stand now"
        )


def _other_model(row: CollectionRow, collection: Collection) -> bool:
    return (row.model_id, row.dimension) != (collection.model_id, collection.dimension)


def _present_segments(connection: Connection, collection_id: str) -> list[str]:
    mine = (segments.c.collection_id == collection_id, segments.c.dropped_sequence.is_(None))
    return list(connection.execute(select(segments.c.segment_id).where(*mine)).scalars())


def _changed() -> Conflict:
    return Conflict("the gallery changed meanwhile; read it again and reissue what it holds now")
