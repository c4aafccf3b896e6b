"""The sound of a video: mono, 16 kHz, in blocks, in constant memory.

Belongs here: resampling and the sound's time line. Does not belong here: what the sound means.
"""

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame

from moretta.core.values import AudioBlock, Floats
from moretta.vision.decode.container import Container

# What speech models and pitch trackers expect; speech has its energy below 8 kHz.
RATE_HZ = 16_000
_BLOCK = RATE_HZ
_FULL_SCALE = np.float32(32_768)
# A jump of the time stamps beyond this is a gap in the recording; smaller ones are rounding and jitter of the container.
_GAP_S = 0.05


def blocks(container: Container, origin_s: float, limit_s: float) -> Iterator[AudioBlock]:
    """Blocks of at most a second of the first sound track, None of it from before the first picture.

    Args:
        container: opened for this alone.
        origin_s: the container's time at which the first picture is shown; becomes time 0.
        limit_s: the time after which nothing is decoded any more.
    """
    stream = container.audio()
    if stream is None:
        return
    gathered = _Gathering()
    for samples, time_s in _resampled(container, stream):
        start_s = None if time_s is None else time_s - origin_s
        if start_s is not None and start_s > limit_s:
            break
        yield from gathered.take(samples, start_s)
    yield from gathered.rest()


class _Gathering:
    """Joins short pieces into blocks; a gap in time ends a block."""

    def __init__(self) -> None:
        self._pieces: list[Floats] = []
        self._count = 0
        self._start_s = 0.0

    def take(self, samples: Floats, start_s: float | None) -> Iterator[AudioBlock]:
        expected_s = self._start_s + self._count / RATE_HZ
        if start_s is not None and abs(start_s - expected_s) > _GAP_S:
            yield from self.rest()
            self._start_s = expected_s = start_s
        if expected_s < 0:
            early = min(len(samples), round(-expected_s * RATE_HZ))
            samples = samples[early:]
            self._start_s = expected_s + early / RATE_HZ
        self._pieces.append(samples)
        self._count += len(samples)
        while self._count >= _BLOCK:
            joined = np.concatenate(self._pieces)
            self._pieces, self._count = [joined[_BLOCK:]], self._count - _BLOCK
            yield self._block(joined[:_BLOCK])

    def rest(self) -> Iterator[AudioBlock]:
        joined = np.concatenate(self._pieces) if self._pieces else np.empty(0, np.float32)
        self._pieces, self._count = [], 0
        if len(joined):
            yield self._block(joined)

    def _block(self, samples: Floats) -> AudioBlock:
        block = AudioBlock(np.ascontiguousarray(samples), RATE_HZ, round(self._start_s * 1e9))
        self._start_s += len(samples) / RATE_HZ
        return block


def _resampled(container: Container, stream: av.AudioStream) -> Iterator[tuple[Floats, float | None]]:
    """Mono pieces at `RATE_HZ` and their time in the container, None where they have none."""
    # Only towards integers does FFmpeg weigh the channels so that their sum cannot clip.
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
    for frame in container.sound(stream):
        yield from _converted(container, resampler, frame)
    yield from _converted(container, resampler, None)


def _converted(
    container: Container, resampler: av.AudioResampler, frame: AudioFrame | None
) -> Iterator[tuple[Floats, float | None]]:
    try:
        ready = resampler.resample(frame)
    except (av.FFmpegError, ValueError, MemoryError):
        container.skipped += 1
        return
    for piece in ready:
        samples = piece.to_ndarray().reshape(-1).astype(np.float32) / _FULL_SCALE
        base = piece.time_base or Fraction(1, RATE_HZ)
        yield samples, None if piece.pts is None else float(piece.pts * base)
