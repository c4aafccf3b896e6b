"""What the tests of the command line share."""

import sys
from pathlib import Path

import pytest
from command_line import Moretta, Told
from tests.service_rig import Place, talking_cut

from moretta.cli.main import run
from moretta.settings import Settings


@pytest.fixture(scope="session")
def short_clip(talking_clip: Path) -> bytes:
    """2.5 seconds of a talking face with a tone."""
    return talking_cut(talking_clip)


@pytest.fixture
def place(models_dir: Path, tmp_path: Path) -> Place:
    """Directories in which nothing was ever run."""
    return Place(tmp_path / "place", models_dir)


@pytest.fixture(scope="session")
def demo_people(models_dir: Path) -> dict[str, Path]:
    """Photographs of two people by their names (`moretta.vision.models.fetch_demo_people` puts them there)."""
    folder = models_dir.parent / "media" / "people"
    found = {path.stem: path for path in folder.glob("*.jpg")}
    if not {"obama", "obama2", "biden"} <= set(found):
        pytest.fail("the photos of the demo's people are not there: run `moretta models install --demo-people`")
    return found


@pytest.fixture
def moretta(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Moretta:
    """Run a command in this process, on a data directory of the test's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MORETTA_{name.upper()}", raising=False)
    monkeypatch.setenv("MORETTA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object, **settings: object) -> Told:
        with monkeypatch.context() as changed:
            for name, value in settings.items():
                changed.setenv(f"MORETTA_{name.upper()}", str(value))
            changed.setattr(sys, "argv", ["moretta", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                run()
        written = capsys.readouterr()
        assert "Traceback" not in written.err
        return Told(int(ended.value.code or 0), written.out, written.err)

    return call
