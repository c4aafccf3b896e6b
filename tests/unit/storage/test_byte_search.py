"""The search of raw bytes: wherever a marker lies, over pieces, in several files."""

import os
import secrets
from pathlib import Path

import pytest

from moretta.core.errors import StorageUnusable
from moretta.storage import byte_scan
from moretta.storage.byte_search import LARGEST, Place, find_in_files, search_files


@pytest.mark.parametrize("offset", [*range(9), 1000, 4093, 8191, 8192, 8200, 12281])
@pytest.mark.parametrize("length", [15, 16, 37, 64])
def test_a_marker_is_found_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int, length: int
) -> None:
    monkeypatch.setattr(byte_scan, "PIECE", 4096)  # so that markers lie across pieces
    marker = secrets.token_bytes(length)
    path = tmp_path / "file"
    path.write_bytes(os.urandom(offset) + marker + os.urandom(300) + marker + os.urandom(7))
    markers = byte_scan.Markers([secrets.token_bytes(16), marker])
    assert byte_scan.places(str(path), markers) == (path.stat().st_size, {1: offset})


def test_part_of_a_marker_is_not_the_marker(tmp_path: Path) -> None:
    marker = secrets.token_bytes(32)
    path = tmp_path / "file"
    path.write_bytes(os.urandom(16) + marker[:-1] + bytes([marker[-1] ^ 1]) + marker[1:])
    assert byte_scan.places(str(path), byte_scan.Markers([marker]))[1] == {}
    path.write_bytes(b"")
    assert byte_scan.places(str(path), byte_scan.Markers([marker])) == (0, {})


def test_files_are_searched_by_a_process_of_its_own_and_absent_ones_hold_nothing(tmp_path: Path) -> None:
    marks = [secrets.token_bytes(16) for _ in range(3)]
    first, second, absent = (tmp_path / name for name in ("first", "second", "absent"))
    first.write_bytes(b"abc" + marks[2] + marks[0])
    second.write_bytes(marks[2])
    size, found = find_in_files([first, absent, second], marks)
    assert size == 35 + 16
    assert found == [Place(first, 0, 19), Place(first, 2, 3), Place(second, 2, 0)]
    told = search_files([first, absent, second], marks)
    assert (told.found, told.size, told.unsearched) == (2, 51, "")


def test_a_file_that_cannot_be_read_is_told_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageUnusable):
        find_in_files([tmp_path / "folder"], [bytes(16)])


def test_more_than_can_be_searched_at_once_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(LARGEST + 1)
    told = search_files([path], [bytes(range(16))])
    assert str(LARGEST + 1) in told.unsearched
    with pytest.raises(ValueError, match="15 bytes"):
        byte_scan.Markers([b"short"])
