"""Publishing segments: packed rows take the place of payloads and of older segments.

Belongs here: what must hold so that no row is lost or stands in two segments. Does not belong here: packing itself.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, or_, select

from moretta.core.errors import Conflict
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection
from moretta.core.recognition_store import PackedSegment
from moretta.storage.recognition.collections import advance, find_collection, lock_collection, require_present_key
from moretta.storage.recognition.faces import chunked
from moretta.storage.recognition.gallery import pack_rows
from moretta.storage.recognition.outside import Kind, doom, take
from moretta.storage.schema import faces, removed_rows, segments


def publish(
    connection: Connection, collection: Collection, added: Sequence[PackedSegment], dropped: Sequence[str], now: str
) -> None:
    """Replace segments and payloads by new segments."""
    row = lock_collection(connection, collection.collection_id, collection.company_id)
    # Also of a collection that is being deleted: whoever is erased is taken out of segments while others are still in them.
    require_present_key(row, collection.key_id)
    if any(segment.key_id != row.key_id for segment in added):
        raise Conflict("a segment is packed under another key than the collection's; pack it again")
    sequence = advance(connection, row)
    drop_segments(connection, collection.collection_id, dropped, sequence, now)
    add_segments(connection, collection.collection_id, added, dropped, sequence)
    left = select(faces.c.face_id).where(
        faces.c.collection_id == collection.collection_id, faces.c.segment_id.in_(dropped)
    )
    if connection.execute(left.limit(1)).one_or_none() is not None:
        raise Conflict("a row of a dropped segment is in none of the new ones; repack it as it stands now")


def drop_segments(connection: Connection, collection_id: str, dropped: Sequence[str], sequence: int, now: str) -> None:
    """Note present segments as gone; their files are to be deleted. Raises `Conflict` where one is gone already."""
    for segment_id in sorted(set(dropped)):
        mine = (segments.c.segment_id == segment_id, segments.c.collection_id == collection_id)
        present = segments.update().where(*mine, segments.c.dropped_sequence.is_(None))
        if connection.execute(present.values(dropped_sequence=sequence, row_numbers=b"")).rowcount != 1:
            raise Conflict("a segment that was to be replaced is gone; look at the present segments again")
    doom(connection, Kind.SEGMENT, dropped, now)


def add_segments(
    connection: Connection,
    collection_id: str,
    added: Sequence[PackedSegment],
    dropped: Sequence[str],
    sequence: int,
) -> None:
    """Let segments hold their rows, which stood as payloads or in `dropped` segments.

    Raises:
        Conflict: a segment is not announced, or a row stands in another segment or never was.
    """
    take(connection, Kind.SEGMENT, [segment.info.segment_id for segment in added])
    for segment in sorted(added, key=lambda one: one.info.segment_id):
        info = segment.info
        values = {
            "segment_id": info.segment_id,
            "collection_id": collection_id,
            "key_id": segment.key_id,
            "sha256": info.sha256,
            "length": info.length,
            "sequence": sequence,
            "row_numbers": pack_rows(info.rows),
        }
        connection.execute(segments.insert().values(values))
        for chunk in chunked(info.rows.tolist()):
            _hold(connection, collection_id, info.segment_id, chunk, dropped, sequence)


def settle(connection: Connection, collection_id: str, sequence: int) -> None:
    """Forget payloads up to `sequence` of a collection whose parties keep them."""
    if find_collection(connection, collection_id).scheme != Scheme.SHARES:
        return
    lock_collection(connection, collection_id)
    mine = (faces.c.collection_id == collection_id, faces.c.segment_id.is_(None), faces.c.payload.is_not(None))
    connection.execute(faces.update().where(*mine, faces.c.sequence <= sequence).values(payload=None))


def _hold(
    connection: Connection, collection_id: str, segment_id: str, rows: list[int], dropped: Sequence[str], sequence: int
) -> None:
    live = (faces.c.collection_id == collection_id, faces.c.gallery_row.in_(rows))
    free = or_(faces.c.segment_id.is_(None), faces.c.segment_id.in_(dropped))
    now_here = faces.update().where(*live, free)
    held = connection.execute(now_here.values(segment_id=segment_id, sequence=sequence, payload=None)).rowcount
    dead = (removed_rows.c.collection_id == collection_id, removed_rows.c.gallery_row.in_(rows))
    unheld = or_(removed_rows.c.segment_id.is_(None), removed_rows.c.segment_id.in_(dropped))
    held += connection.execute(removed_rows.update().where(*dead, unheld).values(segment_id=segment_id)).rowcount
    if held != len(rows):
        raise Conflict("a row of the new segment stands in another one, or never was; pack again what is unpacked now")
