"""A node's segment files and the marks that spare it from reading them at every start."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.gallery import GallerySpec, SegmentInfo
from moretta.core.protection import Scheme
from moretta.nodes.segments import SegmentFolder

SPEC = GallerySpec("col_eu_1", Scheme.HE, "m", 4, "key_1", frozenset({"eu"}))


def info_of(content: bytes, segment_id: str = "seg_1") -> SegmentInfo:
    return SegmentInfo(segment_id, np.array([1], np.uint32), hashlib.sha256(content).hexdigest(), len(content))


def owned(folder: Path) -> SegmentFolder:
    return SegmentFolder(folder, folder / ".marks", owned=True)


def test_a_checked_file_is_not_read_again_after_a_restart(tmp_path: Path) -> None:
    content = b"sealed" * 100
    first = owned(tmp_path)
    first.keep(SPEC, info_of(content), content)
    first.close()
    # A mark that claims another digest shows what the answer comes from: the mark, and not the bytes.
    mark = tmp_path / ".marks" / "seg_1"
    mark.write_text(mark.read_text().replace(info_of(content).sha256, "f" * 64))
    second = owned(tmp_path)
    assert second.has(SPEC, replace(info_of(content), sha256="f" * 64))
    second.close()


def test_a_file_with_its_old_length_and_time_but_other_bytes_is_noticed(tmp_path: Path) -> None:
    content = b"sealed" * 100
    folder = owned(tmp_path)
    folder.keep(SPEC, info_of(content), content)
    path = tmp_path / "seg_1"
    before = path.stat()
    path.write_bytes(b"forged" * 100)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not folder.has(SPEC, info_of(content))
    folder.close()


def test_a_file_that_a_dead_process_left_half_done_is_deleted_at_start(tmp_path: Path) -> None:
    folder = owned(tmp_path)
    folder.keep(SPEC, info_of(b"whole"), b"whole")
    folder.close()
    (tmp_path / "seg_unmarked").write_bytes(b"whose?")
    (tmp_path / ".seg_2.7.part").write_bytes(b"ha")
    (tmp_path / ".marks" / "seg_lost").write_text("{}")
    (tmp_path / ".marks" / ".seg_2.7.part").write_text("{")
    again = owned(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"seg_1", ".marks"}
    assert {path.name for path in (tmp_path / ".marks").iterdir()} == {"seg_1", ".lock"}
    assert again.galleries() == {("col_eu_1", "key_1")}
    again.close()


def test_a_torn_mark_means_that_the_file_is_checked_again(tmp_path: Path) -> None:
    content = b"in the blob store"
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / "seg_1").write_bytes(content)
    (tmp_path / "marks").mkdir()
    (tmp_path / "marks" / "seg_1").write_text('{"sha256": 5}')
    folder = SegmentFolder(tmp_path / "blobs", tmp_path / "marks", owned=False)
    assert folder.has(SPEC, info_of(content))
    assert not folder.has(SPEC, info_of(b"another content"))
    folder.close()


def test_a_region_s_own_blob_folder_is_never_written_to_or_deleted_from(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "seg_1").write_bytes(b"kept")
    (blobs / "photo").write_bytes(b"kept")
    folder = SegmentFolder(blobs, tmp_path / "marks", owned=False)
    assert folder.has(SPEC, info_of(b"kept"))
    folder.delete(["seg_1"])
    with pytest.raises(NodeUnavailable):
        folder.keep(SPEC, info_of(b"new", "seg_2"), b"new")
    assert {path.name for path in blobs.iterdir()} == {"seg_1", "photo"}
    assert folder.galleries() == set()
    folder.close()


def test_two_nodes_cannot_share_a_folder(tmp_path: Path) -> None:
    first = owned(tmp_path)
    with pytest.raises(RequestInvalid):
        owned(tmp_path)
    first.close()
    owned(tmp_path).close()
