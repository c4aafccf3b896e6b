"""Writing a PostgreSQL server's tables anew, so that its files hold nothing any more of what was deleted.

Belongs here: what the server is asked for. Does not belong here: SQLite, which overwrites by itself; deleting rows.

A plain VACUUM frees the place of dead rows and leaves their bytes in it: only VACUUM FULL writes a table anew
(postgresql.org/docs/current/sql-vacuum.html). ANALYZE keeps samples of values in pg_statistic, which is written anew as well. The
write-ahead log holds every row once more until a checkpoint lets its files go, and the server may then keep them to write over
(`wal_recycle`).
"""

from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from moretta.storage.database import is_postgresql
from moretta.storage.postgresql import postgresql_told, server_tables

# SQLSTATE insufficient_privilege.
_NOT_PERMITTED = "42501"
# pg_switch_wal needs EXECUTE on it, CHECKPOINT the role pg_checkpoint (PostgreSQL 15) or a superuser.
_LOG = ("SELECT pg_switch_wal()", "CHECKPOINT")


@dataclass(frozen=True, slots=True)
class Cleaned:
    """How many tables were written anew; `log`: whether the role may have the server let its old log go, and it was asked to."""

    tables: int
    log: bool


def clean_server(engine: Engine) -> Cleaned:
    """Write every table of the database anew, and begin a new write-ahead log where the role may. A SQLite database: nothing.

    Each table is locked against everybody while it is written, so this is for quiet hours.

    Raises:
        StorageUnusable: the server cannot be reached, or a lock was not given in time.
    """
    if not is_postgresql(engine):
        return Cleaned(0, False)
    with postgresql_told(), engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        tables = server_tables(connection)
        for table in tables:
            quoted = table.replace('"', '""')
            connection.execute(text(f'VACUUM (FULL, ANALYZE) "{quoted}"'))
        connection.execute(text("VACUUM (FULL) pg_catalog.pg_statistic"))
        permitted = [_permitted(connection, statement) for statement in _LOG]
        return Cleaned(len(tables), all(permitted))


def _permitted(connection: Connection, statement: str) -> bool:
    try:
        connection.execute(text(statement))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _NOT_PERMITTED:
            raise
        return False
    return True
