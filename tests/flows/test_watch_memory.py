"""Four streams of 640x480 watched for long take no more memory than watched for a while."""

import os
from pathlib import Path

import pytest
from benchmarks.watch import RATE, STREAMS, Measured, measured, recording

pytestmark = pytest.mark.models
# What allocators keep back and forth between pictures; a picture has 0.9 MiB, a track some KiB.
_SLACK_BYTES = 24 * 2**20


def watched(tmp_path: Path, seconds: float) -> Measured:
    return measured(tmp_path, recording(tmp_path / "clip.mp4", seconds))


def require_bounded(found: Measured, seconds: float) -> None:
    assert found.pictures >= STREAMS * RATE * seconds * 0.98
    assert found.late_bytes <= found.early_bytes + _SLACK_BYTES
    assert found.watching_bytes < 2**30 and found.reading_bytes < 2**29


def test_four_streams_are_watched_to_their_end_in_bounded_memory(tmp_path: Path) -> None:
    require_bounded(watched(tmp_path, 8), 8)


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
def test_an_hour_of_four_streams_takes_no_more_memory_than_its_first_minutes(tmp_path: Path) -> None:
    seconds = float(os.environ.get("MORETTA_SOAK_SECONDS", "3600"))
    require_bounded(watched(tmp_path, seconds), seconds)
