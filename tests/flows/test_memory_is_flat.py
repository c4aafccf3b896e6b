"""The worker's memory does not grow with the length of a video."""

import os
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import pytest
from tests.media import memory_file

from moretta.core.analysis import AnalysisRequest
from moretta.core.values import Profile
from moretta.settings import Settings
from moretta.wiring.executor import start_executor

SHORT_S = 10


def _clip(source: Path, seconds: int, size: tuple[int, int] = (320, 256), rate: int = 15) -> bytes:
    """The first seconds of `source`, encoded once and repeated packet by packet for `seconds`."""
    once = BytesIO()
    with av.open(str(source)) as origin, av.open(once, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "g": "15"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        kept = 0
        for frame in origin.decode(video=0):
            if (frame.time or 0) * rate < kept:
                continue
            scaled = frame.reformat(*size, "yuv420p")
            scaled.pts, scaled.time_base = kept, Fraction(1, rate)
            target.mux(stream.encode(scaled))
            kept += 1
            if kept == SHORT_S * rate:
                break
        target.mux(stream.encode(None))
    return _repeated(once.getvalue(), seconds // SHORT_S)


def _repeated(clip: bytes, times: int) -> bytes:
    out = BytesIO()
    with av.open(out, "w", format="mp4") as target:
        stream, offset = None, 0
        for _ in range(times):
            with av.open(BytesIO(clip)) as origin:
                source = origin.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(source)
                last = 0
                for packet in origin.demux(source):
                    if packet.pts is None or packet.dts is None:
                        continue
                    last = max(last, packet.pts + (packet.duration or 0))
                    packet.pts, packet.dts, packet.stream = packet.pts + offset, packet.dts + offset, stream
                    target.mux(packet)
                offset += last
    return out.getvalue()


def _peak_kib() -> int:
    """The peak resident memory of this process's only worker, without the pages of the media that it maps."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields["PPid"]) == os.getpid() and b"moretta.sandbox.worker" in command:
            return int(fields["VmHWM"].split()[0])
    pytest.fail("expected a running worker")


def _peak_of(clip: bytes, models_dir: Path) -> tuple[int, int]:
    settings = Settings(models_dir=models_dir)
    executor = start_executor(settings, workers=1)
    try:
        with memory_file(clip) as fd:
            result = executor.analyse(fd, AnalysisRequest(Profile.FAST))
        return _peak_kib(), result.media.frames
    finally:
        executor.close()


def _compare(source: Path, models_dir: Path, seconds: int) -> None:
    short, short_frames = _peak_of(_clip(source, SHORT_S), models_dir)
    long, long_frames = _peak_of(_clip(source, seconds), models_dir)
    assert long_frames == short_frames * seconds // SHORT_S
    assert long <= short * 1.10


@pytest.mark.models
def test_a_clip_four_times_as_long_takes_no_more_memory(talking_clip: Path, models_dir: Path) -> None:
    _compare(talking_clip, models_dir, 4 * SHORT_S)


@pytest.mark.soak
@pytest.mark.models
@pytest.mark.timeout(1800)
def test_ten_minutes_take_no_more_memory_than_ten_seconds(talking_clip: Path, models_dir: Path) -> None:
    _compare(talking_clip, models_dir, 600)
