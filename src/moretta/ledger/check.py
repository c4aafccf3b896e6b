"""Checks a whole log: the tree computed anew from its entries, against every stored hash and everything that was signed.

Belongs here: what must hold, and in which words it is told where it does not. Does not belong here: SQL, and whoever keeps
checkpoints elsewhere (see `witness`): a database that is rolled back as a whole is consistent in itself, and only they can tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from moretta.core.errors import LogBroken, ProofRejected
from moretta.core.ledger import entry_from_leaf
from moretta.core.ledger_store import LedgerStore, StoredCheckpoint, StoredLeaf
from moretta.core.merkle import EMPTY_ROOT, Edge, Node, leaf_hash
from moretta.core.notes import Note, NoteKey, parse_note, require_signed
from moretta.core.signing import Verifier

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class LogCheck:
    """A log that holds: its size and root, and how many signed checkpoints it agrees with."""

    size: int
    root: bytes
    checkpoints: int


def check_log(store: LedgerStore, keys: Sequence[NoteKey], check: Verifier, known: Sequence[Note] = ()) -> LogCheck:
    """Compute the whole tree and compare.

    Args:
        store: the log, which may grow meanwhile.
        keys: the log's keys under its name; every checkpoint must be signed by one of them.
        check: checks a signature.
        known: checkpoints that were kept elsewhere.

    Raises:
        LogBroken: it is not what was signed; the message says where.
        ProofRejected: one of `known` is not of this log.
    """
    signed = list(store.checkpoints())
    head = store.head()
    for kept in signed:
        _require_own(kept, keys, check)
    for note in known:
        if not _is_signed(note, keys, check):
            raise ProofRejected("expected checkpoints that this log signed, got one of another log")
    roots = [(kept.size, kept.root) for kept in signed] + [(note.size, note.root) for note in known]
    if any(size > head.size for size, _ in roots):
        largest = max(size for size, _ in roots)
        raise LogBroken(f"a checkpoint of {largest} entries was signed, and the log has {head.size}: entries are gone")
    edge = _recomputed(store, head.edge, sorted(roots))
    if edge.hashes != head.edge.hashes:
        raise LogBroken("the log's head is not the edge of its tree: it was replaced")
    if store.leaves(head.size, 1) and store.head().size == head.size:
        raise LogBroken(f"there are entries after the log's {head.size}: its head was set back")
    return LogCheck(head.size, edge.root(), len(signed))


def _recomputed(store: LedgerStore, head: Edge, roots: Sequence[tuple[int, bytes]]) -> Edge:
    edge, nodes, waiting = Edge(), store.nodes(), list(roots)
    waiting = _compared(edge, waiting)
    for leaf in _leaves(store, head.size):
        _require_leaf(leaf)
        edge, made = edge.grown([leaf.leaf_hash])
        for node, hashed in made:
            _require_node(nodes, node, hashed, leaf.index)
        waiting = _compared(edge, waiting)
    if edge.size < head.size:
        raise LogBroken(f"expected {head.size} entries as the log's head says, found {edge.size}: entries are gone")
    return edge


def _leaves(store: LedgerStore, size: int) -> Iterator[StoredLeaf]:
    """The entries under `size`, each at its place."""
    place = 0
    while place < size and (page := store.leaves(place, min(_PAGE, size - place))):
        for leaf in page:
            if leaf.index != place:
                raise LogBroken(f"entry {place} is missing")
            if leaf.index < size:
                yield leaf
            place += 1


def _require_leaf(leaf: StoredLeaf) -> None:
    if leaf_hash(leaf.leaf) != leaf.leaf_hash:
        raise LogBroken(f"entry {leaf.index} does not have the hash that is stored with it: it was changed")
    try:
        entry = entry_from_leaf(leaf.leaf)
    except LogBroken:
        raise LogBroken(f"entry {leaf.index} has a form that no entry has: it was changed") from None
    if entry.company_id != leaf.company_id:
        raise LogBroken(f"entry {leaf.index} is filed under another company than it says: it was changed")


def _require_node(nodes: Iterator[tuple[Node, bytes]], node: Node, hashed: bytes, index: int) -> None:
    found = next(nodes, None)
    if found is None:
        raise LogBroken(f"hashes of the log's tree are missing from entry {index} on")
    if found != (node, hashed):
        raise LogBroken(f"the tree's hash over the entries up to {index} is another: entries were changed or swapped")


def _compared(edge: Edge, waiting: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    while waiting and waiting[0][0] == edge.size:
        size, root = waiting.pop(0)
        if root != (edge.root() if size else EMPTY_ROOT):
            raise LogBroken(f"the first {size} entries are not what was signed of them: the log was rewritten")
    return waiting


def _require_own(kept: StoredCheckpoint, keys: Sequence[NoteKey], check: Verifier) -> None:
    try:
        note = parse_note(kept.note)
    except ProofRejected:
        note = None
    if note is None or (note.size, note.root) != (kept.size, kept.root) or not _is_signed(note, keys, check):
        raise LogBroken(f"the checkpoint of {kept.size} entries is not as it was signed: it was changed")


def _is_signed(note: Note, keys: Sequence[NoteKey], check: Verifier) -> bool:
    for key in keys:
        try:
            require_signed(note, key, check)
        except ProofRejected:
            continue
        return note.origin == key.name
    return False
