"""What the transparency log asks of storage: entries, the hashes of their tree, and what was signed of it.

Belongs here: the port. Does not belong here: signatures (see `ledger.log`), SQL.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from moretta.core.ledger import ConsistencyProof, InclusionProof, LogEntry
from moretta.core.merkle import Edge, Node


@dataclass(frozen=True, slots=True)
class LogHead:
    """How the log stands: `log_id` is random and its own for ever."""

    log_id: str
    edge: Edge

    @property
    def size(self) -> int:
        """How many entries there are."""
        return self.edge.size


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """An entry as it is stored: what was hashed, and what is kept beside it."""

    index: int
    leaf: bytes
    leaf_hash: bytes
    company_id: str


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """A checkpoint that was signed, with what witnesses signed of it."""

    size: int
    root: bytes
    note: str
    cosignatures: tuple[str, ...] = ()


class LedgerStore(Protocol):
    """One region's log in its database. Safe for threads and processes."""

    def append(self, entries: Sequence[LogEntry]) -> list[int]:
        """As `TransparencyLog.append`."""

    def head(self) -> LogHead:
        """How the log stands now."""

    def leaves(self, start: int, limit: int, company_id: str | None = None) -> list[StoredLeaf]:
        """At most `limit` (of one company where given) from index `start` on, in their order."""

    def index_of(self, leaf_hash: bytes) -> int:
        """Where the entry with that hash stands. Raises `NotFound`."""

    def root(self, size: int) -> bytes:
        """The tree hash at that size. Raises `NotFound` where the log is not that long."""

    def inclusion(self, index: int, size: int) -> InclusionProof:
        """Raises `NotFound` where the log is not that long."""

    def consistency(self, first: int, size: int) -> ConsistencyProof:
        """Raises `NotFound` where the log is not that long."""

    def keep_checkpoint(self, checkpoint: StoredCheckpoint, made_at: str) -> StoredCheckpoint:
        """Keep what was signed; the one that was kept before where there is one of that size."""

    def checkpoint_of(self, size: int) -> StoredCheckpoint | None:
        """What was signed of that size."""

    def last_checkpoint(self) -> StoredCheckpoint | None:
        """What was signed of the largest size."""

    def keep_cosignature(self, size: int, witness: str, line: str, received_at: str) -> None:
        """Keep a witness's line; another one of the same witness is replaced. Raises `NotFound` without such a checkpoint."""

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """All that was signed, by size."""

    def nodes(self) -> Iterator[tuple[Node, bytes]]:
        """Every stored hash of a subtree of two leaves and more, in the order in which they became complete."""
