"""Opening a database, by path (SQLite) or by URL (PostgreSQL), and the transactions of all that is stored in it.

Belongs here: what the stores use. Does not belong here: what is particular to one kind of database (`sqlite`, `postgresql`),
tables, versions (`versions`).

Writing. SQLite has one writer at a time. On PostgreSQL every transaction reads what was committed before each of its statements
(READ COMMITTED) and keeps others out by a lock that it takes first: `writing` takes one lock for the whole database, so it means
what it means on SQLite; `writing_rows` takes none, and its caller locks the row that all writers of the same things lock first.
That is why no transaction needs to be repeated: neither fails for having run beside another.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from moretta.core.checkpoints import Checkpoint
from moretta.core.errors import StorageUnusable
from moretta.storage.postgresql import (
    lock_until_commit,
    postgresql_engine,
    postgresql_told,
    require_utf8,
    session_lock,
)
from moretta.storage.sqlite import empty_log, file_lock, lock_path, require_wal, sqlite_engine, sqlite_told
from moretta.storage.versions import HUB, SERVICE, Schema, bring_up_to_date, is_up_to_date

_WHOLE_DATABASE = "write"
# A reader holds the log for as long as a statement or a search takes: a second is a long time for one.
_EMPTYING_ATTEMPTS, _EMPTYING_PAUSE_S = 20, 0.05


def open_database(where: Path | str) -> Engine:
    """The service's database (API keys, usage, egress, recognition), brought up to this version's schema.

    Args:
        where: a path, whose file is created with mode 0600 where it is absent; or a URL of a PostgreSQL database.

    Committed means on the disk (SQLite: WAL with synchronous=FULL). Dispose of the engine when done; give none to a forked child.

    Raises:
        StorageUnusable: written by a newer version, of another kind, no database, or the path or server cannot be used.
        ExtraMissing: the driver of PostgreSQL is not installed.
    """
    return _open(where, SERVICE)


def open_hub_database(where: Path | str) -> Engine:
    """The hub's database (companies, batches), in the same way as `open_database`."""
    return _open(where, HUB)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that is the only one of its kind from its start; durable when the block has ended.

    On SQLite, a transaction that reads first and asks for the lock later fails at once where another process wrote in between
    (SQLITE_BUSY_SNAPSHOT); one that starts with the lock waits its turn.
    """
    with writing_rows(engine) as connection:
        if is_postgresql(engine):
            lock_until_commit(connection, _WHOLE_DATABASE)
        yield connection


@contextmanager
def writing_rows(engine: Engine) -> Iterator[Connection]:
    """As `writing`, but on PostgreSQL beside others: lock rows (`with_for_update`) before reading what they guard."""
    # Options of the connection: making an engine that has them costs 0.02 ms more, each time.
    with _told(engine), engine.connect() as connection, connection.execution_options(moretta_writes=True).begin():
        yield connection


@contextmanager
def between_checkpoints(
    transaction: AbstractContextManager[Connection], checkpoint: Checkpoint, what: str
) -> Iterator[Connection]:
    """`transaction`, which passes `<what>:before-commit` at its end and `<what>:after-commit` once it is durable."""
    with transaction as connection:
        yield connection
        checkpoint(f"{what}:before-commit")
    checkpoint(f"{what}:after-commit")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction whose every statement sees the database as of one moment."""
    if is_postgresql(engine):
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with _told(engine), engine.begin() as connection:
        yield connection


@contextmanager
def exclusive(engine: Engine, name: str) -> Iterator[None]:
    """Hold the lock `name` of this database against all other processes; it is freed where the holder dies."""
    if is_postgresql(engine):
        with postgresql_told(), session_lock(engine, name):
            yield
    else:
        with file_lock(lock_path(engine, name)):
            yield


def forget_deleted(engine: Engine) -> None:
    """Overwrite what was deleted where this program can: a SQLite file and its log.

    PostgreSQL keeps old versions of rows in its files until VACUUM and later writes, in its log, and in the operator's backups.
    """
    if not is_postgresql(engine):
        with _told(engine):
            empty_log(engine)


def overwritten(engine: Engine) -> bool:
    """As `forget_deleted`, tried again for a moment; False where somebody still reads the old log."""
    if is_postgresql(engine):
        return True
    for attempt in range(_EMPTYING_ATTEMPTS):
        time.sleep(_EMPTYING_PAUSE_S if attempt else 0)
        with _told(engine):
            if empty_log(engine):
                return True
    return False


def is_postgresql(engine: Engine) -> bool:
    """Whether the database is a PostgreSQL server's; otherwise it is a SQLite file."""
    return engine.dialect.name == "postgresql"


def _open(where: Path | str, schema: Schema) -> Engine:
    path = _path(where)
    return _open_file(path, schema) if path is not None else _open_server(str(where), schema)


def _path(where: Path | str) -> Path | None:
    if isinstance(where, Path):
        return where
    if where.startswith("sqlite:///"):
        return Path(where.removeprefix("sqlite:///"))
    return None if "://" in where else Path(where)


def _open_file(path: Path, schema: Schema) -> Engine:
    with sqlite_told():
        engine = sqlite_engine(path)
        with _disposing(engine), file_lock(lock_path(engine, "open")):
            require_wal(engine)
            with engine.execution_options(moretta_writes=True).begin() as connection:
                bring_up_to_date(connection, schema)
    return engine


def _open_server(url: str, schema: Schema) -> Engine:
    engine = postgresql_engine(url)
    with _disposing(engine), postgresql_told():
        with engine.begin() as connection:
            require_utf8(connection)
            if is_up_to_date(connection, schema):
                return engine
        with engine.begin() as connection:
            # However long another process takes to bring it up.
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            lock_until_commit(connection, "open")
            bring_up_to_date(connection, schema)
    return engine


@contextmanager
def _disposing(engine: Engine) -> Iterator[None]:
    try:
        yield
    except BaseException:
        engine.dispose()
        raise


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    try:
        with postgresql_told() if is_postgresql(engine) else _file_told():
            yield
    except PoolTimeout as error:
        raise StorageUnusable("every connection to the database is in use; try again") from error


@contextmanager
def _file_told() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StorageUnusable(
            "the database is locked or cannot be written; end the process that holds it, or make room on its disk"
        ) from error
