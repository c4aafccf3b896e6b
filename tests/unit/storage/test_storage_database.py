"""What holds of the file itself."""

import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from moretta.core.errors import StorageUnusable
from moretta.storage.database import open_database, open_hub_database, writing
from moretta.storage.deployment import local_company_id


def test_a_commit_is_synced_to_a_wal_and_foreign_keys_hold(engine: Engine) -> None:
    with engine.begin() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_nobody_else_can_read_any_file_of_the_database(engine: Engine) -> None:
    local_company_id(engine)
    folder = Path(str(engine.url.database)).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert {"moretta.sqlite", "moretta.sqlite-wal", "moretta.sqlite-shm"} <= files.keys()
    assert set(files.values()) == {0o600}


def test_an_existing_file_that_others_can_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "moretta.sqlite"
    path.touch(0o644)
    path.chmod(0o644)
    open_database(path).dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moretta.sqlite"
    engine = open_database(path)
    with writing(engine) as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    engine.dispose()
    with pytest.raises(StorageUnusable, match=r"newer Moretta \(expected version 4 or older, got 99\)"):
        open_database(path)


@pytest.mark.parametrize(("first", "second"), [(open_database, open_hub_database), (open_hub_database, open_database)])
def test_a_database_of_another_kind_is_refused(
    tmp_path: Path, first: Callable[[Path], Engine], second: Callable[[Path], Engine]
) -> None:
    first(tmp_path / "one.sqlite").dispose()
    with pytest.raises(StorageUnusable, match="another kind"):
        second(tmp_path / "one.sqlite")


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moretta.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StorageUnusable, match="expected a SQLite database"):
        open_database(path)


def test_a_folder_that_cannot_be_made_is_refused_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "secret-name").write_bytes(b"")
    with pytest.raises(StorageUnusable) as refused:
        open_database(tmp_path / "secret-name" / "moretta.sqlite")
    assert "secret-name" not in refused.value.detail


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError), writing(engine) as connection:
        connection.execute(text("INSERT INTO deployment VALUES ('a', 'b')"))
        raise RuntimeError
    with engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM deployment")).scalar_one() == 0


def test_several_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from moretta.storage.database import open_database\n"
        "from moretta.storage.deployment import local_company_id\n"
        "engine = open_database(Path(sys.argv[1])); print(local_company_id(engine)); engine.dispose()\n"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "data" / "moretta.sqlite")]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    told = [child.communicate(timeout=60)[0] for child in children]
    assert [child.returncode for child in children] == [0, 0, 0, 0]
    assert len(set(told)) == 1
    assert told[0].startswith("co_")
