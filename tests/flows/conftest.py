"""One real service for all flows that leave it as it was."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.service_rig import Place, Service, talking_cut


@pytest.fixture(scope="session")
def short_clip(talking_clip: Path) -> bytes:
    """2.5 seconds of a talking face with a tone."""
    return talking_cut(talking_clip)


@pytest.fixture(scope="session")
def service(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A running service with one worker."""
    root = tmp_path_factory.mktemp("service")
    settings = {"MORETTA_WORKERS": "1", "MORETTA_RATE_PER_MINUTE": "60000"}
    running = Service(Place(root / "place", models_dir, **settings), _folder(root / "logs")).start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def place(models_dir: Path, tmp_path: Path) -> Place:
    """Directories in which nothing was ever run."""
    return Place(tmp_path / "place", models_dir)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
