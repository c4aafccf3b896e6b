"""One watcher of a site at a time.

Belongs here: the lock. Does not belong here: watching.

What two sessions of a site spend is not added up (`core.accounting.spent`), since they are about different visits. Two that watch
at the same time would be about the same people.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select

from moretta.core.errors import Conflict
from moretta.storage.database import is_postgresql
from moretta.storage.postgresql import advisory_key, postgresql_told
from moretta.storage.sqlite import lock_path, open_lock_file


@contextmanager
def watched_alone(engine: Engine, company_id: str, site: str) -> Iterator[None]:
    """Hold the company's site against every other watcher that uses this database; it is free again where the holder dies.

    Raises:
        Conflict: it is being watched already.
    """
    # A site's name has no slash (`core.site`); the name of a company is not fit for a file's.
    name = "watching-" + hashlib.sha256(f"{company_id}/{site}".encode()).hexdigest()[:32]
    with _server_lock(engine, name) if is_postgresql(engine) else _file_lock(engine, name):
        yield


@contextmanager
def _file_lock(engine: Engine, name: str) -> Iterator[None]:
    descriptor = open_lock_file(lock_path(engine, name))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _taken() from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _server_lock(engine: Engine, name: str) -> Iterator[None]:
    with postgresql_told():
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # For hours: the pool may put another connection in its place, and the lock goes with this one.
        connection.detach()
    try:
        with postgresql_told():
            held = connection.execute(select(func.pg_try_advisory_lock(advisory_key(name)))).scalar_one()
        if not held:
            raise _taken()
        yield
    finally:
        connection.close()


def _taken() -> Conflict:
    return Conflict(
        "expected a site that nobody watches, but this one is being watched: two watchers would count the same people twice "
        "against one budget; end the other one, or give the second one's cameras to it"
    )
