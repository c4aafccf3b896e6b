"""Where the database is: a setting decides, and what it holds is never told."""

from pathlib import Path

import pytest
from tests.storage_rig import a_database

from moretta.core.errors import RequestInvalid
from moretta.settings import Settings
from moretta.wiring.database import database_place
from moretta.wiring.hub import opened_hub
from moretta.wiring.service import opened
from moretta.wiring.whitepaper import whitepaper

URL = "postgresql+psycopg://moretta:hunter2@db.example/moretta"


def test_without_a_setting_it_is_a_file_of_the_data_folder(tmp_path: Path) -> None:
    assert database_place(Settings(data_dir=tmp_path), "moretta.db") == tmp_path / "moretta.db"


def test_a_url_may_stand_in_the_setting_or_in_a_private_file(tmp_path: Path) -> None:
    held = tmp_path / "url"
    held.write_text(f"{URL}\n")
    held.chmod(0o600)
    assert database_place(Settings(database_url=URL), "moretta.db") == URL
    assert database_place(Settings(database_url_file=held), "moretta.db") == URL
    with pytest.raises(RequestInvalid, match="both"):
        database_place(Settings(database_url=URL, database_url_file=held), "moretta.db")


def test_a_file_that_others_can_read_or_that_is_not_there_is_refused_without_its_name(tmp_path: Path) -> None:
    held = tmp_path / "secret-name"
    held.write_text(URL)
    held.chmod(0o640)
    for file in (held, tmp_path / "secret-name-too"):
        with pytest.raises(RequestInvalid) as refused:
            database_place(Settings(database_url_file=file), "moretta.db")
        assert "secret-name" not in refused.value.detail
        assert "hunter2" not in refused.value.detail


def test_neither_a_representation_nor_the_whitepaper_tells_the_url(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url=URL)
    paper = whitepaper(settings)
    assert "| `MORETTA_DATABASE_URL` | set |" in paper
    for shown in (paper, repr(settings), str(settings), settings.model_dump_json()):
        assert "hunter2" not in shown
        assert "db.example" not in shown


@pytest.mark.postgres
def test_a_deployment_and_a_hub_open_on_a_server(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with a_database("postgresql", request, tmp_path) as database:
        settings = Settings(data_dir=tmp_path / "data", database_url=str(database.where))
        with opened(settings) as deployment:
            assert deployment.keys.list() == []
        assert not (tmp_path / "data").exists()
    with a_database("postgresql", request, tmp_path, migrated=False) as database:
        settings = Settings(data_dir=tmp_path / "data", database_url=str(database.where))
        with opened_hub(settings) as hub:
            assert hub.create_company().company_id.startswith("co_")
