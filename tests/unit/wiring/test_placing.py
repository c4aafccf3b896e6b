"""Outputs appear whole or not at all."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from moretta.core.errors import RequestInvalid
from moretta.wiring import placing
from moretta.wiring.placing import check_place, place, placed


@pytest.fixture
def output() -> Iterator[int]:
    fd = os.memfd_create("output")
    os.write(fd, b"anonymised" * 300_000)
    yield fd
    os.close(fd)


def test_the_file_appears_and_nothing_else_does(output: int, tmp_path: Path) -> None:
    place(output, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"anonymised" * 300_000


def test_what_was_there_is_replaced_and_a_link_followed(output: int, tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    place(output, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_size == 3_000_000


def test_a_pipe_is_written_to_and_not_replaced(output: int, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with (tmp_path / "read").open("wb") as read, subprocess.Popen(["cat", tmp_path / "pipe"], stdout=read):
        place(output, tmp_path / "pipe")
    assert (tmp_path / "read").stat().st_size == 3_000_000
    assert (tmp_path / "pipe").is_fifo()


def test_a_killed_process_leaves_nothing_visible(tmp_path: Path) -> None:
    """It is killed while its bytes are on the disk and its file has no name yet."""
    script = (
        "import os, signal; from pathlib import Path; from moretta.wiring import placing;"
        "placing._name = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "fd = os.memfd_create('x'); os.write(fd, b'a' * 1000); placing.place(fd, Path('out.mp4'))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_where_files_need_names_the_next_run_removes_what_a_killed_one_left(
    output: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, held = tmp_path / ".moretta-0000.partial", tmp_path / ".moretta-1111.partial"
    left.write_bytes(b"half")
    held.write_bytes(b"half")
    other = tmp_path / "notes.partial"
    other.write_bytes(b"somebody's own")
    with held.open() as running:
        fcntl.flock(running, fcntl.LOCK_EX)
        place(output, tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", held.name, other.name}
    monkeypatch.setattr(os, "O_TMPFILE", os.O_DIRECTORY)  # as a file system without such files answers
    place(output, tmp_path / "again.mp4")
    assert (tmp_path / "again.mp4").stat().st_size == 3_000_000
    assert {path.name for path in tmp_path.iterdir()} == {"out.mp4", "again.mp4", other.name}


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "out.mp4"):
        with pytest.raises(RequestInvalid):
            check_place(path)
    check_place(tmp_path / "out.mp4")


def test_a_full_disk_leaves_what_was_there(output: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.mp4").write_bytes(b"old")

    def full(_: int, __: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(placing.os, "write", full)
    with pytest.raises(RequestInvalid, match="No space left"):
        place(output, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]
    assert (tmp_path / "out.mp4").read_bytes() == b"old"


def test_an_output_of_its_owner_alone_is_never_seen_by_others_nor_half(tmp_path: Path) -> None:
    target = tmp_path / "archive.zip"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), placed(target, 0o600) as fd:
        os.write(fd, b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    with placed(target, 0o600) as fd:
        os.write(fd, b"whole")
        assert os.fstat(fd).st_mode & 0o077 == 0
    assert target.read_bytes() == b"whole"
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [target]
