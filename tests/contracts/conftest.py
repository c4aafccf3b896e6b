"""Databases of both kinds for the contracts of storage."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.storage_rig import KINDS, Database, a_database


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database(request.param, request, tmp_path) as database:
        yield database


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    engine = database.opened()
    yield engine
    engine.dispose()
