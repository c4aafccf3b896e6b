"""Every released schema comes up to the present one, on both kinds of database, with all that it held."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, inspect, text
from tests.storage_rig import KINDS, Database, a_database, snapshot

from moretta.core.errors import StorageUnusable
from moretta.core.metering import UsageCount
from moretta.storage.api_keys import ApiKeyStore
from moretta.storage.database import open_database, open_hub_database, writing
from moretta.storage.egress import EgressStore
from moretta.storage.hub import HubStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.storage.versions import (
    HUB,
    SERVICE,
    Schema,
    migration_config,
    revision_of,
    schema_revision,
    version_metadata,
)

RELEASED = Path(__file__).parents[2] / "vectors" / "storage"
Open = Callable[[Path | str], Engine]


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database(request.param, request, tmp_path, migrated=False) as database:
        yield database


def released(folder: Path, name: str) -> Path:
    """A database as a release left it."""
    path = folder / f"{name}.db"
    connection = sqlite3.connect(path)
    connection.executescript((RELEASED / f"{name}.sql").read_text())
    connection.close()
    return path


@pytest.mark.parametrize(("opened", "schema"), [(open_database, SERVICE), (open_hub_database, HUB)])
def test_what_the_migrations_make_is_what_the_program_expects(database: Database, opened: Open, schema: Schema) -> None:
    engine = opened(database.where)
    with engine.connect() as connection:
        options = {"version_table": schema_revision.name, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        expected = MetaData()
        for table in (*schema.metadata.tables.values(), *version_metadata.tables.values()):
            table.to_metadata(expected)
        assert compare_metadata(context, expected) == []
        assert context.get_current_revision() == revision_of(schema.version)
        found = connection.execute(text("SELECT kind, version FROM schema_version")).all()
    assert [tuple(row) for row in found] == [(schema.kind, schema.version)]
    engine.dispose()


@pytest.mark.parametrize("schema", [SERVICE, HUB])
def test_each_version_has_one_migration_and_the_last_one_is_the_program_s(engine: Engine, schema: Schema) -> None:
    with engine.connect() as connection:
        script = ScriptDirectory.from_config(migration_config(connection, schema.kind))
    assert [step.revision for step in script.walk_revisions()] == [
        revision_of(version) for version in range(schema.version, 0, -1)
    ]


@pytest.mark.parametrize("name", sorted(path.stem for path in RELEASED.glob("*.sql")))
def test_a_released_database_comes_up_with_every_row_that_it_held(tmp_path: Path, name: str) -> None:
    path = released(tmp_path, name)
    before = rows(path)
    engine = (open_hub_database if name.startswith("hub") else open_database)(path)
    after = rows(path)
    engine.dispose()
    schema = HUB if name.startswith("hub") else SERVICE
    assert {table: after[table] for table in before if table != "schema_version"} == {
        table: found for table, found in before.items() if table != "schema_version"
    }
    assert after["schema_version"] == [(schema.kind, schema.version)]
    # 0.1.0 knew no revisions; what it made is not touched as long as it is the present version.
    assert after.pop("schema_revision", [(revision_of(1),)]) == [(revision_of(schema.version),)]
    assert before.keys() | schema.metadata.tables.keys() == after.keys()


def test_a_released_database_has_the_tables_that_its_migration_makes(tmp_path: Path, engine: Engine) -> None:
    for name, new in (("service_v1", engine), ("hub_v1", open_hub_database(tmp_path / "hub.sqlite"))):
        old = tables(released(tmp_path, name))
        now = tables(Path(str(new.url.database)))
        assert {table: now[table] for table in old} == old
        new.dispose()


def test_what_a_release_kept_is_found_by_the_stores(tmp_path: Path) -> None:
    engine = open_database(released(tmp_path, "service_v1"))
    (key,) = ApiKeyStore(engine).list()
    assert key.label == "front desk"
    assert UsageStore(engine).counts(key.company_id)[0] == UsageCount(
        key.company_id, key.key_id, "2025-03-01", "/v1/analyze", 200, 6
    )
    assert OutboxStore(engine).waiting() == 1
    (attempt,) = EgressStore(engine).attempts()
    assert attempt.outcome == "acknowledged"
    engine.dispose()
    hub = open_hub_database(released(tmp_path, "hub_v1"))
    assert HubStore(hub).companies() == [key.company_id]
    assert sum(count.items for count in HubStore(hub).counts()) == 6
    hub.dispose()


def test_a_database_that_is_up_to_date_is_left_as_it_is(database: Database) -> None:
    engine = open_database(database.where)
    before = snapshot(engine)
    again = open_database(database.where)
    assert snapshot(again) == before
    again.dispose()
    engine.dispose()


def test_a_database_of_a_newer_version_or_of_another_kind_is_refused(database: Database) -> None:
    engine = open_database(database.where)
    with pytest.raises(StorageUnusable, match="another kind"):
        open_hub_database(database.where)
    with writing(engine) as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(StorageUnusable, match="newer Moretta"):
        open_database(database.where)
    engine.dispose()


def test_a_migration_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    path = released(tmp_path, "service_v1")
    connection = sqlite3.connect(path)
    # The second migration makes a table of this name, after others.
    connection.execute("CREATE TABLE faces (something TEXT)")
    connection.commit()
    connection.close()
    before = tables(path)
    with pytest.raises(StorageUnusable):
        open_database(path)
    assert tables(path) == before
    assert rows(path)["schema_version"] == [("service", 1)]


def test_several_processes_may_open_a_new_or_an_old_database_at_once(database: Database, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from moretta.storage.database import open_database\n"
        "where = sys.argv[1]\n"
        "open_database(where if '://' in where else Path(where)).dispose()\n"
    )
    where = str(database.where)
    if database.kind == "sqlite":
        shutil.copy(released(tmp_path, "service_v1"), tmp_path / "moretta.db")
        where = str(tmp_path / "moretta.db")
    command = [sys.executable, "-W", "error", "-c", program, where]
    children = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    told = [child.communicate(timeout=120)[1] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], told
    engine = open_database(Path(where) if database.kind == "sqlite" else where)
    assert "faces" in inspect(engine).get_table_names()
    engine.dispose()


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    connection = sqlite3.connect(path)
    found = {name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in tables(path)}
    connection.close()
    return found


def tables(path: Path) -> dict[str, str]:
    """The statement that made each table, without its spaces."""
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name: " ".join(sql.split()) for name, sql in found}
