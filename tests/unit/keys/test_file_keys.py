"""Master keys in files: modes, copies, crashes at each step, several threads and processes."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from moretta.core.errors import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.keys.file import FileKeyService

KEY, CONTEXT = bytes(range(32)), b"context"


class Killed(BaseException):
    """The process died here."""


class DiesAt:
    """A checkpoint at which the process dies."""

    def __init__(self, step: str) -> None:
        self.step = step

    def __call__(self, step: str) -> None:
        if step == self.step:
            raise Killed


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_the_folder_and_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "deep" / "keys")
    service.rotate()
    service.rotate()
    service.destroy(service.master_keys()[0])
    assert (tmp_path / "deep" / "keys").stat().st_mode & 0o777 == 0o700
    assert modes(tmp_path / "deep" / "keys") == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_key_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    service = FileKeyService(tmp_path / "keys")
    wrapped = service.wrap(KEY, CONTEXT)
    [file] = (tmp_path / "keys").glob("*.key")
    file.chmod(mode)
    for use in (lambda: service.wrap(KEY, CONTEXT), lambda: service.unwrap(wrapped, CONTEXT)):
        with pytest.raises(KeyUnusable, match="chmod 600"):
            use()
    file.chmod(0o600)
    assert service.unwrap(wrapped, CONTEXT) == KEY


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777, 0o701])
def test_a_folder_that_others_can_look_into_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(KeyUnusable, match="chmod 700"):
        FileKeyService(tmp_path / "keys")


def test_a_link_in_place_of_a_key_file_is_not_followed(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    service.active()
    [file] = (tmp_path / "keys").glob("*.key")
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyUnusable):
        service.wrap(KEY, CONTEXT)


def test_a_cut_off_key_file_is_refused(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    service.active()
    [file] = (tmp_path / "keys").glob("*.key")
    file.write_bytes(bytes(31))
    with pytest.raises(KeyUnusable, match="cut off"):
        service.wrap(KEY, CONTEXT)


def test_a_destroyed_key_file_that_comes_back_from_a_copy_is_refused_and_deleted(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    wrapped = service.wrap(KEY, CONTEXT)
    [file] = (tmp_path / "keys").glob("*.key")
    copy = file.read_bytes()
    service.rotate()
    service.destroy(service.master_keys()[0])
    assert not file.exists()
    file.touch(mode=0o600)
    file.write_bytes(copy)
    for again in (service, FileKeyService(tmp_path / "keys")):
        with pytest.raises(KeyDestroyed):
            again.unwrap(wrapped, CONTEXT)
    assert not file.exists()


def test_destroying_overwrites_the_key_before_it_unlinks_it(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    service.active()
    [file] = (tmp_path / "keys").glob("*.key")
    with file.open("rb") as still_open:
        service.rotate()
        service.destroy(service.master_keys()[0])
        assert still_open.read() == bytes(32)


@pytest.mark.parametrize("step", ["rotate:before", "rotate:made"])
def test_a_crash_while_rotating_leaves_the_old_or_the_new_master_key(tmp_path: Path, step: str) -> None:
    before = FileKeyService(tmp_path / "keys")
    old, wrapped = before.active(), before.wrap(KEY, CONTEXT)
    with pytest.raises(Killed):
        FileKeyService(tmp_path / "keys", DiesAt(step)).rotate()
    after = FileKeyService(tmp_path / "keys")
    assert (after.active() == old) == (step == "rotate:before")
    assert after.unwrap(wrapped, CONTEXT) == after.unwrap(after.wrap(KEY, CONTEXT), CONTEXT) == KEY


@pytest.mark.parametrize("step", ["destroy:marked", "destroy:gone"])
def test_a_crash_while_destroying_is_finished_at_the_next_start(tmp_path: Path, step: str) -> None:
    service = FileKeyService(tmp_path / "keys", DiesAt(step))
    old, wrapped = service.active(), service.wrap(KEY, CONTEXT)
    new = service.rotate()
    with pytest.raises(Killed):
        service.destroy(old)
    after = FileKeyService(tmp_path / "keys")
    assert list(after.master_keys()) == [new]
    assert len(list((tmp_path / "keys").glob("*.key"))) == 1
    with pytest.raises(KeyDestroyed):
        after.unwrap(wrapped, CONTEXT)


def test_a_write_that_was_cut_off_leaves_nothing_behind(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    active = service.active()
    cut_off = tmp_path / "keys" / ".000002-0123456789abcdef.key.new"
    cut_off.write_bytes(bytes(7))
    assert FileKeyService(tmp_path / "keys").active() == active
    assert not cut_off.exists()


def test_several_threads_make_one_first_master_key(tmp_path: Path) -> None:
    services = [FileKeyService(tmp_path / "keys") for _ in range(8)]
    found: list[str] = []
    start = threading.Barrier(8)

    def ask(service: FileKeyService) -> None:
        start.wait()
        found.append(service.active())

    threads = [threading.Thread(target=ask, args=(service,)) for service in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1


def test_another_process_sees_a_destroyed_master_key_at_once(tmp_path: Path) -> None:
    service = FileKeyService(tmp_path / "keys")
    wrapped = service.wrap(KEY, CONTEXT)
    assert service.unwrap(wrapped, CONTEXT) == KEY
    code = (
        "import sys, pathlib; from moretta.keys.file import FileKeyService; "
        "s = FileKeyService(pathlib.Path(sys.argv[1])); old = s.active(); s.rotate(); s.destroy(old)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "keys")], check=True, timeout=60)
    with pytest.raises(KeyDestroyed):
        service.unwrap(wrapped, CONTEXT)
    with pytest.raises(KeyRejected):
        service.destroy(service.active())
