"""How galleries follow the database: every comparing node is a replica that applies numbered changes.

Belongs here: the delta between two states of a collection's gallery, and the port of a node that holds galleries.
Does not belong here: how a scheme compares, SQL, sockets.

The database is the truth. Each committed change of a collection's gallery carries the collection's next sequence number. A
node that stands at sequence s asks for the delta since s and then stands at its end; applying one twice changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.protection import ProtectedProbe, Rows, Scheme, SealedScores


@dataclass(frozen=True, slots=True)
class GallerySpec:
    """Which gallery: one collection under one key. `regions` are those in which a node may hold it."""

    collection_id: str
    scheme: Scheme
    model_id: str
    dimension: int
    key_id: str
    regions: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A sealed, immutable piece of a packed gallery: slot i holds row `rows[i]`. `sha256` (hex) and `length` are its file's."""

    segment_id: str
    rows: Rows
    sha256: str
    length: int


@dataclass(frozen=True, slots=True)
class GalleryDelta:
    """What changed after `since` up to `sequence`, in no particular order within it.

    Rows in `added` may also be in `removed` (added and removed since). A segment's rows replace the same rows' payloads.
    """

    spec: GallerySpec
    since: int
    sequence: int
    added: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    removed: tuple[int, ...] = ()
    segments: tuple[SegmentInfo, ...] = ()
    dropped_segments: tuple[str, ...] = ()


FetchSegment = Callable[[str], bytes]


class GalleryNode(Protocol):
    """Holds galleries and compares: in the service's own process, or `moretta node` in another region. Safe for threads."""

    @property
    def region(self) -> str:
        """The region in which it stands."""

    def position(self, spec: GallerySpec) -> int:
        """The sequence at which the gallery of this key stands; 0 where the node does not have it.

        Raises:
            NodeUnavailable: the node cannot be reached, or not in time.
        """

    def apply(self, delta: GalleryDelta, fetch: FetchSegment) -> int:
        """Bring the gallery to `delta.sequence` and return where it stands. Idempotent; durable where the node is.

        A delta that starts after the node's position, or that the node has already passed, changes nothing. Segments that it
        does not have yet come from `fetch` and are checked by their digest.

        Raises:
            RegionRefused: the node's region is not one of `delta.spec.regions`.
            NodeUnavailable: as `position`.
        """

    def compare(
        self, spec: GallerySpec, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> SealedScores:
        """As `GalleryIndex.compare`. Raises `NodeUnavailable` where the gallery is not there, too."""

    def drop(self, collection_id: str, keep_key_id: str | None = None) -> None:
        """Delete what the node holds of a collection, but for the gallery of one key. Idempotent."""

    def close(self) -> None:
        """Give everything back. Idempotent."""
