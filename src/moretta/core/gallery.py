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
from moretta.core.recognition import Collection


@dataclass(frozen=True, slots=True)
class GallerySpec:
    """Which gallery: one collection under one key. `regions` are those in which a node may hold it."""

    collection_id: str
    scheme: Scheme
    model_id: str
    dimension: int
    key_id: str
    regions: frozenset[str] = frozenset()


def spec_of(collection: Collection) -> GallerySpec:
    """The gallery of a collection under its present key."""
    return GallerySpec(
        collection.collection_id,
        collection.scheme,
        collection.model_id,
        collection.dimension,
        collection.key_id,
        collection.regions,
    )


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

    A delta since 0 is the whole gallery: a row or segment that it does not name is no longer there. Since any other sequence:

    - `added`: rows and payloads that are new or were protected anew, and stand in no segment now.
    - `segments`: new segments. Their rows replace the same rows' payloads and the same rows in dropped segments.
    - `removed`: rows to be compared never again. Every such row of a segment in `segments` is named, also where it went before
      `since`, so a node needs to remember removed rows only of the segments that it holds. A row may be in `added` and here.
    - `excluded`: all rows, at `sequence`, of persons who are kept but must not be compared: the full set, which replaces the one
      that the node has. Such a row's payload is sent as any other's, and the row is compared again once it is not named here.
    - `settled`: rows (`shares`) that are there but whose payload the database has forgotten because every party has it.

    So what a node compares is: its rows, less removed ones, less `excluded` of the last delta.
    """

    spec: GallerySpec
    since: int
    sequence: int
    added: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)
    removed: tuple[int, ...] = ()
    segments: tuple[SegmentInfo, ...] = ()
    dropped_segments: tuple[str, ...] = ()
    excluded: tuple[int, ...] = ()
    settled: tuple[int, ...] = ()


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
