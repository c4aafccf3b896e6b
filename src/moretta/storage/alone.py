"""One process at a time for as long as something lasts, without waiting for it.

Belongs here: the lock that is given at once or not at all. Does not belong here: what is done under it; locks that are waited for
(see `database.exclusive`).
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine, func, select

from moretta.storage.database import is_postgresql
from moretta.storage.postgresql import advisory_key, postgresql_told
from moretta.storage.sqlite import lock_path, open_lock_file


@contextmanager
def alone(engine: Engine, name: str) -> Iterator[bool]:
    """Hold the lock `name` of this database while the block runs, where nobody else does: whether it is held.

    It is free again where the holder dies. `name` is fit for a file's.
    """
    with _server_lock(engine, name) if is_postgresql(engine) else _file_lock(engine, name) as held:
        yield held


@contextmanager
def alone_in_all(engines: Sequence[Engine], name: str) -> Iterator[bool]:
    """As `alone`, in several databases: whether it is held in all of them."""
    with ExitStack() as stack:
        yield all(stack.enter_context(alone(engine, name)) for engine in engines)


@contextmanager
def _file_lock(engine: Engine, name: str) -> Iterator[bool]:
    descriptor = open_lock_file(lock_path(engine, name))
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held = False
        else:
            held = True
        yield held
    finally:
        os.close(descriptor)


@contextmanager
def _server_lock(engine: Engine, name: str) -> Iterator[bool]:
    with postgresql_told():
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # Maybe for hours: the pool may put another connection in its place, and the lock goes with this one.
        connection.detach()
    try:
        with postgresql_told():
            held = connection.execute(select(func.pg_try_advisory_lock(advisory_key(name)))).scalar_one()
        yield bool(held)
    finally:
        connection.close()
