"""A comparing node in this process: galleries in memory, segment files mapped from a folder.

Belongs here: applying deltas in order, and comparing with one state of a gallery. Does not belong here: how a scheme compares,
SQL, sockets.

Positions are in memory only. After a restart a node stands at 0 and asks for the whole gallery again; the segment files that it
kept are mapped, not fetched.
"""

import contextlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moretta.core.errors import NodeUnavailable, ProbeRejected, RegionRefused
from moretta.core.gallery import FetchSegment, GalleryDelta, GallerySpec, SegmentInfo
from moretta.core.protection import GalleryIndex, ProtectedProbe, SealedScores
from moretta.nodes.galleries import GalleryAbsent, GalleryName, MakeIndex, PackedIndex, SegmentGone, checked_id, name_of
from moretta.nodes.segments import SegmentFolder
from moretta.nodes.turns import Turns

_MARKS = ".marks"


@dataclass(slots=True)
class _Gallery:
    """`index` is None once the gallery was replaced or dropped: whoever still has it looks again."""

    index: GalleryIndex | None
    sequence: int = 0
    segments: set[str] = field(default_factory=set)
    turns: Turns = field(default_factory=Turns)


class LocalNode:
    """`core.gallery.GalleryNode` in this process.

    Args:
        region: where it stands; it holds only collections that may be there.
        folder: where segment files lie.
        make_index: an empty index for a gallery.
        marks: where it is noted which files were checked; left out: in the folder, which then is the node's own, so that it
            deletes segments that were dropped. Given: the folder is a region's blob store, which deletes them itself.

    Raises:
        RequestInvalid: another node uses the folder.
    """

    def __init__(self, region: str, folder: Path, make_index: MakeIndex, marks: Path | None = None) -> None:
        self._region, self._make_index = region, make_index
        self._folder = SegmentFolder(folder, marks or folder / _MARKS, owned=marks is None)
        self._lock = threading.Lock()
        self._galleries: dict[GalleryName, _Gallery] = {}
        self._changing: dict[str, threading.Lock] = {}
        self._closed = False

    @property
    def region(self) -> str:
        """The region in which it stands."""
        return self._region

    def position(self, spec: GallerySpec) -> int:
        """As `GalleryNode.position`."""
        gallery = self._found(name_of(spec))
        return 0 if gallery is None else gallery.sequence

    def held(self) -> Mapping[GalleryName, int]:
        """As `nodes.galleries.ListedNode.held`."""
        with self._lock:
            self._refuse_if_closed()
            standing = {name: gallery.sequence for name, gallery in self._galleries.items()}
        return dict.fromkeys(self._folder.galleries(), 0) | standing

    def lacks(self, spec: GallerySpec, segments: Sequence[SegmentInfo]) -> list[str]:
        """The ids of those segments whose files are not here yet, or not as they should be. Raises `RegionRefused`."""
        self._refuse_elsewhere(spec)
        return [info.segment_id for info in segments if not self._folder.has(spec, info)]

    def keep(self, spec: GallerySpec, info: SegmentInfo, content: bytes) -> None:
        """Take the file of a segment before the delta that names it.

        Raises:
            RegionRefused: the collection may not be here.
            NodeUnavailable: other bytes than `info` says, or they cannot be written.
        """
        self._refuse_elsewhere(spec)
        with self._alone_on(spec.collection_id):
            self._folder.keep(spec, info, content)

    def apply(self, delta: GalleryDelta, fetch: FetchSegment) -> int:
        """As `GalleryNode.apply`. A delta from 0 is the whole gallery: what the node had of it before is replaced."""
        spec, name = delta.spec, name_of(delta.spec)
        checked_id(spec.collection_id), checked_id(spec.key_id)
        try:
            self._refuse_elsewhere(spec)
        except RegionRefused:
            self.drop(spec.collection_id)
            raise
        with self._alone_on(spec.collection_id):
            gallery = self._found(name)
            at = 0 if gallery is None else gallery.sequence
            if delta.since > at or (gallery is not None and delta.sequence <= at):
                return at
            present = [info for info in delta.segments if info.segment_id not in set(delta.dropped_segments)]
            for info in present:
                if not self._folder.has(spec, info):
                    self._folder.keep(spec, info, fetch(info.segment_id))
            if gallery is None or delta.since == 0:
                self._replace(name, delta, present)
            else:
                self._change(name, gallery, delta, present)
            self._folder.delete(delta.dropped_segments)
            return delta.sequence

    def compare(
        self, spec: GallerySpec, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> SealedScores:
        """As `GalleryNode.compare`: with the state before or after each delta, never with one in between."""
        while True:
            gallery = self._found(name_of(spec))
            if gallery is None:
                raise GalleryAbsent("this node does not have the collection's gallery; try again once it caught up")
            with gallery.turns.shared():
                if gallery.index is not None:
                    return gallery.index.compare(probe, threshold, only)

    def drop(self, collection_id: str, keep_key_id: str | None = None) -> None:
        """As `GalleryNode.drop`."""
        with self._alone_on(checked_id(collection_id)):
            with self._lock:
                standing = set(self._galleries)
            for name in standing | self._folder.galleries():
                if name[0] == collection_id and name[1] != keep_key_id:
                    self._let_go(name)
                    self._folder.delete(self._folder.of(name))

    def close(self) -> None:
        """Give memory, mapped files and the folder back; comparisons under way end first. Idempotent."""
        with self._lock:
            self._closed = True
            names = list(self._galleries)
        for name in names:
            self._let_go(name)
        self._folder.close()

    def _replace(self, name: GalleryName, delta: GalleryDelta, present: Sequence[SegmentInfo]) -> None:
        index = self._make_index(delta.spec)
        try:
            self._fill(index, delta, present)
        except BaseException:
            index.close()
            raise
        gallery = _Gallery(index, delta.sequence, {info.segment_id for info in present})
        self._let_go(name)
        with self._lock:
            if not self._closed:
                self._galleries[name] = gallery
        if self._closed:
            index.close()
        # What is on the disk and not in the whole gallery was dropped while this node was away.
        self._folder.keep_only(name, gallery.segments)

    def _change(
        self, name: GalleryName, gallery: _Gallery, delta: GalleryDelta, present: Sequence[SegmentInfo]
    ) -> None:
        try:
            with gallery.turns.alone():
                if gallery.index is None:
                    raise GalleryAbsent("the gallery was dropped meanwhile; try again")
                self._fill(gallery.index, delta, present)
                gallery.segments = (gallery.segments | {info.segment_id for info in present}) - set(
                    delta.dropped_segments
                )
                gallery.sequence = delta.sequence
        except BaseException:
            # Half of a delta is no state of the gallery: nothing compares with it, and the whole of it comes again.
            self._let_go(name)
            raise

    def _fill(self, index: GalleryIndex, delta: GalleryDelta, present: Sequence[SegmentInfo]) -> None:
        gone = np.unique(np.asarray(delta.removed, np.uint32))
        added = _put(delta, present, gone)
        if present or (delta.dropped_segments and isinstance(index, PackedIndex)):
            if not isinstance(index, PackedIndex):
                raise ProbeRejected(f"expected no packed references under the scheme {delta.spec.scheme}, got segments")
            for segment_id in delta.dropped_segments:
                index.detach(segment_id)
            for info in present:
                self._attach(index, info)
        if added:
            index.put([row for row, _ in added], [payload for _, payload in added])
        if gone.size:
            index.remove(gone.tolist())
        index.exclude(delta.excluded)

    def _attach(self, index: PackedIndex, info: SegmentInfo) -> None:
        try:
            index.attach(info, self._folder.path(info.segment_id))
        except FileNotFoundError:
            raise SegmentGone("a segment was dropped while it was to be mapped; try again") from None
        except OSError as error:
            raise NodeUnavailable(f"a segment cannot be mapped: {error.strerror}; check this node's limits") from None

    def _let_go(self, name: GalleryName) -> None:
        with self._lock:
            gallery = self._galleries.pop(name, None)
        if gallery is not None:
            with gallery.turns.alone():
                index, gallery.index = gallery.index, None
            if index is not None:
                index.close()

    def _found(self, name: GalleryName) -> _Gallery | None:
        with self._lock:
            self._refuse_if_closed()
            return self._galleries.get(name)

    def _alone_on(self, collection_id: str) -> contextlib.AbstractContextManager[object]:
        """Changes of one collection are made one after the other; comparisons go on meanwhile."""
        with self._lock:
            return self._changing.setdefault(collection_id, threading.Lock())

    def _refuse_elsewhere(self, spec: GallerySpec) -> None:
        if self._region not in spec.regions:
            raise RegionRefused(
                f"the collection may be in {', '.join(sorted(spec.regions)) or 'no region'}, not in {self._region}"
            )

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise NodeUnavailable("this node has ended; try again when it was started anew")


def _put(delta: GalleryDelta, present: Sequence[SegmentInfo], gone: npt.NDArray[np.uint32]) -> list[tuple[int, bytes]]:
    """The added rows that are neither removed again nor in a segment already."""
    rows = np.array([row for row, _ in delta.added], np.uint32)
    elsewhere = np.isin(rows, np.concatenate([gone, *(info.rows for info in present)]))
    return [entry for entry, skipped in zip(delta.added, elsewhere.tolist(), strict=True) if not skipped]
