"""What a worker may write, and what becomes of it."""

import mmap
import os

import pytest

from moretta.core.errors import MediaTooLarge, WorkerLost
from moretta.sandbox.output import OutputMemory
from moretta.vision.encode.target import DescriptorTarget


def never() -> None:
    raise AssertionError("the worker did nothing wrong")


def test_what_was_written_is_there_and_nobody_can_change_it_any_more() -> None:
    output = OutputMemory(2**20)
    target = DescriptorTarget(output.fd)
    target.write(b"abc" * 1000)
    target.seek(1)
    target.write(b"X")
    target.close()
    output.finish(target.size, never)
    fd = output.detach()
    try:
        assert os.pread(fd, 10_000, 0) == b"aXc" + b"abc" * 999
        with pytest.raises(PermissionError):
            os.pwrite(fd, b"Y", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 10)
    finally:
        os.close(fd)


def test_windows_of_the_mapping_join_without_a_seam() -> None:
    output = OutputMemory(40 * 2**20)
    target = DescriptorTarget(output.fd)
    content = bytes(range(256)) * (36 * 2**20 // 256)
    for start in range(0, len(content), 5_000_001):
        target.write(content[start : start + 5_000_001])
    target.seek(8 * 2**20 - 2)
    target.write(b"seam")
    target.close()
    output.finish(target.size, never)
    try:
        made = os.pread(output.fd, len(content) + 1, 0)
        at = 8 * 2**20 - 2
        assert made == content[:at] + b"seam" + content[at + 4 :]
    finally:
        output.close()


def test_nothing_is_written_beyond_the_limit() -> None:
    output = OutputMemory(10)
    target = DescriptorTarget(output.fd)
    target.write(b"12345")
    with pytest.raises(MediaTooLarge, match="at most 10 bytes"):
        target.write(b"678901")
    target.close()
    assert target.size == 5
    with pytest.raises(PermissionError):
        os.ftruncate(output.fd, 100)
    output.close()


def test_a_worker_that_keeps_hold_of_the_memory_is_ended_and_its_output_dropped() -> None:
    output = OutputMemory(mmap.PAGESIZE)
    ended: list[bool] = []
    with mmap.mmap(output.fd, mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE) as held:
        held[:3] = b"abc"
        with pytest.raises(WorkerLost):
            output.finish(3, lambda: ended.append(True))
    assert ended == [True]
    output.close()


@pytest.mark.parametrize("claimed", [0, -1, 2**20 + 1, 2**60])
def test_a_size_that_cannot_be_is_not_believed(claimed: int) -> None:
    output = OutputMemory(2**20)
    ended: list[bool] = []
    with pytest.raises(WorkerLost):
        output.finish(claimed, lambda: ended.append(True))
    assert ended == [True]
    output.close()
    output.close()
