"""A database in a file of one machine: SQLite, opened so that a commit is durable and several processes can share it.

Belongs here: the file, its modes, PRAGMAs, lock files beside it. Does not belong here: any table.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from moretta.core.errors import StorageUnusable

# A commit takes milliseconds; a writer that waits longer than this has met a stuck process.
BUSY_TIMEOUT_MS = 30_000

_FILE_MODE = 0o600
_DIRECTORY_MODE = 0o700


def sqlite_engine(path: Path) -> Engine:
    """The engine of the file at `path`, created with mode 0600 where it is absent. Nothing is read yet."""
    _create_private(path)
    engine = create_engine(URL.create("sqlite", database=str(path.absolute())), hide_parameters=True)
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def require_wal(engine: Engine) -> None:
    """Let the file keep a write-ahead log, which readers and a writer can use at once.

    Raises:
        StorageUnusable: the file system cannot.
    """
    raw = engine.raw_connection()
    try:
        mode = raw.cursor().execute("PRAGMA journal_mode=WAL").fetchone()
    finally:
        raw.close()
    if mode is None or mode[0] != "wal":
        raise StorageUnusable("expected a file system on which SQLite can keep a WAL; choose a local data folder")


def empty_log(engine: Engine) -> bool:
    """Let the write-ahead log forget what was deleted; False where somebody reads or writes right now: the next one will.

    Deleted rows are overwritten in the database (`secure_delete`), but stand in the log until it is emptied.
    """
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        told = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    finally:
        raw.close()
    return told is not None and told[0] == 0


@contextmanager
def sqlite_told() -> Iterator[None]:
    """Turn what SQLite and the file system say into `StorageUnusable`, without the name of any file."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "unknown reason"
        raise StorageUnusable(f"the database's folder cannot be used: {reason}; set a data folder you own") from error
    except (OperationalError, sqlite3.OperationalError) as error:
        raise StorageUnusable(
            "the database is locked or cannot be written; end the process that holds it, or make room on its disk"
        ) from error
    except (DBAPIError, sqlite3.Error) as error:
        raise StorageUnusable("expected a SQLite database of Moretta, got another file; choose another path") from error


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold `path` (created with mode 0600 where absent) against every other process; the kernel frees it on a crash."""
    descriptor = open_lock_file(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_lock_file(path: Path) -> int:
    """A descriptor of the lock file `path`, created with mode 0600 where absent; not yet locked."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)


def lock_path(engine: Engine, name: str) -> Path:
    """Where the lock file `name` of this database lies: beside it."""
    database = Path(str(engine.url.database))
    return database.with_name(f"{database.name}.{name}.lock")


def database_files(engine: Engine) -> list[Path]:
    """The files of this database that may hold rows, whether or not they are there: itself, its logs, its journal.

    Not to be opened in this process: closing a descriptor would drop SQLite's own locks (see `_create_private`).
    """
    database = Path(str(engine.url.database))
    return [database, *(database.with_name(f"{database.name}-{suffix}") for suffix in ("wal", "journal"))]


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


def _configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    # sqlite3 must not begin transactions by itself: `_begin` does, with or without the lock.
    connection.isolation_level = None
    try:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        # WAL with NORMAL may lose the last commits in a power cut; FULL syncs it in every commit (sqlite.org/pragma.html).
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # What is deleted is overwritten: an erased subject's wrapped key must not stay in a free page.
        connection.execute("PRAGMA secure_delete=ON")
    except sqlite3.Error:
        connection.close()
        raise


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("moretta_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
