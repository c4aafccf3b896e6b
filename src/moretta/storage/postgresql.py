"""A database that several machines share: PostgreSQL by URL.

Belongs here: connecting, what sessions are set to, what the server's errors mean to a user, advisory locks. Does not belong
here: any table.

Advisory locks are of one database and are freed by the server when their session ends, as the kernel frees a file lock. They
need sessions: a pooler in front of the server must pool by session, not by transaction.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError, ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry

from moretta.core.errors import Conflict, ExtraMissing, StorageUnusable

# As for SQLite: a writer that waits longer than this has met a stuck process.
LOCK_TIMEOUT_MS = 30_000
_CONNECT_TIMEOUT_S = 10

# SQLSTATE: serialization_failure and deadlock_detected (postgresql.org/docs/current/errcodes-appendix.html).
_TRY_AGAIN = {"40001", "40P01"}
_INSUFFICIENT_PRIVILEGE = "42501"
_DRIVER = "postgresql+psycopg"


def postgresql_engine(where: str) -> Engine:
    """The engine of the server and database that the URL `where` names. Nothing is connected yet.

    A password need not be in the URL: libpq's PGPASSFILE, PGPASSWORD and PGSERVICE are honoured.

    Raises:
        StorageUnusable: not a URL of PostgreSQL.
        ExtraMissing: the driver is not installed.
    """
    url = _parsed(where)
    options: dict[str, object] = {"application_name": "moretta", "client_encoding": "utf8"}
    if "connect_timeout" not in url.query:
        options["connect_timeout"] = _CONNECT_TIMEOUT_S
    try:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=options)
    except ModuleNotFoundError as error:
        raise ExtraMissing("PostgreSQL needs its driver; install it with `pip install 'moretta[postgres]'`") from error
    event.listen(engine, "connect", _configure)
    return engine


def require_utf8(connection: Connection) -> None:
    """Raise `StorageUnusable` where the database could not hold every text."""
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise StorageUnusable("expected a database with encoding UTF8; create one with `ENCODING 'UTF8'`")


@contextmanager
def postgresql_told() -> Iterator[None]:
    """Turn what the driver says into `StorageUnusable`, or `Conflict` where trying again may help.

    The driver's own words stay in the exception's cause, which no answer shows; they never hold a password.
    """
    try:
        yield
    except OperationalError as error:
        if _state(error) in _TRY_AGAIN:
            raise Conflict("another change was made at the same time; try again") from error
        raise StorageUnusable(
            "the PostgreSQL server cannot be reached, refuses the login, or a lock was not given in time; check that it "
            "runs, MORETTA_DATABASE_URL, and PGPASSFILE if the URL holds no password"
        ) from error
    except ProgrammingError as error:
        if _state(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise StorageUnusable(
            "the PostgreSQL role may not do this; make it the owner of the database, or grant it CREATE on the schema"
        ) from error


def server_tables(connection: Connection) -> list[str]:
    """The names of the tables of the session's schema, in order."""
    query = text("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1")
    return [str(name) for name in connection.execute(query).scalars()]


def advisory_key(name: str) -> int:
    """The number (signed, 64 bits) of the advisory lock `name`; two names share one with a chance of 2^-64."""
    return int.from_bytes(hashlib.sha256(b"moretta " + name.encode()).digest()[:8], "big", signed=True)


def lock_until_commit(connection: Connection, name: str) -> None:
    """Hold the lock `name` until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(advisory_key(name))))


@contextmanager
def session_lock(engine: Engine, name: str) -> Iterator[None]:
    """Hold the lock `name` against every other session while the block runs; waits as long as it takes."""
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("SET lock_timeout = 0"))
        connection.execute(select(func.pg_advisory_lock(advisory_key(name))))
        try:
            yield
        finally:
            connection.execute(select(func.pg_advisory_unlock(advisory_key(name))))
            connection.execute(text(f"SET lock_timeout = {LOCK_TIMEOUT_MS}"))


def _parsed(where: str) -> URL:
    try:
        url = make_url(where)
        if url.drivername == "postgresql":
            url = url.set(drivername=_DRIVER)
        if url.drivername == _DRIVER:
            return url
    except (ArgumentError, NoSuchModuleError, ValueError):
        pass
    # Without the cause: it may repeat the URL, and so a password.
    raise StorageUnusable("expected a URL such as postgresql+psycopg://user@host:5432/database, or a path") from None


def _state(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _configure(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    try:
        cursor.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
        # Committed means on the disk: a server that is set to answer earlier is asked not to. Stricter settings stay.
        cursor.execute("SHOW synchronous_commit")
        found = cursor.fetchone()
        if found is None or found[0] in {"off", "local"}:
            cursor.execute("SET synchronous_commit = on")
    finally:
        cursor.close()
    connection.commit()
