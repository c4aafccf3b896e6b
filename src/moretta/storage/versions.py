"""Which schema a database has, and how it is brought up to this program's.

Belongs here: the version's table and running the migrations of `migrations/`. Does not belong here: what a migration does.

Two tables tell the version: `schema_version` (kind and number) is what every release, also 0.1.0, looks at before anything else
and refuses if it is newer; `schema_revision` is Alembic's. All of it changes in one transaction that the caller has begun and in
which no other process is.
"""

import threading
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, inspect, select

from moretta.core.errors import StorageUnusable
from moretta.storage import (  # noqa: F401 - complete the metadata
    accountability_schema,
    tables_statistics,
    tables_streams,
)
from moretta.storage.schema import HUB_KIND, HUB_VERSION, SERVICE_KIND, SERVICE_VERSION, hub_metadata, service_metadata

version_metadata = MetaData()
schema_version = Table(
    "schema_version",
    version_metadata,
    Column("kind", String, primary_key=True),
    Column("version", Integer, nullable=False),
)

# Alembic makes this one itself.
schema_revision = Table("schema_revision", MetaData(), Column("version_num", String(32), primary_key=True))

# Alembic's operations stand on proxies of the whole process; two threads must not migrate at once.
_MIGRATING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables of one kind of database, at one version. The revision of version 2 is `0002`."""

    kind: str
    version: int
    metadata: MetaData


SERVICE = Schema(SERVICE_KIND, SERVICE_VERSION, service_metadata)
HUB = Schema(HUB_KIND, HUB_VERSION, hub_metadata)


def is_up_to_date(connection: Connection, schema: Schema) -> bool:
    """Whether nothing is left to do.

    Raises:
        StorageUnusable: written by a newer version, or of another kind.
    """
    return _version(connection, schema) == schema.version


def bring_up_to_date(connection: Connection, schema: Schema) -> None:
    """Create the tables of an empty database, or change those of an older one. Raises as `is_up_to_date`."""
    found = _version(connection, schema)
    if found == schema.version:
        return
    version_metadata.create_all(connection)
    with _MIGRATING:
        if found is not None and not inspect(connection).has_table(schema_revision.name):
            # 0.1.0 knew no revisions: what it made is the first.
            command.stamp(migration_config(connection, schema.kind), revision_of(found))
        command.upgrade(migration_config(connection, schema.kind), revision_of(schema.version))
    if found is None:
        connection.execute(schema_version.insert().values(kind=schema.kind, version=schema.version))
    else:
        mine = schema_version.c.kind == schema.kind
        connection.execute(schema_version.update().where(mine).values(version=schema.version))


def revision_of(version: int) -> str:
    """Alembic's revision of a version of the schema."""
    return f"{version:04d}"


def migration_config(connection: Connection, kind: str) -> Config:
    """What Alembic needs to run the migrations of databases of `kind` on `connection`, within its transaction."""
    config = Config(attributes={"connection": connection})
    folder = Path(str(files("moretta.storage"))) / "migrations"
    # Config interpolates `%`, as configparser does.
    config.set_main_option("script_location", _escaped(folder))
    config.set_main_option("version_locations", _escaped(folder / kind))
    config.set_main_option("path_separator", "newline")
    return config


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


def _version(connection: Connection, schema: Schema) -> int | None:
    if not inspect(connection).has_table(schema_version.name):
        return None
    found = {row.kind: row.version for row in connection.execute(select(schema_version))}
    if not found:
        return None
    if schema.kind not in found:
        raise StorageUnusable(f"expected a database of kind {schema.kind!r}, got another kind; choose another path")
    version = found[schema.kind]
    if version > schema.version:
        got = f"expected version {schema.version} or older, got {version}"
        raise StorageUnusable(f"the database was written by a newer Moretta ({got}); upgrade Moretta")
    return int(version)
