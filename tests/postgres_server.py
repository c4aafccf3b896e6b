"""A real PostgreSQL server for tests: started from the machine's binaries, in a temporary folder, and stopped again.

It listens on a Unix socket and on a free port of the loopback. Nothing of it outlives the test command. PostgreSQL refuses to run
as root, so root starts it as another user who may own nothing else.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import memory

if TYPE_CHECKING:
    import psycopg

# Set where tests with PostgreSQL must not be skipped, as in the checks of every change.
REQUIRE = "MORETTA_REQUIRE_POSTGRES"

_PROGRAMS = ("initdb", "postgres")
_READY_WITHIN_S = 60


class NoPostgreSQL(Exception):
    """This machine has no PostgreSQL, or it cannot be started here; the text says why."""


class PostgresServer:
    """A running server. Every database made on it is empty and belongs to `moretta`, which logs in with a password."""

    def __init__(self, folder: Path, port: int, password: str) -> None:
        self.folder = folder
        self.port = port
        self.password = password
        self._migrated: str | None = None

    def migrated(self) -> str:
        """The name of a new database of the service, as the migrations make it; copying one is faster than they are."""
        from moretta.storage.database import open_database

        if self._migrated is None:
            name = self.create()
            open_database(self.url(name)).dispose()
            self._migrated = name
        return self.create(self._migrated)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://moretta:{self.password}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str | None = None) -> str:
        """The name of a new database, empty or a copy of `template`."""
        name = f"test_{secrets.token_hex(6)}"
        copied = f" TEMPLATE {template}" if template else ""
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}{copied} STRATEGY FILE_COPY")  # type: ignore[call-overload]
        return name

    def drop(self, name: str) -> None:
        with self.connect("postgres") as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]

    def connect(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection of the driver's own, which commits each statement."""
        import psycopg

        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="moretta",
            password=self.password,
            dbname=database,
            autocommit=True,
        )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this test command; tests that need it are marked `postgres`."""
    try:
        with running_server() as server:
            yield server
    except NoPostgreSQL as absent:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but: {absent}")
        pytest.skip(str(absent))


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """A server for as long as the block runs.

    Raises:
        NoPostgreSQL: there is none, or it does not start.
    """
    binaries = find_binaries()
    _require_driver()
    # Short: the path of a Unix socket has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mpg-", dir=memory.folder()))
    server = PostgresServer(folder, _free_port(), secrets.token_urlsafe(12))
    process: subprocess.Popen[bytes] | None = None
    try:
        _initialise(binaries, server)
        process = _start(binaries, server)
        yield server
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # at once, not when the last client has gone
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def find_binaries() -> Path:
    """The folder of `initdb` and `postgres`: on the path, or where Debian puts them, the newest."""
    found = shutil.which("initdb")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    for folder in candidates:
        if all((folder / program).is_file() for program in _PROGRAMS):
            return folder
    raise NoPostgreSQL("no PostgreSQL server on this machine: install Debian's package `postgresql`, or put it on PATH")


def _require_driver() -> None:
    try:
        import psycopg  # noqa: F401
    except ModuleNotFoundError:
        raise NoPostgreSQL("the driver of PostgreSQL is not installed: install the extra `postgres`") from None


def _initialise(binaries: Path, server: PostgresServer) -> None:
    secret = server.folder / "password"
    secret.write_text(server.password)
    _give_away(server.folder)
    told = ["--auth=scram-sha-256", f"--pwfile={secret}", "--username=moretta", "--encoding=UTF8", "--no-sync"]
    made = _run([binaries / "initdb", "-D", server.folder / "data", "--locale=C.UTF-8", *told])
    if made.returncode != 0:
        raise NoPostgreSQL(f"initdb failed: {made.stderr.decode(errors='replace')[-500:]}")


def _start(binaries: Path, server: PostgresServer) -> subprocess.Popen[bytes]:
    settings = {
        "port": server.port,
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": server.folder,
        "fsync": "off",  # these tests kill clients, never the machine
        "max_connections": 200,
        "shared_buffers": "64MB",
        "dynamic_shared_memory_type": "mmap",  # files of its own folder, which go with it even if it is killed
        "log_min_messages": "fatal",
        # A file of the log that is let go is deleted, not kept to be written over: the drill looks for what it held.
        "wal_recycle": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    import psycopg

    log = (server.folder / "log").open("wb")
    with log:
        process = subprocess.Popen(
            _as_other([binaries / "postgres", "-D", server.folder / "data", *options]), stdout=log, stderr=log
        )
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.connect("postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    process.wait()
    raise NoPostgreSQL(f"the server does not start: {(server.folder / 'log').read_text(errors='replace')[-500:]}")


def _run(command: list[object]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(_as_other(command), capture_output=True, check=False, cwd="/")


def _as_other(command: list[object]) -> list[str]:
    words = [str(word) for word in command]
    user = _other_user()
    if user is None:
        return words
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=KILL"]
    return ["setpriv", *ids, *words]


def _give_away(folder: Path) -> None:
    user = _other_user()
    if user is not None:
        for path in (folder, *folder.iterdir()):
            os.chown(path, user.pw_uid, user.pw_gid)


def _other_user() -> pwd.struct_passwd | None:
    """Whom root lets run the server: Debian's `postgres`, or `nobody`."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise NoPostgreSQL("PostgreSQL refuses to run as root, and this machine has neither a user `postgres` nor `nobody`")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
