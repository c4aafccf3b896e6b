"""Bringing nodes to where the database stands: at once before a search, and in the background for replicas.

Belongs here: asking for deltas and passing them on, finding what no longer belongs on a node. Does not belong here: SQL, how a
node applies a delta, who answers a search (see `failover`).

Nothing is lost or doubled: what a node lacks is worked out from its own position each time, and a delta applied twice changes
nothing.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from moretta.core.errors import Conflict, MorettaError, NodeUnavailable, NotFound
from moretta.core.gallery import GalleryDelta, GalleryNode, GallerySpec, spec_of
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, IdKind, region_of
from moretta.nodes.galleries import GalleryName, ListedNode, SegmentGone, name_of

# A delta may be outdated when it arrives (another thread was first); beyond a few, something else is wrong.
_ATTEMPTS = 5
# Schemes whose payloads only pass through the database.
_PASSING = frozenset({Scheme.SHARES})

_log = logging.getLogger(__name__)

Settle = Callable[[str, int], None]


class GallerySource(Protocol):
    """One region's database and segment files, as nodes see them."""

    @property
    def region(self) -> str:
        """The region whose database it is."""

    def collections(self) -> Sequence[Collection]:
        """Every collection whose home the database is."""

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        """As `core.recognition_store.RecognitionStore.delta`."""

    def fetch(self, segment_id: str) -> bytes:
        """The bytes of a segment. Raises `NotFound` where it was dropped meanwhile."""


def _everywhere(collection: Collection) -> frozenset[str]:
    return collection.regions


class Follower:
    """Brings nodes to the database's sequence. Safe for threads.

    Args:
        source: the truth.
        settle: told when every node that must have a collection's changes has them up to a sequence; only for schemes whose
            payloads pass through.
        required: the regions whose nodes must have them; left out: all in which the collection may be.
    """

    def __init__(
        self,
        source: GallerySource,
        settle: Settle | None = None,
        required: Callable[[Collection], frozenset[str]] = _everywhere,
    ) -> None:
        self.source = source
        self._settle, self._required = settle, required
        self._lock = threading.Lock()
        self._steps: dict[tuple[str, str, str], Future[int]] = {}
        self._reached: dict[str, dict[str, int]] = {}
        self._settled: dict[str, int] = {}

    def catch_up(self, collection: Collection, node: GalleryNode) -> int:
        """Bring the node to `collection.sequence` or beyond, and return where it stands.

        Raises:
            Conflict: the collection was given another key since it was read.
            RegionRefused: the collection may not be in the node's region.
            NodeUnavailable: the node is down, or the gallery changes faster than it can follow.
            NotFound: the collection is gone.
        """
        spec = spec_of(collection)
        for _ in range(_ATTEMPTS):
            at = node.position(spec)
            if at and at == collection.sequence:
                return self._noted(collection, node, at)
            at = self._step_once(spec, node, at)
            if at >= collection.sequence:
                return self._noted(collection, node, at)
        raise NodeUnavailable(f"the node in {node.region} could not be brought up to date; try again")

    def _step_once(self, spec: GallerySpec, node: GalleryNode, at: int) -> int:
        """One step, made by one thread for all that ask for the same: a whole gallery is not read once for each search."""
        name = (*name_of(spec), node.region)
        with self._lock:
            under_way = self._steps.get(name)
            if under_way is None:
                mine = self._steps[name] = Future[int]()
        if under_way is not None:
            try:
                return under_way.result()
            except NodeUnavailable as error:
                raise NodeUnavailable(error.detail) from None
        try:
            reached = self._step(spec, node, at)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(reached)
            return reached
        finally:
            with self._lock:
                del self._steps[name]

    def _step(self, spec: GallerySpec, node: GalleryNode, at: int) -> int:
        delta = self.source.delta(spec.collection_id, at)
        if delta.spec.key_id != spec.key_id:
            raise Conflict("the collection was given another key meanwhile; try again")
        if delta.sequence < at and spec.scheme in _PASSING:
            # Its references are nowhere else any more: dropping them would lose people who are still enrolled.
            raise NodeUnavailable(
                "the database is older than the parties' galleries, as after a restore from a backup; restore the parties' "
                "folders from the same moment, or re-enrol the collection"
            )
        if delta.sequence < at:
            # The database was restored from a backup: what the node has beyond it never happened.
            node.drop(spec.collection_id)
            delta = self.source.delta(spec.collection_id, 0)
        elif delta.sequence == at and at:
            return at
        try:
            reached = node.apply(delta, self._fetched)
        except SegmentGone:
            return 0  # it was repacked since: the next step asks anew
        if delta.since == 0 and reached >= delta.sequence:
            # The gallery is new on this node: those of the collection's former keys are not needed any more.
            node.drop(spec.collection_id, keep_key_id=spec.key_id)
        return reached

    def _fetched(self, segment_id: str) -> bytes:
        try:
            return self.source.fetch(segment_id)
        except NotFound:
            raise SegmentGone("a segment was dropped before it was fetched; try again") from None

    def _noted(self, collection: Collection, node: GalleryNode, at: int) -> int:
        if self._settle is None or collection.scheme not in _PASSING:
            return at
        with self._lock:
            reached = self._reached.setdefault(collection.collection_id, {})
            reached[node.region] = at
            everywhere = min(reached.get(region, 0) for region in self._required(collection))
            new = everywhere > self._settled.get(collection.collection_id, 0)
        if new:
            self._settle(collection.collection_id, everywhere)
            with self._lock:
                self._settled[collection.collection_id] = everywhere
        return at


class Replication:
    """Keeps one node at the database's state on a thread of its own, from `start` until `close`.

    Args:
        follower: brings it up to date.
        node: the node.
        pause_s: time between two looks at the database.
        longest_pause_s: up to which the pause doubles while the node, or the database, is down.
        serves: which collections this node takes; left out: all that may be in its region.
    """

    def __init__(
        self,
        follower: Follower,
        node: GalleryNode,
        pause_s: float = 1.0,
        longest_pause_s: float = 30.0,
        serves: Callable[[Collection], bool] | None = None,
    ) -> None:
        self._follower, self._node = follower, node
        self._pause_s, self._longest_pause_s = pause_s, longest_pause_s
        self._serves = serves or (lambda collection: node.region in collection.regions)
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"replicate-{node.region}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def nudge(self) -> None:
        """Look at the database now: something was written."""
        self._wanted.set()

    def close(self) -> None:
        """Stop after the step under way. Idempotent. The node stays open."""
        self._closed.set()
        self._wanted.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(self._longest_pause_s)

    def once(self) -> None:
        """One look: bring every collection up to date and delete what no longer belongs on the node.

        Raises:
            MorettaError: what kept it from being done; everything that could be done was.
        """
        collections = [entry for entry in self._follower.source.collections() if self._serves(entry)]
        failure: MorettaError | None = None
        held = self._node.held() if isinstance(self._node, ListedNode) else None
        for collection in collections:
            if self._closed.is_set():
                return
            if held is not None and self._stands(collection, held):
                continue
            try:
                self._follower.catch_up(collection, self._node)
            except NodeUnavailable as error:
                self._node.position(spec_of(collection))  # raises where it is not this collection alone
                failure = error
            except MorettaError as error:
                failure = error
        for collection_id in self._ours(held or {}) - {entry.collection_id for entry in collections}:
            self._node.drop(collection_id)
        if failure is not None:
            raise failure

    @staticmethod
    def _stands(collection: Collection, held: Mapping[GalleryName, int]) -> bool:
        """Whether a node that lists what it holds need not be asked again. Payloads that pass through must be settled, too."""
        at = held.get(name_of(spec_of(collection)))
        return at == collection.sequence > 0 and collection.scheme not in _PASSING

    def _ours(self, held: Mapping[GalleryName, int]) -> set[str]:
        """Those of the node's collections whose home is this database: others follow their own."""
        ours = set()
        for collection_id, _ in held:
            with contextlib.suppress(NotFound):
                if region_of(collection_id, IdKind.COLLECTION) == self._follower.source.region:
                    ours.add(collection_id)
        return ours

    def _run(self) -> None:
        pause_s = self._pause_s
        while not self._closed.is_set():
            self._wanted.clear()
            try:
                self.once()
                pause_s = self._pause_s
            except Conflict:
                pause_s = self._pause_s  # changed while it was read: the next look sees the new state
            except MorettaError as error:
                _log.warning("node.behind: %s: %s", self._node.region, error.code)
                pause_s = min(pause_s * 2, self._longest_pause_s)
            except Exception as error:
                _log.error("node.follow_error: %s: %s", self._node.region, type(error).__name__)
                pause_s = min(pause_s * 2, self._longest_pause_s)
            self._wanted.wait(pause_s)
