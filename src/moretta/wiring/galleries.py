"""A home region's galleries as recognition uses them: nodes that follow its database, and who of them answers.

Belongs here: putting followers, failover and background replication together. Does not belong here: what each of them does.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter

from moretta.core.errors import MorettaError, NodeUnavailable, RequestInvalid
from moretta.core.gallery import GalleryDelta, GalleryNode, spec_of
from moretta.core.paging import every
from moretta.core.protection import ProtectedProbe, Scheme
from moretta.core.recognition import Collection
from moretta.core.recognition_store import BlobStore, RecognitionStore
from moretta.nodes.failover import Failover
from moretta.nodes.follow import Follower, Replication
from moretta.use_cases.recognition.means import GalleryAnswer

_PAGE = 500
# An erasure is to be certified within 5 s, whatever a far node does; one that is slower is named in the certificate.
_ACKNOWLEDGE_S = 2.0

_log = logging.getLogger(__name__)


class StoreSource:
    """`nodes.follow.GallerySource` over a region's database and segment files."""

    def __init__(self, region: str, store: RecognitionStore, segments: BlobStore) -> None:
        self._region, self._store, self._segments = region, store, segments

    @property
    def region(self) -> str:
        """The region whose database it is."""
        return self._region

    def collections(self) -> Sequence[Collection]:
        """Every collection of the database."""
        return list(every(partial(self._store.collections, None, _PAGE), attrgetter("collection_id")))

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        """As `RecognitionStore.delta`."""
        return self._store.delta(collection_id, since)

    def fetch(self, segment_id: str) -> bytes:
        """The bytes of a segment."""
        return self._segments.get(segment_id)


class RegionGalleries:
    """`use_cases.recognition.means.Galleries` of one home region.

    Args:
        source: its database.
        nodes: the node for its collections in each region, its own among them.
        shares: the three parties as one node; None where the region has none.
        settle: as `RecognitionStore.settle`.
        refresh: shares a collection's templates anew among the parties.
        replicate: keep nodes up to date in the background, from now on until `close`.
    """

    def __init__(
        self,
        source: StoreSource,
        nodes: Mapping[str, GalleryNode],
        shares: GalleryNode | None = None,
        settle: Callable[[str, int], None] | None = None,
        refresh: Callable[[Collection], None] | None = None,
        *,
        replicate: bool = False,
    ) -> None:
        self._home, self._nodes, self._shares, self._refresh = source.region, nodes, shares, refresh
        # Shares are held by the three parties and by nobody else, whatever the collection's regions.
        self._follower = Follower(source, settle, lambda collection: frozenset({collection.home}))
        self._failover = Failover(self._follower, self._node)
        self._background = [Replication(self._follower, node, serves=_in(region)) for region, node in nodes.items()]
        if shares is not None:
            self._background.append(Replication(self._follower, shares, serves=_is_shared))
        if replicate:
            for replication in self._background:
                replication.start()

    def compare(
        self, collection: Collection, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> GalleryAnswer:
        """As `Galleries.compare`."""
        if _is_shared(collection):
            node = self._parties()
            at = self._follower.catch_up(collection, node)
            sealed = node.compare(spec_of(collection), probe, threshold, only)
            return GalleryAnswer(sealed, self._home, max(0, collection.sequence - at))
        answer = self._failover.compare(collection, probe, threshold, only)
        return GalleryAnswer(answer.sealed, answer.region, answer.behind)

    def follow(self, collection: Collection) -> None:
        """As `Galleries.follow`: the home node at once, where it is not known to be down; the others in the background."""
        if self._home not in self._failover.down():
            with _forgiven("follow"):
                self._follower.catch_up(collection, self._home_node(collection))
        for replication in self._background:
            replication.nudge()

    def acknowledged(self, collection: Collection) -> Mapping[str, bool]:
        """As `Galleries.acknowledged`. Nodes are asked at once; one that answers later catches up all the same."""
        if _is_shared(collection):
            # The three apply a change together or not at all.
            done = self._caught_up([self._parties()], collection)[0]
            return dict.fromkeys((f"{self._home} party {number}" for number in (1, 2, 3)), done)
        down = self._failover.down()
        regions = sorted(region for region in collection.regions if region in self._nodes and region not in down)
        standing = self._caught_up([self._nodes[region] for region in regions], collection)
        return dict.fromkeys(sorted(collection.regions), False) | dict(zip(regions, standing, strict=True))

    def _caught_up(self, nodes: Sequence[GalleryNode], collection: Collection) -> list[bool]:
        done = [False] * len(nodes)

        def ask(number: int) -> None:
            with _forgiven("acknowledge"):
                done[number] = self._follower.catch_up(collection, nodes[number]) >= collection.sequence

        threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(len(nodes))]
        for thread in threads:
            thread.start()
        end = time.monotonic() + _ACKNOWLEDGE_S
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))
        return list(done)

    def drop(self, collection: Collection, keep_key_id: str | None = None) -> None:
        """As `Galleries.drop`: the home node at once; the others in the background, which finds what does not belong there."""
        if self._home not in self._failover.down():
            with _forgiven("drop"):
                self._home_node(collection).drop(collection.collection_id, keep_key_id)
        for replication in self._background:
            replication.nudge()

    def refresh(self, collection: Collection) -> None:
        """As `Galleries.refresh`."""
        if not _is_shared(collection) or self._refresh is None:
            raise RequestInvalid("expected a collection of the scheme shares; `reissue` renews the key of the others")
        self._follower.catch_up(collection, self._parties())
        self._refresh(collection)

    def down(self) -> frozenset[str]:
        """The regions whose nodes are known to be down."""
        return self._failover.down()

    def close(self) -> None:
        """Stop what runs in the background. Idempotent. Nodes stay open."""
        self._failover.close()
        for replication in self._background:
            replication.close()

    def _node(self, region: str) -> GalleryNode:
        node = self._nodes.get(region)
        if node is None:
            raise NodeUnavailable(f"this deployment has no comparing node in {region}; name one in the regions file")
        return node

    def _home_node(self, collection: Collection) -> GalleryNode:
        return self._parties() if _is_shared(collection) else self._node(self._home)

    def _parties(self) -> GalleryNode:
        if self._shares is None:
            raise NodeUnavailable(f"region {self._home} has no parties; name three in the regions file")
        return self._shares


def _is_shared(collection: Collection) -> bool:
    return collection.scheme is Scheme.SHARES


def _in(region: str) -> Callable[[Collection], bool]:
    return lambda collection: region in collection.regions and not _is_shared(collection)


@contextlib.contextmanager
def _forgiven(what: str) -> Iterator[None]:
    """Go on where a node does not do it now: it catches up later."""
    try:
        yield
    except MorettaError as error:
        _log.warning("galleries.%s_later: %s", what, error.code)
