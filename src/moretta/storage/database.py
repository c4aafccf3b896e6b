"""Opening a SQLite file so that a commit is durable and several processes can share it.

Belongs here: files, PRAGMAs, transactions, versions. Does not belong here: any table but `schema_version`.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Column, Connection, Engine, Integer, MetaData, String, Table, create_engine, event, select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from moretta.core.errors import StorageUnusable
from moretta.storage.schema import HUB_KIND, HUB_VERSION, SERVICE_KIND, SERVICE_VERSION, hub_metadata, service_metadata

Checkpoint = Callable[[str], None]

# A commit takes milliseconds; a writer that waits longer than this has met a stuck process.
BUSY_TIMEOUT_MS = 30_000

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700

_version_metadata = MetaData()
schema_version = Table(
    "schema_version",
    _version_metadata,
    Column("kind", String, primary_key=True),
    Column("version", Integer, nullable=False),
)


def no_checkpoint(_: str) -> None:
    """Do nothing at a named step; tests pass a function that ends the process there."""


def open_database(path: Path) -> Engine:
    """The service's database (API keys, usage, egress), created with mode 0600 where it is absent.

    Committed means on the disk (WAL with synchronous=FULL). Dispose of the engine when done; give none to a forked child.

    Raises:
        StorageUnusable: written by a newer version, of another kind, no database, or the path cannot be used.
    """
    return _open(path, service_metadata, SERVICE_KIND, SERVICE_VERSION)


def open_hub_database(path: Path) -> Engine:
    """The hub's database (companies, batches), in the same way as `open_database`."""
    return _open(path, hub_metadata, HUB_KIND, HUB_VERSION)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the write lock from its start; durable when the block has ended.

    A transaction that reads first and asks for the lock later fails at once where another process wrote in between
    (SQLITE_BUSY_SNAPSHOT); one that starts with the lock waits its turn.
    """
    with engine.execution_options(moretta_writes=True).begin() as connection:
        yield connection


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold `path` (created with mode 0600 where absent) against every other process; the kernel frees it on a crash."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def lock_path(engine: Engine, name: str) -> Path:
    """Where the lock file `name` of this database lies: beside it."""
    database = Path(str(engine.url.database))
    return database.with_name(f"{database.name}.{name}.lock")


def _open(path: Path, metadata: MetaData, kind: str, version: int) -> Engine:
    try:
        _create_private(path)
        engine = create_engine(URL.create("sqlite", database=str(path.absolute())))
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        try:
            with file_lock(lock_path(engine, "open")):
                _prepare(engine, metadata, kind, version)
        except BaseException:
            engine.dispose()
            raise
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown reason"
        raise StorageUnusable(f"the database's folder cannot be used: {reason}; set a data folder you own") from error
    except (OperationalError, sqlite3.OperationalError) as error:
        raise StorageUnusable("the database is locked or cannot be written; end the process that holds it") from error
    except (DBAPIError, sqlite3.Error) as error:
        raise StorageUnusable("expected a SQLite database of Moretta, got another file; choose another path") from error
    return engine


def _create_private(path: Path) -> None:
    """Make the folder (0700) and the file (0600) where they are absent; SQLite gives its WAL the file's mode.

    The file is only ever opened here when it is new: closing a descriptor of a database that this process has open would
    silently drop SQLite's own locks (sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path.parent.exists():
        path.parent.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        path.parent.chmod(_DIRECTORY_MODE)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(_FILE_MODE)


def _prepare(engine: Engine, metadata: MetaData, kind: str, version: int) -> None:
    raw = engine.raw_connection()
    try:
        mode = raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
    finally:
        raw.close()
    if mode is None or mode[0] != "wal":
        raise StorageUnusable("expected a file system on which SQLite can keep a WAL; choose a local data folder")
    with writing(engine) as connection:
        _version_metadata.create_all(connection)
        found = {row.kind: row.version for row in connection.execute(select(schema_version))}
        _check_version(found, kind, version)
        metadata.create_all(connection)
        if not found:
            connection.execute(schema_version.insert().values(kind=kind, version=version))


def _check_version(found: dict[str, int], kind: str, version: int) -> None:
    if not found:
        return
    if kind not in found:
        raise StorageUnusable(f"expected a database of kind {kind!r}, got another kind; choose another path")
    if found[kind] > version:
        got = f"expected version {version} or older, got {found[kind]}"
        raise StorageUnusable(f"the database was written by a newer Moretta ({got}); upgrade Moretta")


def _configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # sqlite3 must not begin transactions by itself: `_begin` does, with or without the lock.
    connection.isolation_level = None
    try:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        # WAL with NORMAL may lose the last commits in a power cut; FULL syncs it in every commit (sqlite.org/pragma.html).
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
    except sqlite3.Error:
        connection.close()
        raise


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("moretta_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
