"""Merkle trees of an append-only log: hashing, growing, proving, and checking proofs.

Belongs here: RFC 6962 (2.1) and RFC 9162 (2.1) as pure functions. Does not belong here: what a leaf says, where hashes are kept.

A tree of any size is made of complete subtrees. A `Node` names one: `position` counts those of its `level`, which have 2^level
leaves. The hash of a complete subtree never changes again, so that it may be kept; every other hash is made of a few of them.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from moretta.core.errors import NotFound, ProofRejected

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

_LEAF, _NODE = b"\x00", b"\x01"


class Node(NamedTuple):
    """A complete subtree: leaves `position * 2**level` to `(position + 1) * 2**level`, without the last."""

    level: int
    position: int


# The hashes of complete subtrees of a tree that has them all.
ReadNodes = Callable[[Sequence[Node]], Mapping[Node, bytes]]


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return hashlib.sha256(_LEAF + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(_NODE + left + right).digest()


@dataclass(frozen=True, slots=True)
class Edge:
    """What a tree of `size` leaves needs in order to grow: the hashes of its largest complete subtrees, from left to right."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count():
            raise ValueError("expected one hash for each bit that is set in the size")

    def grown(self, leaf_hashes: Sequence[bytes]) -> tuple["Edge", list[tuple[Node, bytes]]]:
        """The tree with more leaves, and the subtrees of two leaves and more that became complete by them."""
        hashes, made = list(self.hashes), list[tuple[Node, bytes]]()
        size = self.size
        for added in leaf_hashes:
            last, level = added, 0
            while size >> level & 1:
                last, level = node_hash(hashes.pop(), last), level + 1
                made.append((Node(level, size >> level), last))
            hashes.append(last)
            size += 1
        return Edge(size, tuple(hashes)), made

    def root(self) -> bytes:
        """The hash of the whole tree."""
        return _folded(self.hashes) if self.hashes else EMPTY_ROOT


def edge_nodes(size: int) -> list[Node]:
    """The subtrees whose hashes an `Edge` of that size holds."""
    return _cover(0, size)


def inclusion_hashes(index: int, size: int, read: ReadNodes) -> tuple[bytes, ...]:
    """The audit path of a leaf in the tree of `size` (RFC 9162, 2.1.3.1).

    Raises:
        NotFound: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise NotFound(f"expected an index under the log's size of {size}")
    spans = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        left = index < middle
        spans.append((middle, end) if left else (start, middle))
        start, end = (start, middle) if left else (middle, end)
    return _hashes(spans[::-1], read)


def consistency_hashes(first: int, size: int, read: ReadNodes) -> tuple[bytes, ...]:
    """Why the tree of `size` begins with the tree of `first` (RFC 9162, 2.1.4.1); nothing where that is plain: 0 or `size`.

    Raises:
        NotFound: `first` is not 0 to `size`.
    """
    if not 0 <= first <= size:
        raise NotFound(f"expected a first size of 0 to the log's size of {size}")
    if first in (0, size):
        return ()
    spans = []
    start, end, whole = 0, size, True
    while first != end:
        middle = start + _split(end - start)
        left = first <= middle
        spans.append((middle, end) if left else (start, middle))
        start, end, whole = (start, middle, whole) if left else (middle, end, False)
    if not whole:
        spans.append((start, end))
    return _hashes(spans[::-1], read)


def require_inclusion(hash_of_leaf: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes) -> None:
    """Check an audit path (RFC 9162, 2.1.3.2).

    Raises:
        ProofRejected: it does not lead from the leaf to the root.
    """
    if not 0 <= index < size:
        raise ProofRejected("expected the proof of a leaf that is in the tree")
    position, last, found = index, size - 1, hash_of_leaf
    for one in hashes:
        if last == 0:
            raise _not_included()
        if position & 1 or position == last:
            found = node_hash(one, found)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, one)
        position, last = position >> 1, last >> 1
    if last or found != root:
        raise _not_included()


def require_consistency(first: int, first_root: bytes, size: int, root: bytes, hashes: Sequence[bytes]) -> None:
    """Check that the tree of `size` begins with the tree of `first` (RFC 9162, 2.1.4.2).

    Raises:
        ProofRejected: the proof does not show it.
    """
    if not 0 <= first <= size:
        raise ProofRejected("expected a proof from a smaller tree to a larger one")
    if first in (0, size):
        if hashes or first_root != (root if first else EMPTY_ROOT):
            raise _not_consistent()
        return
    path = list(hashes) if first & (first - 1) else [first_root, *hashes]
    if not path:
        raise _not_consistent()
    position, last = first - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for one in path[1:]:
        if last == 0:
            raise _not_consistent()
        if position & 1 or position == last:
            old, new = node_hash(one, old), node_hash(one, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, one)
        position, last = position >> 1, last >> 1
    if last or old != first_root or new != root:
        raise _not_consistent()


def _split(size: int) -> int:
    """The largest power of two under `size`, which is 2 or more."""
    return 1 << (size - 1).bit_length() - 1


def _cover(start: int, end: int) -> list[Node]:
    """The largest complete subtrees, from left to right, of the leaves `start` to `end`; one of them begins at `start`."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def _hashes(spans: Sequence[tuple[int, int]], read: ReadNodes) -> tuple[bytes, ...]:
    covers = [_cover(start, end) for start, end in spans]
    known = read([node for cover in covers for node in cover])
    return tuple(_folded([known[node] for node in cover]) for cover in covers)


def _folded(hashes: Sequence[bytes]) -> bytes:
    found = hashes[-1]
    for one in hashes[-2::-1]:
        found = node_hash(one, found)
    return found


def _not_included() -> ProofRejected:
    return ProofRejected("the proof does not show that the entry is in the log")


def _not_consistent() -> ProofRejected:
    return ProofRejected("the proof does not show that the log only grew: what was there before is not there unchanged")
