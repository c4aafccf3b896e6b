"""`core.ledger_store.LedgerStore` in SQL: each method one transaction.

Belongs here: transactions, entries and checkpoints as rows. Does not belong here: signing, and checking what is stored against
what was signed (see `ledger`).
"""

from collections.abc import Iterator, Sequence
from itertools import count

from sqlalchemy import Connection, Engine, Row, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import LogBroken, NotFound
from moretta.core.ledger import ConsistencyProof, InclusionProof, LogEntry
from moretta.core.ledger_store import LogHead, StoredCheckpoint, StoredLeaf
from moretta.core.merkle import Node, consistency_hashes, inclusion_hashes
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.ledger.appending import WrittenEntry, append_written, read_head, written
from moretta.storage.ledger.grouping import GroupedAppend
from moretta.storage.ledger.nodes import edge_at, node_reader, stored_bytes
from moretta.storage.tables_ledger import log_checkpoints, log_cosignatures, log_entries, log_head, log_nodes
from moretta.storage.upsert import insert_into

_PAGE = 5000


class SqlLedger:
    """One region's log. Safe to share between threads and processes; the engine stays open.

    `append` passes two checkpoints, `append:before-commit` and `append:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._checkpoint = checkpoint
        self._grouped = GroupedAppend(self._committed)

    def append(self, entries: Sequence[LogEntry]) -> list[int]:
        """As `LedgerStore.append`; threads that append at the same moment share a commit.

        An entry that cannot be written fails its own call, before it is put together with those of others.
        """
        return self._grouped.append(written(entries))

    def head(self) -> LogHead:
        """As `LedgerStore.head`."""
        with reading(self._engine) as connection:
            if connection.execute(select(log_head.c.number)).one_or_none() is not None:
                return read_head(connection, lock=False)
        with writing_rows(self._engine) as connection:
            return read_head(connection, lock=True)

    def leaves(self, start: int, limit: int, company_id: str | None = None) -> list[StoredLeaf]:
        """As `LedgerStore.leaves`."""
        query = select(log_entries).where(log_entries.c.entry_index >= start)
        if company_id is not None:
            query = query.where(log_entries.c.company_id == company_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(log_entries.c.entry_index).limit(limit)).all()
        return [
            StoredLeaf(row.entry_index, stored_bytes(row.leaf), stored_bytes(row.leaf_hash), row.company_id)
            for row in rows
        ]

    def index_of(self, leaf_hash: bytes) -> int:
        """As `LedgerStore.index_of`."""
        query = select(log_entries.c.entry_index).where(log_entries.c.leaf_hash == leaf_hash)
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(log_entries.c.entry_index).limit(1)).scalar_one_or_none()
        if found is None:
            raise NotFound("expected an entry of this region's log, got one that is not in it")
        return int(found)

    def root(self, size: int) -> bytes:
        """As `LedgerStore.root`."""
        with reading(self._engine) as connection:
            _require_length(connection, size)
            return edge_at(connection, size).root()

    def inclusion(self, index: int, size: int) -> InclusionProof:
        """As `LedgerStore.inclusion`."""
        with reading(self._engine) as connection:
            _require_length(connection, size)
            return InclusionProof(index, size, inclusion_hashes(index, size, node_reader(connection)))

    def consistency(self, first: int, size: int) -> ConsistencyProof:
        """As `LedgerStore.consistency`."""
        with reading(self._engine) as connection:
            _require_length(connection, size)
            return ConsistencyProof(first, size, consistency_hashes(first, size, node_reader(connection)))

    def keep_checkpoint(self, checkpoint: StoredCheckpoint, made_at: str) -> StoredCheckpoint:
        """As `LedgerStore.keep_checkpoint`."""
        values = {"size": checkpoint.size, "root": checkpoint.root, "note": checkpoint.note, "made_at": made_at}
        with writing_rows(self._engine) as connection:
            connection.execute(insert_into(connection, log_checkpoints).values(values).on_conflict_do_nothing())
            kept = _checkpoint_of(connection, checkpoint.size)
        if kept is None:
            raise LogBroken("a checkpoint of the log was deleted while it was written; restore the database")
        return kept

    def checkpoint_of(self, size: int) -> StoredCheckpoint | None:
        """As `LedgerStore.checkpoint_of`."""
        with reading(self._engine) as connection:
            return _checkpoint_of(connection, size)

    def last_checkpoint(self) -> StoredCheckpoint | None:
        """As `LedgerStore.last_checkpoint`."""
        last = select(log_checkpoints.c.size).order_by(log_checkpoints.c.size.desc()).limit(1)
        with reading(self._engine) as connection:
            size = connection.execute(last).scalar_one_or_none()
            return None if size is None else _checkpoint_of(connection, size)

    def keep_cosignature(self, size: int, witness: str, line: str, received_at: str) -> None:
        """As `LedgerStore.keep_cosignature`."""
        values = {"size": size, "witness": witness, "line": line, "received_at": received_at}
        changed = {"line": line, "received_at": received_at}
        with writing_rows(self._engine) as connection:
            if _checkpoint_of(connection, size) is None:
                raise NotFound("expected the size of a checkpoint that this log signed")
            inserted = insert_into(connection, log_cosignatures).values(values)
            connection.execute(inserted.on_conflict_do_update(index_elements=["size", "witness"], set_=changed))

    def checkpoints(self) -> Iterator[StoredCheckpoint]:
        """As `LedgerStore.checkpoints`."""
        after = -1
        while True:
            query = select(log_checkpoints).where(log_checkpoints.c.size > after).order_by(log_checkpoints.c.size)
            with reading(self._engine) as connection:
                page = [_to_checkpoint(connection, row) for row in connection.execute(query.limit(_PAGE)).all()]
            yield from page
            if len(page) < _PAGE:
                return
            after = page[-1].size

    def nodes(self) -> Iterator[tuple[Node, bytes]]:
        """As `LedgerStore.nodes`: a missing or an added row raises `LogBroken`."""
        expected = _nodes_in_order()
        number = 0
        while True:
            query = select(log_nodes).where(log_nodes.c.node_number >= number).order_by(log_nodes.c.node_number)
            with reading(self._engine) as connection:
                page = connection.execute(query.limit(_PAGE)).all()
            for row in page:
                if row.node_number != number:
                    raise LogBroken(f"hash {number} of the log's tree is missing: rows were deleted")
                yield next(expected), stored_bytes(row.hash)
                number += 1
            if len(page) < _PAGE:
                return

    def _committed(self, entries: Sequence[WrittenEntry]) -> list[int]:
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "append") as connection:
            return append_written(connection, entries)


def _require_length(connection: Connection, size: int) -> None:
    found = connection.execute(select(log_head.c.size)).scalar_one_or_none() or 0
    if not 0 <= size <= found:
        raise NotFound(f"expected a size of 0 to the log's {found} entries")


def _checkpoint_of(connection: Connection, size: int) -> StoredCheckpoint | None:
    row = connection.execute(select(log_checkpoints).where(log_checkpoints.c.size == size)).one_or_none()
    return None if row is None else _to_checkpoint(connection, row)


def _to_checkpoint(connection: Connection, row: Row[tuple[object, ...]]) -> StoredCheckpoint:
    query = select(log_cosignatures.c.line).where(log_cosignatures.c.size == row.size)
    lines = connection.execute(query.order_by(log_cosignatures.c.witness)).scalars()
    return StoredCheckpoint(row.size, stored_bytes(row.root), row.note, tuple(lines))


def _nodes_in_order() -> Iterator[Node]:
    for leaves in count(1):
        level = 1
        while leaves % (1 << level) == 0:
            yield Node(level, (leaves >> level) - 1)
            level += 1
