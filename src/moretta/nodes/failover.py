"""Who answers a comparison: the home region's node, or a replica while that is down.

Belongs here: the order of nodes, and remembering which of them are down. Does not belong here: bringing a node up to date (see
`follow`), deciding what a caller is told.

The first call to meet a dead node pays for it (a refused connection: nothing; a lost network: the link's time-out). From then
on calls go past it, and a thread of its own asks it until it answers and has caught up.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from moretta.core.errors import MorettaError, NodeUnavailable
from moretta.core.gallery import GalleryNode, spec_of
from moretta.core.protection import ProtectedProbe, SealedScores
from moretta.core.recognition import Collection
from moretta.nodes.follow import Follower
from moretta.nodes.galleries import GalleryAbsent

# Collections that were asked for while a node was down and that it must have again before it is asked: enough for the busy ones.
_REMEMBERED = 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """Sealed scores, and where they come from.

    `sequence` is where the node stood at least; `behind` is how many changes of the gallery it may lack at most (0: none that
    was committed before the call).
    """

    sealed: SealedScores
    region: str
    from_replica: bool
    sequence: int
    behind: int


@dataclass(slots=True)
class _Outage:
    """A node that is down, and the collections to bring back first."""

    pause_s: float
    asked: dict[str, Collection] = field(default_factory=dict)


class Failover:
    """Compares on the home node, or goes on with a replica. Safe for threads.

    Args:
        follower: brings nodes up to date.
        node: the node that serves a region; raises `NodeUnavailable` or `RegionRefused` where there is none.
        first_pause_s: when a node that failed is first asked again; doubles up to `longest_pause_s`.
        longest_pause_s: longest time between two such questions.
    """

    def __init__(
        self,
        follower: Follower,
        node: Callable[[str], GalleryNode],
        first_pause_s: float = 0.25,
        longest_pause_s: float = 5.0,
    ) -> None:
        self._follower, self._node = follower, node
        self._first_pause_s, self._longest_pause_s = first_pause_s, longest_pause_s
        self._lock = threading.Lock()
        self._outages: dict[str, _Outage] = {}
        self._closed = threading.Event()

    def compare(
        self, collection: Collection, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> Answer:
        """Compare with the collection's gallery, with all that was committed before where a node can be brought up to date.

        Raises:
            NodeUnavailable: neither the home node nor a replica answers.
            Conflict, NotFound: as `Follower.catch_up`.
            ProbeRejected: as `GalleryIndex.compare`.
        """
        for region in (collection.home, *sorted(collection.replicas)):
            if self._passes_by(region, collection):
                continue
            try:
                return self._answer(region, collection, probe, threshold, only)
            except NodeUnavailable as error:
                self._down(region, collection, error)
        raise NodeUnavailable(
            f"no comparing node answers in {', '.join(sorted(collection.regions))}; check that `moretta node` runs there"
        )

    def down(self) -> frozenset[str]:
        """The regions whose nodes are known to be down."""
        with self._lock:
            return frozenset(self._outages)

    def close(self) -> None:
        """Stop asking nodes that are down. Idempotent. Nodes stay open."""
        self._closed.set()

    def _answer(
        self,
        region: str,
        collection: Collection,
        probe: ProtectedProbe,
        threshold: float,
        only: Sequence[int] | None,
    ) -> Answer:
        node, spec = self._node(region), spec_of(collection)
        at = self._caught_up(collection, node)
        try:
            sealed = node.compare(spec, probe, threshold, only)
        except GalleryAbsent:
            # It was restarted, or the gallery replaced, in between.
            at = self._follower.catch_up(collection, node)
            sealed = node.compare(spec, probe, threshold, only)
        return Answer(sealed, region, region != collection.home, at, max(0, collection.sequence - at))

    def _caught_up(self, collection: Collection, node: GalleryNode) -> int:
        """Where the node stands; a replica that cannot be brought further answers with what it has."""
        if node.region == collection.home:
            return self._follower.catch_up(collection, node)
        at = node.position(spec_of(collection))
        try:
            return self._follower.catch_up(collection, node)
        except NodeUnavailable:
            if at == 0:
                raise
            return at

    def _passes_by(self, region: str, collection: Collection) -> bool:
        with self._lock:
            outage = self._outages.get(region)
            if outage is None:
                return False
            if len(outage.asked) < _REMEMBERED:
                outage.asked[collection.collection_id] = collection
            return True

    def _down(self, region: str, collection: Collection, error: NodeUnavailable) -> None:
        with self._lock:
            if region in self._outages or self._closed.is_set():
                return
            self._outages[region] = _Outage(self._first_pause_s, {collection.collection_id: collection})
        _log.warning("node.down: %s: %s", region, error.detail)
        threading.Thread(target=self._watch, args=(region,), name=f"watch-{region}", daemon=True).start()

    def _watch(self, region: str) -> None:
        """Ask the node until it answers and stands where it should; only then do calls go to it again."""
        pause_s = self._first_pause_s
        while not self._closed.wait(pause_s):
            with self._lock:
                asked = list(self._outages[region].asked.values())
            try:
                for collection in asked:
                    self._brought_back(region, collection)
            except Exception as error:
                if not isinstance(error, NodeUnavailable):
                    _log.error("node.watch_error: %s: %s", region, type(error).__name__)
                pause_s = min(pause_s * 2, self._longest_pause_s)
                continue
            with self._lock:
                del self._outages[region]
            _log.warning("node.back: %s", region)
            return

    def _brought_back(self, region: str, collection: Collection) -> None:
        try:
            self._follower.catch_up(collection, self._node(region))
        except NodeUnavailable:
            raise
        except MorettaError as error:
            # The collection is gone, has another key, or the database is out of reach: calls will tell, the node is not at fault.
            _log.info("node.not_brought_back: %s: %s", region, error.code)
