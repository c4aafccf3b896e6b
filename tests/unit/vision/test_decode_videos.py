"""Videos: upright frames in time order with their sound, in flat memory, and a clear error or notice where they end."""

import io
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from tests.media import VIDEOS, corners, make_still, make_video, memory_file, moving_picture, quarters, with_matrix

from moretta.core.analysis import MediaInfo
from moretta.core.errors import (
    DimensionsTooLarge,
    MediaError,
    MediaTooLarge,
    MediaTruncated,
    MediaUnreadable,
    MediaUnsupported,
    MediaWithoutFrames,
    MediaWithoutVideo,
)
from moretta.core.limits import MediaLimits
from moretta.core.ports import MediaReader
from moretta.core.values import Frame, MediaKind
from moretta.vision.decode import DecodeOptions, open_media


@contextmanager
def opened(
    content: bytes, limits: MediaLimits | None = None, options: DecodeOptions | None = None
) -> Iterator[MediaReader]:
    with memory_file(content) as fd:
        reader = open_media(fd, limits or MediaLimits(), options)
    try:
        yield reader
    finally:
        reader.close()


def decoded(content: bytes, limits: MediaLimits | None = None) -> tuple[list[Frame], MediaInfo, list[str]]:
    with opened(content, limits) as reader:
        frames = list(reader.frames())
        return frames, reader.info, [notice.code for notice in reader.warnings]


def error_of(content: bytes, limits: MediaLimits | None = None) -> MediaError:
    with pytest.raises(MediaError) as caught:
        decoded(content, limits)
    return caught.value


@pytest.mark.parametrize("kind", VIDEOS)
def test_each_container_gives_its_frames_in_order(kind: str) -> None:
    content = make_video(kind, frames=10, audio_s=0.4)
    frames, info, notices = decoded(content)
    assert (info.kind, info.format, info.width, info.height) == (MediaKind.VIDEO, kind, 96, 64)
    assert (info.frames, info.has_audio, info.bytes, info.rotation_deg) == (10, True, len(content), 0)
    assert notices == []
    assert [frame.index for frame in frames] == list(range(10))
    for frame in frames:
        difference = np.abs(frame.pixels.astype(int) - moving_picture(frame.index, 96, 64)).mean()
        assert difference < 12, f"frame {frame.index} differs by {difference}"
    times = [frame.time_ns for frame in frames]
    assert times[0] == 0
    assert all(later > earlier for earlier, later in pairwise(times))
    if kind != "avi":  # AVI has no time stamps for MPEG-4's delayed first frame.
        np.testing.assert_allclose(times, np.arange(10) * 40_000_000, atol=1_000_000)
        assert info.duration_s == pytest.approx(0.4, abs=0.002)
        assert info.frame_rate == pytest.approx(25, abs=0.1)
        assert not info.variable_frame_rate


@pytest.mark.parametrize(
    ("kind", "codec"),
    [
        ("mp4", "libx265"),
        ("mp4", "mpeg4"),
        ("webm", "libvpx"),
        ("mkv", "libsvtav1"),
        ("mov", "mjpeg"),
        ("mpegts", "mpeg2video"),
    ],
)
def test_other_common_codecs_are_read(kind: str, codec: str) -> None:
    frames, _, _ = decoded(make_video(kind, codec=codec, frames=6))
    assert len(frames) == 6
    assert corners(frames[0].pixels) == ["R", "G", "B", "W"]


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [(90, ["B", "R", "W", "G"]), (180, ["W", "B", "G", "R"]), (270, ["G", "W", "R", "B"])],
)
@pytest.mark.parametrize("kind", ["mp4", "mov"])
def test_rotation_metadata_turns_the_frames_upright(kind: str, rotation: int, expected: list[str]) -> None:
    frames, info, _ = decoded(make_video(kind, frames=3, rotation=rotation))
    assert info.rotation_deg == rotation
    assert (info.width, info.height) == ((96, 64) if rotation == 180 else (64, 96))
    for frame in frames:
        assert frame.pixels.shape == (info.height, info.width, 3)
        assert corners(frame.pixels) == expected


def test_a_mirroring_matrix_mirrors() -> None:
    frames, info, _ = decoded(with_matrix(make_video("mp4", frames=2), (-1, 0, 0, 1)))
    assert corners(frames[0].pixels) == ["G", "R", "W", "B"]
    assert info.rotation_deg == 0


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_times_of_a_variable_frame_rate_come_from_the_time_stamps(kind: str) -> None:
    times_ms = [0, 40, 75, 200, 210, 400, 433]
    frames, info, _ = decoded(make_video(kind, times_ms=times_ms))
    np.testing.assert_allclose([frame.time_ns / 1e6 for frame in frames], times_ms, atol=1)
    assert info.variable_frame_rate
    assert info.frame_rate == pytest.approx(6 / 0.433, rel=0.01)


def test_times_start_at_the_first_frame_wherever_the_container_starts() -> None:
    frames, _, _ = decoded(make_video("mkv", times_ms=[5000, 5040, 5080]))
    np.testing.assert_allclose([frame.time_ns / 1e6 for frame in frames], [0, 40, 80], atol=1)


def test_one_steady_rate_rounded_to_milliseconds_is_not_variable() -> None:
    _, info, _ = decoded(make_video("mkv", frames=30, rate=60))
    assert not info.variable_frame_rate


@pytest.mark.parametrize("kind", VIDEOS)
def test_sound_comes_as_mono_blocks_of_at_most_a_second(kind: str) -> None:
    with opened(make_video(kind, frames=10, audio_s=2.5)) as reader:
        blocks = list(reader.audio())
    assert all(block.rate_hz == 16_000 and 0 < len(block.samples) <= 16_000 for block in blocks)
    assert all(block.samples.dtype == np.float32 and block.samples.ndim == 1 for block in blocks)
    total_s = sum(len(block.samples) for block in blocks) / 16_000
    assert total_s == pytest.approx(2.5, abs=0.08)
    times = [block.time_ns / 1e9 for block in blocks]
    np.testing.assert_allclose(times, times[0] + np.arange(len(times)), atol=0.001)
    assert 0 <= times[0] < 0.06
    middle = blocks[1].samples
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(440, abs=1)


def test_a_silent_video_has_no_sound() -> None:
    with opened(make_video("mp4")) as reader:
        assert not reader.info.has_audio
        assert list(reader.audio()) == []


def test_pictures_and_sound_are_decoded_at_the_same_time_in_two_threads() -> None:
    content = make_video("mp4", frames=100, audio_s=4.0)
    alone, _, _ = decoded(content)
    with opened(content) as reader:
        heard: list[float] = []
        listener = threading.Thread(target=lambda: heard.extend(len(b.samples) / 16_000 for b in reader.audio()))
        frames = reader.frames()
        first = next(frames)
        listener.start()
        seen = [first, *frames]
        listener.join()
    assert sum(heard) == pytest.approx(4.0, abs=0.08)
    assert len(seen) == 100
    for frame, other in zip(seen, alone, strict=True):
        np.testing.assert_array_equal(frame.pixels, other.pixels)


def test_the_descriptor_stays_the_callers_and_nothing_is_left_open() -> None:
    with memory_file(make_video("mp4", audio_s=0.4)) as fd:
        os.lseek(fd, 5, os.SEEK_SET)
        before = len(list(Path("/proc/self/fd").iterdir()))
        reader = open_media(fd, MediaLimits())
        frames = reader.frames()
        next(frames)
        next(reader.audio())
        reader.close()
        reader.close()
        assert list(frames) == []
        assert list(reader.audio()) == []
        assert os.lseek(fd, 0, os.SEEK_CUR) == 5
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_large_video_is_scaled_down_and_says_by_how_much() -> None:
    content = make_video("mp4", size=(400, 200), frames=2, rotation=90)
    with opened(content, options=DecodeOptions(video_max_side=100)) as reader:
        frames = list(reader.frames())
        assert (reader.info.width, reader.info.height, reader.scale) == (200, 400, 0.25)
    assert frames[0].pixels.shape == (100, 50, 3)
    assert corners(frames[0].pixels) == ["B", "R", "W", "G"]


def test_a_size_that_changes_within_the_video_is_scaled_to_the_first_and_told() -> None:
    content = make_video("mpegts", frames=8) + make_video("mpegts", frames=8, size=(160, 96))
    frames, info, notices = decoded(content)
    assert {frame.pixels.shape for frame in frames} == {(64, 96, 3)}
    assert "media.size_changed" in notices
    assert info.width == 96


def test_a_transport_stream_may_start_and_end_within_a_packet() -> None:
    content = make_video("mpegts", frames=60, audio_s=2.4)
    frames, info, _ = decoded(content[len(content) // 3 + 50 : -77])
    assert 20 < len(frames) < 50
    assert frames[0].time_ns == 0
    assert corners(frames[0].pixels) == ["R", "G", "B", "W"]
    assert info.duration_s == pytest.approx(len(frames) / 25, abs=0.05)


def test_a_gap_in_the_sound_keeps_the_time_line() -> None:
    content = bytearray(make_video("mpegts", frames=60, audio_s=2.4))
    content[20_000:20_400] = bytes(400)
    with opened(bytes(content)) as reader:
        blocks = list(reader.audio())
    end_s = blocks[-1].time_ns / 1e9 + len(blocks[-1].samples) / 16_000
    assert end_s == pytest.approx(2.4, abs=0.1)


@pytest.mark.timeout(20)
def test_a_file_of_millions_of_empty_boxes_is_refused_in_time() -> None:
    content = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08free" * 500_000
    assert type(error_of(content)) in (MediaTruncated, MediaUnreadable, MediaWithoutFrames)


def test_what_is_not_a_video_is_unsupported_though_it_is_called_mp4() -> None:
    for content in (b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\nhttp://127.0.0.1/a.ts\n", b"hello " * 100):
        assert type(error_of(content)) is MediaUnsupported


def with_data_reference(content: bytes, path: str) -> bytes:
    """`content` (MOV, index last) whose samples lie in the file `path`, by an alias with an absolute path."""
    name = path.encode()
    record = struct.pack(">hH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">hH", -1, 0)
    alias = bytes(10) + bytes(28) + bytes(12) + bytes(64) + bytes(16) + bytes(4) + bytes(16) + record
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    at = content.index(b"dref") + 12
    old = int.from_bytes(content[at : at + 4], "big")
    forged = bytearray(content[:at] + entry + content[at + old :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        start = content.rindex(box, 0, at) - 4
        length = int.from_bytes(forged[start : start + 4], "big") + len(entry) - old
        forged[start : start + 4] = length.to_bytes(4, "big")
    return bytes(forged)


def test_a_data_reference_to_another_file_is_never_followed(tmp_path: Path) -> None:
    content = make_video("mov", frames=5)
    other = tmp_path / "other.mov"
    other.write_bytes(content)
    forged = bytearray(with_data_reference(content, str(other)))
    start = forged.index(b"mdat") + 4
    length = int.from_bytes(forged[start - 8 : start - 4], "big") - 8
    forged[start : start + length] = bytes(length)

    # A demuxer that is told to follow references does find the other file's frames: the forgery works.
    options = {"enable_drefs": "1", "use_absolute_path": "1"}
    wanted: list[str] = []

    def lend(url: str, flags: int, options: dict[str, str]) -> io.BytesIO:
        wanted.append(url)
        return io.BytesIO(content)

    with av.open(io.BytesIO(forged), format="mov", container_options=options, io_open=lend) as careless:
        assert len(list(careless.decode(video=0))) == 5
    assert wanted == [str(other)]
    assert type(error_of(bytes(forged))) in (MediaUnreadable, MediaWithoutFrames)


def forged_size(kind: str) -> bytes:
    """A small video whose header claims 60000 x 60000."""
    content = bytearray(make_video(kind, frames=3, faststart=kind == "mp4"))
    if kind in ("mp4", "mov"):
        at = content.index(b"tkhd") - 4
        end = at + int.from_bytes(content[at : at + 4], "big")
        content[end - 8 : end] = struct.pack(">HHHH", 60_000, 0, 60_000, 0)
    elif kind == "avi":
        content[64:72] = struct.pack("<II", 60_000, 60_000)
    else:
        # PixelWidth and PixelHeight of one byte each (96, 64) become two bytes, over the element behind them.
        at = content.index(b"\xb0\x81\x60\xba\x81\x40")
        content[at : at + 8] = b"\xb0\x82\xea\x60\xba\x82\xea\x60"
    return bytes(content)


@pytest.mark.parametrize("kind", ["mp4", "mov", "avi", "mkv", "webm"])
def test_a_container_that_claims_huge_pictures_is_refused_by_its_header(kind: str) -> None:
    error = error_of(forged_size(kind))
    assert type(error) is DimensionsTooLarge
    assert "60000 x 60000" in error.detail


def test_a_bitstream_that_claims_larger_pictures_than_its_header_is_refused_by_the_decoder() -> None:
    content = bytearray(make_video("mov", codec="mjpeg", frames=3))
    at = -1
    while (at := content.find(b"\xff\xc0", at + 1)) >= 0:
        content[at + 5 : at + 9] = struct.pack(">HH", 16_000, 16_000)
    assert type(error_of(bytes(content))) in (DimensionsTooLarge, MediaUnreadable)


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv", "webm", "mpegts"])
def test_a_video_file_with_sound_alone_holds_no_pictures(kind: str) -> None:
    assert type(error_of(make_video(kind, video=False, audio_s=0.5))) is MediaWithoutVideo


def test_sound_at_full_scale_in_both_channels_is_not_clipped() -> None:
    with opened(make_video("mp4", audio_s=2.0, level=0.99)) as reader:
        _, block, *_ = reader.audio()
    assert np.sqrt(np.mean(block.samples**2)) == pytest.approx(0.99 / np.sqrt(2), rel=0.05)


def test_cover_art_is_no_video() -> None:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=48000, layout="stereo")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        container.start_encoding()
        packet = av.Packet(make_still("jpeg"))
        packet.stream, packet.pts, packet.dts = cover, 0, 0
        container.mux(packet)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), format="fltp", layout="stereo")
        silence.sample_rate = 48000
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    assert type(error_of(out.getvalue())) is MediaWithoutVideo


@pytest.mark.parametrize("kind", ["mp4", "mov", "avi", "fragmented"])
def test_a_video_track_of_no_length_has_no_frames(kind: str) -> None:
    content = make_video("mp4", frames=0, fragmented=True) if kind == "fragmented" else make_video(kind, frames=0)
    assert type(error_of(content)) is MediaWithoutFrames


@pytest.mark.parametrize("kind", VIDEOS)
def test_a_video_that_is_cut_before_its_first_picture_is_truncated(kind: str) -> None:
    content = make_video(kind, frames=20, size=(320, 240))
    cut = len(content) // 2 if kind in ("mp4", "mov") else 1500 if kind == "mpegts" else 700
    assert type(error_of(content[:cut])) is MediaTruncated


def test_a_video_of_broken_content_is_unreadable() -> None:
    content = bytearray(make_video("mp4", frames=4, faststart=True))
    start = content.index(b"mdat") + 4
    content[start:] = b"\xa5" * (len(content) - start)
    assert type(error_of(bytes(content))) is MediaUnreadable


@pytest.mark.parametrize("kind", ["mp4", "mkv", "webm", "avi"])
def test_a_video_that_breaks_half_way_gives_the_frames_up_to_there_and_a_notice(kind: str) -> None:
    noise = [np.random.default_rng(index).integers(0, 256, (64, 96, 3), dtype=np.uint8) for index in range(40)]
    content = make_video(kind, pictures=noise, faststart=kind == "mp4")
    with opened(content[: len(content) // 2]) as reader:
        frames = list(reader.frames())
        (notice,) = [notice for notice in reader.warnings if notice.code == "media.broken"]
        assert reader.info.frames == len(frames)
        assert reader.info.duration_s is not None
        assert 0.4 < reader.info.duration_s < 1.2
    assert 10 < len(frames) < 30
    assert f"{len(frames)} frames" in notice.detail


def test_damaged_packets_are_skipped_and_counted() -> None:
    noise = [np.random.default_rng(index).integers(0, 256, (64, 96, 3), dtype=np.uint8) for index in range(20)]
    content = bytearray(make_video("mov", codec="mjpeg", pictures=noise, faststart=True))
    starts = [at for at in range(len(content) - 3) if content[at : at + 3] == b"\xff\xd8\xff"]
    for start in starts[5:8]:
        content[start : start + 700] = bytes(700)
    with opened(bytes(content)) as reader:
        assert len(list(reader.frames())) == 17
        (notice,) = reader.warnings
        assert notice.code == "media.frames_skipped"
        assert notice.detail.startswith("3 ")
        assert reader.info.frames == 17


def test_limits_that_the_container_announces_over_are_errors_that_name_the_setting() -> None:
    content = make_video("mp4", frames=50)
    for limits, setting in (
        (MediaLimits(bytes=100), "max_bytes"),
        (MediaLimits(frames=49), "max_frames"),
        (MediaLimits(duration_s=1.5), "max_duration_s"),
    ):
        error = error_of(content, limits)
        assert type(error) is MediaTooLarge
        assert setting in error.detail
    error = error_of(content, MediaLimits(pixels=96 * 64 - 1))
    assert type(error) is DimensionsTooLarge
    assert "max_pixels" in error.detail
    assert len(decoded(content, MediaLimits(frames=50, duration_s=2.0, pixels=96 * 64))[0]) == 50


def test_a_container_that_announces_too_little_is_stopped_while_decoding() -> None:
    content = make_video("webm", frames=50)
    frames, info, notices = decoded(content, MediaLimits(frames=20))
    assert (len(frames), info.frames, notices) == (20, 20, ["media.limit_reached"])
    announced = bytearray(content)
    at = announced.index(b"\x44\x89\x88") + 3  # Matroska's Duration, a float of 8 bytes.
    announced[at : at + 8] = bytes.fromhex("4059000000000000")  # 100 ms
    with opened(bytes(announced), MediaLimits(duration_s=1.0)) as reader:
        frames = list(reader.frames())
        assert frames[-1].time_ns <= 1e9
        assert [notice.code for notice in reader.warnings] == ["media.limit_reached"]
        assert "max_duration_s" in reader.warnings[0].detail


def test_errors_never_show_a_trace_or_a_name() -> None:
    contents = [make_video("mp4")[:500], make_video("mp4", frames=0), b"text" * 9, make_video("mkv")[:300]]
    for content in contents:
        detail = error_of(content).detail
        assert "Traceback" not in detail
        assert "/" not in detail.replace("MPEG-TS", "")
        assert detail.startswith("expected ")


def test_a_reader_announces_how_many_frames_to_expect() -> None:
    for kind in ("mp4", "mkv", "mpegts"):
        with opened(make_video(kind, frames=30)) as reader:
            assert reader.frames_total == pytest.approx(30, abs=1)


_MEMORY = """
from moretta.core.limits import MediaLimits
from moretta.vision.decode import open_media
reader = open_media(0, MediaLimits())
count = sum(frame.pixels.shape[0] > 0 for frame in reader.frames())
heard = sum(len(block.samples) for block in reader.audio())
status = dict(line.split(":") for line in open("/proc/self/status"))
print(count, heard // 16000, status["VmHWM"].split()[0])
"""


def test_memory_is_flat_in_the_length_of_the_video() -> None:
    def measured(frames: int) -> tuple[int, int, int]:
        with memory_file(make_video("mp4", size=(320, 240), frames=frames, audio_s=frames / 25)) as fd:
            ran = subprocess.run([sys.executable, "-c", _MEMORY], stdin=fd, capture_output=True, check=True, text=True)
        count, heard, peak_kib = map(int, ran.stdout.split())
        return count, heard, peak_kib

    short, long = measured(50), measured(500)
    assert (short[:2], long[:2]) == ((50, 2), (500, 20))
    # 450 more frames are 104 MB of pixels and 1.2 MB of sound.
    assert long[2] - short[2] < 2 * 1024


_LAZY = """
import os, sys
from moretta.vision.decode import open_media, warm_up
from moretta.core.limits import MediaLimits
warm_up()
opens = []
sys.addaudithook(lambda event, args: opens.append((event, str(args[0]))) if event in ("open", "import") else None)
before = set(sys.modules)
for fd in map(int, sys.argv[1:]):
    reader = open_media(fd, MediaLimits())
    for _ in reader.frames(): pass
    for _ in reader.audio(): pass
    reader.close()
print(opens, sorted(set(sys.modules) - before))
"""


def test_after_the_warm_up_no_format_opens_a_file_or_loads_code() -> None:
    contents = [make_still(kind, orientation=6) for kind in ("jpeg", "png", "webp", "tiff", "avif")]
    contents += [make_still(kind) for kind in ("bmp", "gif")]
    contents += [make_still("mpo", more=[quarters()]), make_still("tiff", compression="jpeg")]
    contents += [make_video(kind, audio_s=0.2, frames=3) for kind in VIDEOS]
    fds = [os.memfd_create("media") for _ in contents]
    try:
        for fd, content in zip(fds, contents, strict=True):
            os.write(fd, content)
        ran = subprocess.run(
            [sys.executable, "-c", _LAZY, *map(str, fds)], pass_fds=fds, capture_output=True, check=True, text=True
        )
    finally:
        for fd in fds:
            os.close(fd)
    assert ran.stdout.strip() == "[] []"
