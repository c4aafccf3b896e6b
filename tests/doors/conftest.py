"""What the tests of the command line share."""

from pathlib import Path

import pytest
from tests.service_rig import Place, talking_cut


@pytest.fixture(scope="session")
def short_clip(talking_clip: Path) -> bytes:
    """2.5 seconds of a talking face with a tone."""
    return talking_cut(talking_clip)


@pytest.fixture
def place(models_dir: Path, tmp_path: Path) -> Place:
    """Directories in which nothing was ever run."""
    return Place(tmp_path / "place", models_dir)
