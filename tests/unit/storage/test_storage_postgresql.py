"""What holds of a server's database beyond the contracts: being out of reach, refusing, losing a session, lasting."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.postgres_server import PostgresServer
from tests.storage_rig import COMPANY, Database, a_database, a_person, created, some_faces

from moretta.core.errors import Conflict, ExtraMissing, MorettaError, StorageUnusable
from moretta.core.recognition_store import Unfinished
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.database import exclusive, open_database, reading, writing, writing_rows
from moretta.storage.postgresql import LOCK_TIMEOUT_MS, lock_until_commit
from moretta.storage.recognition.store import SqlRecognitionStore

pytestmark = pytest.mark.postgres


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database("postgresql", request, tmp_path) as database:
        yield database


@pytest.fixture
def server(database: Database) -> PostgresServer:
    assert database.server is not None
    return database.server


@pytest.fixture
def shared(database: Database) -> Iterator[Engine]:
    engine = database.opened()
    yield engine
    engine.dispose()


def told(error: BaseException) -> str:
    """All that a traceback would show of an error and what led to it."""
    shown = ""
    current: BaseException | None = error
    while current is not None:
        shown += f"{current!r} {current} "
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return shown


@pytest.mark.parametrize(
    "where",
    [
        "postgresql+psycopg://moretta:hunter2@127.0.0.1:1/moretta",
        "postgresql://moretta:hunter2@127.0.0.1:1/moretta?connect_timeout=1",
        "postgresql+psycopg://moretta:hunter2@127.0.0.1:port/moretta",
        "postgresql+asyncpg://moretta:hunter2@127.0.0.1/moretta",
        "mysql://moretta:hunter2@127.0.0.1/moretta",
        "://moretta:hunter2@127.0.0.1",
    ],
)
def test_what_cannot_be_opened_says_so_and_never_tells_the_password(where: str) -> None:
    with pytest.raises(StorageUnusable) as refused:
        open_database(where)
    assert "hunter2" not in told(refused.value)


def test_a_wrong_password_is_refused_without_being_told(server: PostgresServer, database: Database) -> None:
    where = str(database.where).replace(server.password, "hunter2")
    with pytest.raises(StorageUnusable, match="PGPASSFILE") as refused:
        open_database(where)
    assert "hunter2" not in told(refused.value)
    assert server.password not in repr(open_and_dispose(database))


def open_and_dispose(database: Database) -> Engine:
    engine = database.opened()
    engine.dispose()
    return engine


def test_a_password_file_is_honoured(
    server: PostgresServer, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tmp_path / "pgpass"
    passwords.write_text(f"127.0.0.1:{server.port}:*:moretta:{server.password}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    where = str(database.where).replace(f":{server.password}@", "@")
    open_database(where).dispose()


def test_the_unix_socket_of_the_server_serves_too(server: PostgresServer, database: Database) -> None:
    name = str(database.where).rpartition("/")[2]
    url = f"postgresql+psycopg://moretta:{server.password}@/{name}?host={server.folder}&port={server.port}"
    open_database(url).dispose()


def test_a_database_that_cannot_hold_every_text_is_refused(server: PostgresServer) -> None:
    with server.connect("postgres") as connection:
        connection.execute("CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StorageUnusable, match="UTF8"):
        open_database(server.url("ascii"))
    server.drop("ascii")


def test_a_role_that_may_not_create_is_told_what_it_needs(server: PostgresServer) -> None:
    name = server.create()
    with server.connect(name) as connection:
        connection.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    with pytest.raises(StorageUnusable, match="CREATE"):
        open_database(f"postgresql+psycopg://guest:guest@127.0.0.1:{server.port}/{name}")
    server.drop(name)
    with server.connect("postgres") as connection:
        connection.execute("DROP ROLE guest")


def test_the_driver_is_an_extra_and_its_absence_says_how_to_install_it() -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from moretta.core.errors import ExtraMissing\n"
        "from moretta.storage.database import open_database\n"
        "try: open_database('postgresql+psycopg://user:hunter2@127.0.0.1/x')\n"
        "except ExtraMissing as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "moretta[postgres]" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert issubclass(ExtraMissing, MorettaError)


def test_a_session_waits_for_the_disk_and_not_for_ever_for_a_lock(server: PostgresServer, database: Database) -> None:
    name = str(database.where).rpartition("/")[2]
    with server.connect("postgres") as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")  # type: ignore[call-overload]
    engine = database.opened()
    for _ in range(2):
        with writing(engine) as connection_of_ours:
            found = [
                connection_of_ours.execute(text(f"SHOW {setting}")).scalar_one()
                for setting in ("synchronous_commit", "lock_timeout", "transaction_isolation")
            ]
        assert found == ["on", f"{LOCK_TIMEOUT_MS // 1000}s", "read committed"]
        with exclusive(engine, "any"):
            pass
    engine.dispose()


def test_a_reader_may_not_write(shared: Engine) -> None:
    with pytest.raises(Exception, match="read-only"), reading(shared) as connection:
        connection.execute(text("INSERT INTO deployment VALUES ('a', 'b')"))


def test_a_lock_that_is_not_given_in_time_says_so(shared: Engine) -> None:
    with writing_rows(shared) as holder:
        lock_until_commit(holder, "anything")
        with pytest.raises(StorageUnusable, match="lock"), writing_rows(shared) as waiting:
            waiting.execute(text("SET LOCAL lock_timeout = 50"))
            lock_until_commit(waiting, "anything")


def test_two_that_wait_for_each_other_get_a_conflict_to_try_again(shared: Engine) -> None:
    ready = threading.Barrier(2, timeout=20)
    ended: list[object] = []

    def cross(first: str, second: str) -> None:
        try:
            with writing_rows(shared) as connection:
                connection.execute(text("SET LOCAL deadlock_timeout = 100"))
                lock_until_commit(connection, first)
                ready.wait()
                lock_until_commit(connection, second)
            ended.append("committed")
        except Conflict as error:
            ended.append(type(error))

    threads = [threading.Thread(target=cross, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(ended, key=str) == [Conflict, "committed"]


def test_writes_of_two_collections_do_not_wait_for_each_other(shared: Engine) -> None:
    store = SqlRecognitionStore(shared, Envelope(MemoryKeyService()))
    one, other = created(store), created(store)
    with writing_rows(shared) as holder:
        locked = text("SELECT 1 FROM collections WHERE collection_id = :id FOR UPDATE")
        holder.execute(locked, {"id": one.collection_id})
        started = time.monotonic()
        store.enrol(other, a_person(other), some_faces())
        assert time.monotonic() - started < 5
    store.close()


def test_a_server_that_restarts_is_used_again_and_lost_announcements_are_made_anew(
    database: Database, server: PostgresServer, shared: Engine
) -> None:
    store = SqlRecognitionStore(shared, Envelope(MemoryKeyService()))
    collection = created(store)
    store.announce_blob("photo1")
    name = str(database.where).rpartition("/")[2]
    with server.connect("postgres") as connection:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
        connection.execute(ended, (name,))
    # The process lives, but nobody can tell: what it announced counts as left over, and is not put to use.
    assert store.unfinished() == Unfinished(blobs=("photo1",))
    with pytest.raises(Conflict):
        store.enrol(collection, a_person(collection), some_faces(photo_id="photo1"))
    store.announce_blob("photo2")
    assert store.unfinished() == Unfinished(blobs=("photo1",))
    store.enrol(collection, a_person(collection), some_faces(photo_id="photo2"))
    assert len(store.persons(COMPANY, collection.collection_id, 10)) == 1
    store.close()


def test_a_lock_ends_with_its_holder(database: Database, shared: Engine) -> None:
    program = (
        "import sys, time\n"
        "from moretta.storage.database import exclusive, open_database\n"
        "with exclusive(open_database(sys.argv[1]), 'report'):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(database.where)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        started = time.monotonic()
        with exclusive(shared, "report"):
            assert time.monotonic() - started < 20
