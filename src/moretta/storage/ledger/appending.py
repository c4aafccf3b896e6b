"""Appending to the log within a transaction: the entries, the hashes they complete, the head.

Belongs here: the order of it. Does not belong here: transactions, which the stores begin.

The head's row is locked last, after every lock that the act itself takes: appenders then wait for one another only while one of
them commits, and never in a circle. Indexes have no gaps, because an appender that fails takes its entries with it.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, bindparam, select

from moretta.core.errors import LogBroken
from moretta.core.ledger import LogEntry
from moretta.core.ledger_store import LogHead
from moretta.core.merkle import HASH_BYTES, Edge, leaf_hash
from moretta.storage.ledger.nodes import node_number, stored_bytes
from moretta.storage.tables_ledger import log_entries, log_head, log_nodes
from moretta.storage.upsert import insert_into

_NUMBER = 1
# Made once: putting a statement together costs as much as running it.
_FIND_HEAD = select(log_head).where(log_head.c.number == _NUMBER)
_LOCK_HEAD = _FIND_HEAD.with_for_update()
_KEEP_ENTRY, _KEEP_NODE = log_entries.insert(), log_nodes.insert()
_SET_HEAD = (
    log_head.update().where(log_head.c.number == _NUMBER).values(size=bindparam("new_size"), edge=bindparam("new_edge"))
)


@dataclass(frozen=True, slots=True)
class WrittenEntry:
    """An entry as it will be kept: the bytes that the tree hashes, and their hash."""

    company_id: str
    leaf: bytes
    leaf_hash: bytes


def written(entries: Sequence[LogEntry]) -> list[WrittenEntry]:
    """Entries as bytes: all of appending that needs no transaction."""
    leaves = [entry.leaf() for entry in entries]
    return [WrittenEntry(entry.company_id, leaf, leaf_hash(leaf)) for entry, leaf in zip(entries, leaves, strict=True)]


def append(connection: Connection, entries: Sequence[LogEntry]) -> list[int]:
    """Append entries; their indexes. Call it as the last thing of the transaction.

    Raises:
        LogBroken: the head does not fit itself; nothing may be added to such a log.
    """
    return append_written(connection, written(entries))


def append_written(connection: Connection, entries: Sequence[WrittenEntry]) -> list[int]:
    """As `append`, of entries that were written before the transaction began."""
    if not entries:
        return []
    head = read_head(connection, lock=True)
    edge, made = head.edge.grown([entry.leaf_hash for entry in entries])
    indexes = list(range(head.size, edge.size))
    rows = [
        {"entry_index": index, "company_id": entry.company_id, "leaf_hash": entry.leaf_hash, "leaf": entry.leaf}
        for index, entry in zip(indexes, entries, strict=True)
    ]
    connection.execute(_KEEP_ENTRY, rows)
    if made:
        nodes = [{"node_number": node_number(node), "hash": hashed} for node, hashed in made]
        connection.execute(_KEEP_NODE, nodes)
    connection.execute(_SET_HEAD, {"new_size": edge.size, "new_edge": b"".join(edge.hashes)})
    return indexes


def read_head(connection: Connection, *, lock: bool) -> LogHead:
    """How the log stands; made where there is none. With `lock`, nobody else appends until the transaction ends.

    Raises:
        LogBroken: it does not fit itself.
    """
    query = _LOCK_HEAD if lock else _FIND_HEAD
    row = connection.execute(query).one_or_none()
    if row is None:
        first = {"number": _NUMBER, "log_id": secrets.token_hex(12), "size": 0, "edge": b""}
        connection.execute(insert_into(connection, log_head).values(first).on_conflict_do_nothing())
        row = connection.execute(query).one()
    return _head(row)


def _head(row: Row[tuple[object, ...]]) -> LogHead:
    edge = stored_bytes(row.edge)
    hashes = tuple(edge[start : start + HASH_BYTES] for start in range(0, len(edge), HASH_BYTES))
    try:
        return LogHead(row.log_id, Edge(row.size, hashes))
    except ValueError:
        raise LogBroken("the log's head does not fit its size: it was changed; restore the database") from None
