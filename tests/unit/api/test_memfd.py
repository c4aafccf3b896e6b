"""Items of one upload: cut apart as they were sent, sealed, within the budget."""

import hashlib
import os
from contextlib import closing

import pytest

from moretta.api.memfd import MemoryBudget, Upload
from moretta.core.errors import MediaEmpty, MediaTooLarge, Overloaded


def _upload(*items: bytes, budget: MemoryBudget | None = None, digest: bool = True) -> Upload:
    upload = Upload(100, 250, budget or MemoryBudget(1000), digest=digest)
    for item in items:
        upload.write(item[:3])
        upload.write(memoryview(item)[3:])
        upload.end_item()
    upload.seal()
    return upload


def test_each_item_is_read_alone_and_from_its_start() -> None:
    upload = _upload(b"first", b"second")
    for index, content in enumerate((b"first", b"second", b"second")):
        with upload.item(min(index, 1)) as fd:
            assert os.read(fd, 100) == content
    assert upload.item_sha256(1) == hashlib.sha256(b"second").hexdigest()
    upload.close()


def test_an_upload_of_one_item_is_read_where_it_lies() -> None:
    upload = _upload(b"alone")
    with upload.item(0) as fd:
        assert fd == upload.fd
    upload.close()


def test_nobody_can_change_what_was_sent() -> None:
    upload = _upload(b"first", b"second")
    with upload.item(1) as fd, pytest.raises(PermissionError):
        os.pwrite(fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.pwrite(upload.fd, b"x", 0)
    upload.close()


def test_a_copy_counts_while_it_is_held_and_is_closed_after() -> None:
    budget = MemoryBudget(1000)
    upload = _upload(b"a" * 60, b"b" * 40, budget=budget)
    assert budget.used_bytes == 100
    with upload.item(0) as fd:
        assert budget.used_bytes == 160
    assert budget.used_bytes == 100
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    upload.close()
    upload.close()
    assert budget.used_bytes == 0


def test_no_copy_is_made_where_no_memory_is_left() -> None:
    upload = _upload(b"a" * 60, b"b" * 40, budget=MemoryBudget(120))
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count, not paths
    with pytest.raises(Overloaded), upload.item(0):
        pytest.fail("there was no memory for it")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    upload.close()


def test_limits_hold_for_each_item_and_for_all() -> None:
    with closing(Upload(100, 250, MemoryBudget(1000), digest=False)) as upload:
        upload.write(b"x" * 100)
        with pytest.raises(MediaTooLarge, match="over 100 bytes"):
            upload.write(b"x")
    with closing(Upload(100, 150, MemoryBudget(1000), digest=False)) as upload:
        upload.write(b"x" * 100)
        upload.end_item()
        with pytest.raises(MediaTooLarge, match="over 150 bytes"):
            upload.write(b"x" * 51)
    with closing(Upload(100, 150, MemoryBudget(1000), digest=False)) as upload, pytest.raises(MediaEmpty):
        upload.end_item()


def test_the_digest_tells_where_items_end() -> None:
    digests = []
    for items in ((b"abcd", b"efgh"), (b"abcde", b"fgh"), (b"abcdefgh",), (b"abcdefgh",)):
        with closing(_upload(*items)) as upload:
            digests.append(upload.sha256)
    assert len(set(digests[:3])) == 3
    assert digests[2] == digests[3]
    with closing(_upload(b"abcd", digest=False)) as upload:
        assert upload.sha256 == ""
