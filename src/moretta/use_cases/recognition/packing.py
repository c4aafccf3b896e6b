"""From single ciphertexts to packed segments and back to fewer (`he`).

Belongs here: when references are packed, and that none of a deleted person stays in a segment. Does not belong here: how a key
holder packs, and how a node compares.

A segment is never changed: a new one takes its place in one transaction, and the old file is deleted.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.errors import Conflict
from moretta.core.gallery import SegmentInfo
from moretta.core.policy import Action
from moretta.core.protection import Rows, Scheme
from moretta.core.recognition import Collection
from moretta.core.recognition_store import PackedSegment
from moretta.use_cases.recognition.leftovers import Made, sweep, undone_on_failure
from moretta.use_cases.recognition.means import Means, Region

PACKED = frozenset({Scheme.HE})
# Slots of a packed ciphertext: the ring's degree (docs/adr/0006-packed-and-single-ciphertexts.md).
SLOTS = 2048
# Measured at d = 192 (benchmarks/recognition_service.py): 256 singles add 1.1 ms to a search, as much as 11,000 packed ones; to
# pack them into a segment that has room takes 0.4 s, 1.5 ms a person. At 1,024 a search would take 10 ms more, at 64 packing
# would cost more than enrolling.
PACK_AT = 256
# Rows count up by one, so that every so many references somebody looks whether it is time to pack.
LOOK_EVERY = 32
# Another process may pack the same segments in between; that it does so three times in a row is no accident.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some slots of a segment's bytes, and the rows that they hold."""

    content: bytes
    slots: tuple[int, ...]
    rows: Rows


def pack_if_due(means: Means, region: Region, collection: Collection) -> None:
    """Pack once `PACK_AT` references are single."""
    if collection.scheme in PACKED and region.store.unpacked_count(collection.collection_id) >= PACK_AT:
        pack(means, region, collection, PACK_AT)


def repack(means: Means, company_id: str, collection_id: str) -> None:
    """See `Recognition.repack`."""
    region, collection = means.opened(company_id, collection_id)
    means.guard.on(collection, Action.UPKEEP)
    if collection.scheme not in PACKED:
        return
    settle_removed(means, region, collection)
    pack(means, region, collection, 1)
    region.galleries.follow(region.store.collection(company_id, collection_id))


def pack(means: Means, region: Region, collection: Collection, least: int) -> None:
    """Pack single references while there are at least `least`; a segment with room takes them in."""
    with means.locks.of(collection.collection_id):
        while True:
            singles = region.store.unpacked(collection.collection_id, SLOTS)
            if len(singles) < least:
                return
            rows = np.array([row for row, _ in singles], np.uint32)
            fresh = region.keys.pack(collection.key_id, [payload for _, payload in singles])
            room = _with_room(region.store.segments(collection.collection_id), len(singles))
            pieces = [_Piece(fresh, tuple(range(len(rows))), rows)]
            if room is not None:
                pieces.insert(0, _Piece(region.segments.get(room.segment_id), tuple(range(len(room.rows))), room.rows))
            _publish(means, region, collection, pieces, () if room is None else (room.segment_id,))


def rewrite_without(means: Means, region: Region, collection: Collection, rows: Sequence[int]) -> None:
    """Replace every segment that holds one of `rows` by one that does not.

    Raises:
        Conflict: another process changes the same segments again and again.
    """
    if collection.scheme not in PACKED or not rows:
        return
    gone = np.array(sorted(rows), np.uint32)
    with means.locks.of(collection.collection_id):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _rewrite_all(means, region, collection, gone)
            except Conflict:
                if attempt == _ATTEMPTS:
                    raise
                continue
            return


def settle_removed(means: Means, region: Region, collection: Collection) -> None:
    """Rewrite every segment that still holds a reference that was deleted, however that came about."""
    if collection.scheme not in PACKED:
        return
    with means.locks.of(collection.collection_id):
        rewrite_without(means, region, collection, region.store.delta(collection.collection_id, 0).removed)


def _rewrite_all(means: Means, region: Region, collection: Collection, gone: Rows) -> None:
    for segment in region.store.segments(collection.collection_id):
        kept = ~np.isin(segment.rows, gone)
        if not kept.all():
            _rewrite(means, region, collection, segment, kept)


def _rewrite(
    means: Means, region: Region, collection: Collection, segment: SegmentInfo, kept: npt.NDArray[np.bool_]
) -> None:
    if not kept.any():
        region.store.publish_segments(collection, [], [segment.segment_id])
        means.checkpoint("repack:committed")
        sweep(means, region)
        return
    slots = tuple(int(slot) for slot in np.flatnonzero(kept))
    piece = _Piece(region.segments.get(segment.segment_id), slots, segment.rows[kept])
    _publish(means, region, collection, [piece], (segment.segment_id,))


def _publish(
    means: Means, region: Region, collection: Collection, pieces: Sequence[_Piece], dropped: Sequence[str]
) -> None:
    """Put `pieces` into one new segment in place of those in `dropped`."""
    whole = len(pieces) == 1 and len(pieces[0].slots) == len(pieces[0].rows) and not dropped
    content = (
        pieces[0].content
        if whole
        else region.keys.repack(collection.key_id, [(piece.content, piece.slots) for piece in pieces])
    )
    rows = np.concatenate([piece.rows for piece in pieces]).astype(np.uint32)
    with undone_on_failure(means, region) as made:
        info = written(means, region, rows, content, made)
        region.store.publish_segments(collection, [PackedSegment(info, collection.key_id)], dropped)
    means.checkpoint("pack:committed")
    sweep(means, region)


def written(means: Means, region: Region, rows: Rows, content: bytes, made: Made) -> SegmentInfo:
    """A new segment's file, announced and noted in `made` before."""
    info = SegmentInfo(secrets.token_hex(16), rows, hashlib.sha256(content).hexdigest(), len(content))
    made.segments.append(info.segment_id)
    region.store.announce_segment(info.segment_id)
    means.checkpoint("segment:announced")
    region.segments.put(info.segment_id, content)
    means.checkpoint("segment:put")
    return info


def _with_room(segments: Sequence[SegmentInfo], wanted: int) -> SegmentInfo | None:
    """The fullest segment that `wanted` more references fit into."""
    fitting = [segment for segment in segments if len(segment.rows) + wanted <= SLOTS]
    return max(fitting, key=lambda segment: len(segment.rows), default=None)
