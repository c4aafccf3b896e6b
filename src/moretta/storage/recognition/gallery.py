"""Reading a gallery: what changed since a sequence, what is packed, what is not.

Belongs here: `core.gallery.GalleryDelta` out of rows. Does not belong here: any change.

The cost of a whole gallery is that of its segments and its unpacked rows, never that of its packed rows: those stand as numbers
in their segment's row.
"""

from collections.abc import Iterator

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, func, select

from moretta.core.gallery import GalleryDelta, SegmentInfo, spec_of
from moretta.core.protection import Rows, Scheme
from moretta.storage.recognition.collections import find_collection, to_collection
from moretta.storage.recognition.faces import excluded_rows
from moretta.storage.recognition.sealed import OpenedKeys
from moretta.storage.schema import faces, removed_rows, segments, subject_keys

# Rows are read in pieces, so that sealed and opened payloads of a whole gallery are not in memory at once.
_PIECE = 256


def read_delta(connection: Connection, keys: OpenedKeys, collection_id: str, since: int) -> GalleryDelta:
    """What changed after `since`. One that the gallery has not reached (a restored database) counts as 0."""
    row = find_collection(connection, collection_id)
    since = since if since <= row.sequence else 0
    return GalleryDelta(
        spec=spec_of(to_collection(row)),
        since=since,
        sequence=row.sequence,
        added=tuple(_payloads(connection, keys, _unpacked(collection_id, since))),
        removed=_removed(connection, collection_id, since),
        segments=tuple(read_segments(connection, collection_id, since)),
        dropped_segments=_dropped(connection, collection_id, since),
        excluded=tuple(excluded_rows(connection, collection_id)),
        settled=_settled(connection, collection_id, since) if row.scheme == Scheme.SHARES else (),
    )


def read_unpacked(connection: Connection, keys: OpenedKeys, collection_id: str, limit: int) -> list[tuple[int, bytes]]:
    """Rows and payloads in no segment, the oldest first."""
    return list(_payloads(connection, keys, _unpacked(collection_id, 0).limit(limit)))


def count_unpacked(connection: Connection, collection_id: str) -> int:
    """How many payloads stand in no segment."""
    mine = (faces.c.collection_id == collection_id, faces.c.segment_id.is_(None), faces.c.payload.is_not(None))
    return int(connection.execute(select(func.count()).select_from(faces).where(*mine)).scalar_one())


def read_segments(connection: Connection, collection_id: str, since: int = 0) -> Iterator[SegmentInfo]:
    """The present segments that came after `since`, the oldest first."""
    query = select(segments).where(*_present(collection_id, since))
    query = query.order_by(segments.c.sequence, segments.c.segment_id)
    return (to_segment(row) for row in connection.execute(query).all())


def to_segment(row: Row[tuple[object, ...]]) -> SegmentInfo:
    """The value that a row stands for."""
    return SegmentInfo(row.segment_id, unpack_rows(row.row_numbers), row.sha256, row.length)


def pack_rows(rows: Rows) -> bytes:
    """Gallery rows as they are stored: uint32, little-endian."""
    return rows.astype("<u4", copy=False).tobytes()


def unpack_rows(stored: bytes) -> Rows:
    """Gallery rows as `pack_rows` stored them; read-only."""
    return np.frombuffer(stored, dtype="<u4")


def _payloads(
    connection: Connection, keys: OpenedKeys, query: Select[tuple[object, ...]]
) -> Iterator[tuple[int, bytes]]:
    with connection.execute(query.execution_options(yield_per=_PIECE)) as found:
        for row in found:
            yield row.gallery_row, keys.payload(row.person_id, row.wrapped, row.face_id, row.payload)


def _unpacked(collection_id: str, since: int) -> Select[tuple[object, ...]]:
    table = faces.c
    return (
        select(table.gallery_row, table.face_id, table.person_id, subject_keys.c.wrapped, table.payload)
        .join(subject_keys, subject_keys.c.person_id == table.person_id)
        .where(
            table.collection_id == collection_id,
            table.segment_id.is_(None),
            table.payload.is_not(None),
            table.sequence > since,
        )
        .order_by(table.sequence, table.gallery_row)
    )


def _removed(connection: Connection, collection_id: str, since: int) -> tuple[int, ...]:
    """Rows that went after `since`, and all that stand in segments that came after it; since 0 only those.

    Rows that went before the whole gallery was asked for and stand in no segment are not there at all.
    """
    in_new_segments = (
        select(removed_rows.c.gallery_row)
        .join(segments, segments.c.segment_id == removed_rows.c.segment_id)
        .where(*_present(collection_id, since))
    )
    mine = (removed_rows.c.collection_id == collection_id, removed_rows.c.sequence > since)
    # Two queries rather than one condition: each has its index, and a search asks this before it compares.
    found = set(connection.execute(in_new_segments).scalars())
    if since > 0:
        found.update(connection.execute(select(removed_rows.c.gallery_row).where(*mine)).scalars())
    return tuple(sorted(found))


def _dropped(connection: Connection, collection_id: str, since: int) -> tuple[str, ...]:
    """Segments that a node at `since` may have and that are gone; since 0, what is not told is gone."""
    if since == 0:
        return ()
    mine = (segments.c.collection_id == collection_id, segments.c.dropped_sequence > since)
    query = select(segments.c.segment_id).where(*mine, segments.c.sequence <= since).order_by(segments.c.segment_id)
    return tuple(connection.execute(query).scalars())


def _settled(connection: Connection, collection_id: str, since: int) -> tuple[int, ...]:
    mine = (faces.c.collection_id == collection_id, faces.c.segment_id.is_(None), faces.c.payload.is_(None))
    query = select(faces.c.gallery_row).where(*mine, faces.c.sequence > since).order_by(faces.c.gallery_row)
    return tuple(connection.execute(query).scalars())


def _present(collection_id: str, since: int) -> tuple[ColumnElement[bool], ...]:
    return (
        segments.c.collection_id == collection_id,
        segments.c.dropped_sequence.is_(None),
        segments.c.sequence > since,
    )
