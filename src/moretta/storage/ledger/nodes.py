"""The hashes of complete subtrees as rows: how they are numbered and read.

Belongs here: the numbers and one look-up for many nodes. Does not belong here: what a tree is made of (see `core.merkle`).
"""

from collections.abc import Sequence
from functools import partial

from sqlalchemy import BindParameter, Connection, bindparam, select

from moretta.core.errors import LogBroken
from moretta.core.merkle import Edge, Node, ReadNodes, edge_nodes
from moretta.storage.tables_ledger import log_entries, log_nodes

# Made once: putting a statement together costs as much as running it.
_PLACES: BindParameter[list[int]] = bindparam("places", expanding=True)
_LEAVES = select(log_entries.c.entry_index, log_entries.c.leaf_hash).where(log_entries.c.entry_index.in_(_PLACES))
_NODES = select(log_nodes).where(log_nodes.c.node_number.in_(_PLACES))


def node_number(node: Node) -> int:
    """The number of a subtree of two leaves and more: they are counted in the order in which they become complete.

    That order is the one of post-order traversal, so that rows are only ever added at the end of the table. When the subtree is
    complete, the tree has `n` leaves up to its last one, and of every `n` leaves `n - bit_count(n)` subtrees are complete; those
    of more levels that end at the same leaf come after it.
    """
    leaves = (node.position + 1) << node.level
    levels_after = (leaves & -leaves).bit_length() - 1 - node.level
    return leaves - leaves.bit_count() - levels_after - 1


def node_count(size: int) -> int:
    """How many subtrees of two leaves and more are complete in a tree of `size` leaves."""
    return size - size.bit_count()


def stored_bytes(value: object) -> bytes:
    """A column of bytes. Raises `LogBroken` where another type stands in it: SQLite holds whatever is put there."""
    if not isinstance(value, bytes | memoryview | bytearray):
        raise LogBroken("expected bytes in a row of the log, got another type: the database was changed")
    return bytes(value)


def node_reader(connection: Connection) -> ReadNodes:
    """Reads hashes within a transaction. What it gives raises `LogBroken` where one is missing."""
    return partial(_read, connection)


def edge_at(connection: Connection, size: int) -> Edge:
    """The edge of the tree at that size. Raises `LogBroken` where a hash is missing."""
    wanted = edge_nodes(size)
    known = _read(connection, wanted)
    return Edge(size, tuple(known[node] for node in wanted))


def _read(connection: Connection, wanted: Sequence[Node]) -> dict[Node, bytes]:
    leaves = {node.position: node for node in wanted if node.level == 0}
    above = {node_number(node): node for node in wanted if node.level > 0}
    found: dict[Node, bytes] = {}
    if leaves:
        for row in connection.execute(_LEAVES, {"places": list(leaves)}):
            found[leaves[row.entry_index]] = stored_bytes(row.leaf_hash)
    if above:
        for row in connection.execute(_NODES, {"places": list(above)}):
            found[above[row.node_number]] = stored_bytes(row.hash)
    if len(found) != len(leaves) + len(above):
        raise LogBroken("a hash of the log's tree is missing: rows were deleted; `moretta log check` says where")
    return found
