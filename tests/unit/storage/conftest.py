"""A database in a file; what both kinds must do is in `tests/contracts`."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from moretta.storage.database import open_database


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "data" / "moretta.sqlite")
    yield engine
    engine.dispose()
