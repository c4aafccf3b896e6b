"""What tests of storage share: empty databases of both kinds, people to keep in them, and a node that only follows deltas."""

import json
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text

from moretta.core.gallery import GalleryDelta, SegmentInfo
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, IdKind, Person, Thresholds, new_id
from moretta.core.recognition_store import NewFace, PackedSegment
from moretta.storage.database import open_database
from moretta.storage.recognition.store import SqlRecognitionStore
from tests.postgres_server import PostgresServer

COMPANY = "co_0123456789abcdef0123"
OTHER_COMPANY = "co_fedcba98765432100123"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Every test with `database` runs on both.
KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@dataclass(frozen=True)
class Database:
    """An empty database of this test's own; `where` opens it."""

    kind: str
    where: Path | str
    server: PostgresServer | None = None

    def opened(self) -> Engine:
        return open_database(self.where)

    @contextmanager
    def copied(self, folder: Path) -> Iterator["Database"]:
        """A copy, made while nobody has it open."""
        if self.server is not None:
            name = self.server.create(str(self.where).rpartition("/")[2])
            yield replace(self, where=self.server.url(name))
            self.server.drop(name)
            return
        folder.mkdir()
        copy = folder / "moretta.sqlite"
        source, target = sqlite3.connect(self.where), sqlite3.connect(copy)
        source.backup(target)
        source.close()
        target.close()
        yield replace(self, where=copy)


@contextmanager
def a_database(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, *, migrated: bool = True
) -> Iterator[Database]:
    """A database of `kind`; with `migrated`, one on a server has the service's tables already."""
    if kind == "sqlite":
        yield Database(kind, tmp_path / "data" / "moretta.sqlite")
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.migrated() if migrated else server.create()
    yield Database(kind, server.url(name), server)
    server.drop(name)


def stored_bytes(engine: Engine) -> bytes:
    """Every byte that the database holds: of SQLite all files beside each other, of PostgreSQL all rows of all tables."""
    if engine.dialect.name == "sqlite":
        return b"".join(path.read_bytes() for path in sorted(Path(str(engine.url.database)).parent.iterdir()))
    found = b""
    with engine.connect() as connection:
        query = text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        names = connection.execute(query).scalars().all()
        cursor = connection.connection.cursor()
        for name in names:
            with cursor.copy(f'COPY "{name}" TO STDOUT (FORMAT binary)') as copy:  # type: ignore[attr-defined]
                found += b"".join(bytes(chunk) for chunk in copy)
        cursor.close()
    return found


def a_collection(scheme: Scheme = Scheme.HE, company_id: str = COMPANY) -> Collection:
    return Collection(
        collection_id=new_id(IdKind.COLLECTION, "local"),
        company_id=company_id,
        name="staff",
        purpose="access",
        scheme=scheme,
        model_id="embedder-1",
        dimension=4,
        key_id=a_key(),
        thresholds=Thresholds(0.4, 0.6, 0.001),
        home="local",
        replicas=frozenset({"eu"}),
        created_at=NOW,
        retention_days=30,
    )


def a_key() -> str:
    return f"key_{secrets.token_hex(8)}"


def a_person(collection: Collection, name: str = "Erika Mustermann") -> Person:
    return Person(
        person_id=new_id(IdKind.PERSON, "local"),
        collection_id=collection.collection_id,
        company_id=collection.company_id,
        created_at=NOW,
        name=name,
        attributes=(("badge", "4711"), ("floor", "über 3")),
    )


def some_faces(count: int = 1, photo_id: str | None = None, quality: float = 80.0) -> list[NewFace]:
    return [
        NewFace(new_id(IdKind.FACE, "local"), secrets.token_bytes(48), quality, photo_id=photo_id) for _ in range(count)
    ]


def created(store: SqlRecognitionStore, scheme: Scheme = Scheme.HE, company_id: str = COMPANY) -> Collection:
    """A new collection, kept."""
    collection = a_collection(scheme, company_id)
    store.announce_key(collection.key_id)
    store.create_collection(collection)
    return collection


def a_segment(rows: Sequence[int], key_id: str, segment_id: str | None = None) -> PackedSegment:
    name = segment_id or f"seg_{secrets.token_hex(8)}"
    return PackedSegment(SegmentInfo(name, np.asarray(rows, dtype=np.uint32), "ab" * 32, 1000), key_id)


def packed(store: SqlRecognitionStore, collection: Collection, rows: Sequence[int], *dropped: str) -> PackedSegment:
    """A segment of `rows`, announced and published as the collection stands."""
    segment = a_segment(rows, collection.key_id)
    store.announce_segment(segment.info.segment_id)
    store.publish_segments(collection, [segment], dropped)
    return segment


@dataclass
class Follower:
    """What a node knows that follows deltas to the letter: payloads, segments, rows that are dead, rows that wait."""

    position: int = 0
    payloads: dict[int, bytes] = field(default_factory=dict)
    segments: dict[str, list[int]] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    excluded: set[int] = field(default_factory=set)
    settled: set[int] = field(default_factory=set)

    def apply(self, delta: GalleryDelta) -> None:
        if delta.since == 0:
            self.payloads, self.segments, self.dead, self.settled = {}, {}, set(), set()
        elif delta.since != self.position:
            return
        for segment_id in delta.dropped_segments:
            self.segments.pop(segment_id)
        for segment in delta.segments:
            self.segments[segment.segment_id] = segment.rows.tolist()
            for row in self.segments[segment.segment_id]:
                self.payloads.pop(row, None)
        for row, payload in delta.added:
            self.payloads[row] = payload
        for row in delta.removed:
            self.payloads.pop(row, None)
            self.settled.discard(row)
        self.settled |= set(delta.settled)
        # Dead rows are remembered only while a segment holds them.
        self.dead = (self.dead | set(delta.removed)) & self._in_segments()
        self.excluded = set(delta.excluded)
        self.position = delta.sequence

    def _in_segments(self) -> set[int]:
        return {row for rows in self.segments.values() for row in rows}

    def compared(self) -> set[int]:
        rows = [*self.payloads, *(self.settled - set(self.payloads))]
        rows += [row for held in self.segments.values() for row in held]
        live = [row for row in rows if row not in self.dead]
        assert len(set(live)) == len(live), "a row that is compared stands in two places"
        return set(live) - self.excluded


def snapshot(engine: Engine) -> str:
    """All rows of all tables as text, without what differs between two runs of the same: sealed bytes, and owners."""
    found: dict[str, list[list[object]]] = {}
    with engine.connect() as connection:
        for table in sorted(_tables(engine)):
            rows = connection.execute(text(f'SELECT * FROM "{table}"')).mappings().all()
            found[table] = sorted(
                ([[name, _comparable(table, name, value)] for name, value in sorted(row.items())] for row in rows),
                key=json.dumps,
            )
    return json.dumps(found, indent=1)


def _tables(engine: Engine) -> list[str]:
    from sqlalchemy import inspect

    return inspect(engine).get_table_names()


def _comparable(table: str, name: str, value: object) -> object:
    if (table, name) == ("announced", "owner"):
        return value is not None
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).hex() if name == "row_numbers" else f"{len(bytes(value))} bytes"
    return value
