"""Damaged media of every format ends in a frame or a `MediaError`, and never in anything else or without end."""

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.media import STILLS, VIDEOS, make_still, make_video, memory_file

from moretta.core.errors import MediaError
from moretta.core.limits import MediaLimits
from moretta.vision.decode import open_media

# Small limits, so that a forged header cannot make one example slow.
LIMITS = MediaLimits(bytes=2**20, pixels=2**20, frames=200, duration_s=20.0)
LONGEST_S = 20.0
EXAMPLES = 12
KINDS = (*STILLS, *VIDEOS)


@pytest.fixture(scope="module")
def valid() -> dict[str, bytes]:
    """One small file of each format."""
    noise = np.random.default_rng(5).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    stills = {kind: make_still(kind, noise) for kind in STILLS}
    return stills | {kind: make_video(kind, size=(48, 32), frames=6, audio_s=0.2) for kind in VIDEOS}


damage = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), min_size=0, max_size=12
)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(changes=damage, keep=st.floats(0.01, 1) | st.just(1.0), head_only=st.booleans())
def test_damaged_media_never_raises_anything_but_a_media_error(
    valid: dict[str, bytes], kind: str, changes: list[tuple[float, bytes]], keep: float, head_only: bool
) -> None:
    content = bytearray(valid[kind])
    reach = min(len(content), 600) if head_only else len(content)
    for place, replacement in changes:
        at = int(place * reach)
        content[at : at + len(replacement)] = replacement
    started = time.monotonic()
    with memory_file(bytes(content[: int(len(content) * keep)])) as fd:
        try:
            reader = open_media(fd, LIMITS)
        except MediaError as error:
            assert error.detail
            return
    try:
        frames = list(reader.frames())
        heard = sum(len(block.samples) for block in reader.audio())
        assert len(frames) <= LIMITS.frames
        assert all(frame.pixels.size for frame in frames)
        assert heard <= (LIMITS.duration_s + 2) * 16_000
        assert reader.info.frames == len(frames) or reader.info.kind == "image"
    finally:
        reader.close()
    assert time.monotonic() - started < LONGEST_S


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(
    content=st.binary(max_size=3000),
    magic=st.sampled_from([b"", b"\xff\xd8\xff", b"GIF89a", b"II*\0", b"MM\0*", b"G" * 3]),
)
def test_random_bytes_are_a_media_error(content: bytes, magic: bytes) -> None:
    with memory_file(magic + content) as fd, pytest.raises(MediaError):
        list(open_media(fd, LIMITS).frames())
