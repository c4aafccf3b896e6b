"""Which process announced something, and whether it still lives.

Belongs here: a lock that this process holds from its first announcement until it ends, however it ends. Does not belong here:
what was announced.

On SQLite that is a lock file beside the database, which the kernel frees. On PostgreSQL it is an advisory lock of its
session, which the server frees when it finds the connection closed: at once where the process died, after TCP's timeouts
where its machine did. A process that loses that session counts as dead although it lives; what it announced may then be
deleted, and taking it into use is refused.
"""

import contextlib
import fcntl
import os
import secrets
import threading
import weakref
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError

from moretta.storage.database import is_postgresql
from moretta.storage.postgresql import advisory_key, postgresql_told
from moretta.storage.sqlite import lock_path, open_lock_file


class Owner:
    """This process, as far as others can tell whether it lives. Safe for threads; not to be used after a fork."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._token: str | None = None
        self._session: Connection | None = None
        self._release: weakref.finalize[..., Owner] | None = None

    def token(self) -> str:
        """The name under which this process announces; from now on others see it live."""
        with self._lock:
            if self._token is None or not self._is_held():
                self.close()
                self._token = self._hold(secrets.token_hex(8))
            return self._token

    def close(self) -> None:
        """Let others see this process as dead. Idempotent."""
        self._token = self._session = None
        if self._release is not None:
            self._release()

    def _is_held(self) -> bool:
        if self._session is None:
            return True
        try:
            self._session.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def _hold(self, token: str) -> str:
        if is_postgresql(self._engine):
            with postgresql_told():
                session = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                # The pool may put another connection in its place: this one ends with the process.
                session.detach()
                session.execute(select(func.pg_advisory_lock(advisory_key(_name(token)))))
            self._session, self._release = session, weakref.finalize(self, _unlock_and_close, session, token)
        else:
            path = lock_path(self._engine, _name(token))
            descriptor = open_lock_file(path)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._release = weakref.finalize(self, _close_and_delete, descriptor, path)
        return token


def owner_is_alive(engine: Engine, connection: Connection, token: str) -> bool:
    """Whether the process that announced under `token` still holds its lock; asked within a transaction."""
    if is_postgresql(engine):
        return not connection.execute(select(func.pg_try_advisory_xact_lock(advisory_key(_name(token))))).scalar_one()
    path = lock_path(engine, _name(token))
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        # No process takes a token twice, so nobody is about to lock this file.
        path.unlink(missing_ok=True)
        return False
    finally:
        os.close(descriptor)


def _name(token: str) -> str:
    return f"owner-{token}"


def _unlock_and_close(session: Connection, token: str) -> None:
    # The server ends a closed session a moment later; who asks before that must not see this process live.
    with contextlib.suppress(SQLAlchemyError):
        session.execute(select(func.pg_advisory_unlock(advisory_key(_name(token)))))
    session.close()


def _close_and_delete(descriptor: int, path: Path) -> None:
    path.unlink(missing_ok=True)
    os.close(descriptor)
