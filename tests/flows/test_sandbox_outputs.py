"""What a confined worker can do with the descriptor that it may write into."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.media import memory_file

from moretta.core.errors import WorkerLost
from moretta.sandbox.confinement import Mode
from moretta.sandbox.output import OutputMemory
from moretta.sandbox.pool import WorkerPool

TESTS = str(Path(__file__).resolve().parents[1])


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    environment = {"PYTHONPATH": TESTS}
    with WorkerPool("sandbox_output_entry:handler", mode=Mode.BEST_EFFORT, environment=environment) as started:
        yield started


def size_of(answer: bytes) -> int:
    return int(answer) if answer.isdigit() else 0


def attempt(pool: WorkerPool, what: str, limit: int = 2**16) -> tuple[bytes, bytes]:
    """The worker's answer and what is in the output."""
    output = OutputMemory(limit)
    try:
        with memory_file(b"media") as media:
            answer = pool.run(media, what.encode(), output=output, size_of=size_of)
        return answer, os.pread(output.fd, 100, 0).rstrip(b"\0")
    finally:
        output.close()


def test_a_worker_writes_through_a_mapping(pool: WorkerPool) -> None:
    assert attempt(pool, "map") == (b"5", b"moved")


@pytest.mark.parametrize("what", ["write", "grow"])
def test_a_worker_s_limit_of_file_sizes_is_nothing_as_before(pool: WorkerPool, what: str) -> None:
    answer, content = attempt(pool, what)
    assert answer in {b"EFBIG", b"EPERM"}
    assert content == b""


@pytest.mark.parametrize("what", ["hold", "lie"])
def test_a_worker_that_keeps_or_overstates_its_output_is_ended_and_the_next_works(pool: WorkerPool, what: str) -> None:
    with pytest.raises(WorkerLost):
        attempt(pool, what)
    assert attempt(pool, "map") == (b"5", b"moved")


def test_a_request_without_an_output_brings_none(pool: WorkerPool) -> None:
    with memory_file(b"media") as media:
        assert pool.run(media, b"map") == b"no output"
