"""Pictures and videos made on the spot, so that the suite needs no files."""

import io
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

STILLS = ("jpeg", "png", "webp", "tiff", "bmp", "gif", "avif")
# Container, video codec, sound codec.
VIDEOS = {
    "mp4": ("mp4", "libx264", "aac"),
    "mov": ("mov", "libx264", "aac"),
    "webm": ("webm", "libvpx-vp9", "libopus"),
    "mkv": ("matroska", "libx264", "aac"),
    "avi": ("avi", "mpeg4", "mp3"),
    "mpegts": ("mpegts", "libx264", "aac"),
}


@contextmanager
def memory_file(content: bytes) -> Iterator[int]:
    """A descriptor over `content` in anonymous memory, closed afterwards."""
    fd = os.memfd_create("media")
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def quarters(width: int = 64, height: int = 48) -> Pixels:
    """Red, green / blue, white quarters: every orientation of it looks different."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, : width // 2] = (255, 0, 0)
    picture[: height // 2, width // 2 :] = (0, 255, 0)
    picture[height // 2 :, : width // 2] = (0, 0, 255)
    picture[height // 2 :, width // 2 :] = (255, 255, 255)
    return picture


def corners(picture: Pixels) -> list[str]:
    """The colours of the four quarters of `picture` (top left, top right, bottom left, bottom right), as letters."""
    height, width = picture.shape[:2]
    names = {(1, 0, 0): "R", (0, 1, 0): "G", (0, 0, 1): "B", (1, 1, 1): "W", (0, 0, 0): "K"}
    found = []
    for y in (height // 4, height * 3 // 4):
        for x in (width // 4, width * 3 // 4):
            red, green, blue = (int(value > 128) for value in picture[y, x])
            found.append(names.get((red, green, blue), "?"))
    return found


def make_still(
    kind: str = "jpeg",
    picture: Pixels | Image.Image | None = None,
    *,
    orientation: int | None = None,
    more: Sequence[Pixels] = (),
    **options: Any,
) -> bytes:
    """A still of `picture` (RGB or a Pillow image), with an EXIF `orientation` and `more` frames or pages."""
    given = quarters() if picture is None else picture
    image = given if isinstance(given, Image.Image) else Image.fromarray(given)
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    if more:
        options |= {"save_all": True, "append_images": [Image.fromarray(extra) for extra in more]}
    if kind == "webp":
        options.setdefault("lossless", True)
    out = io.BytesIO()
    image.save(out, kind.upper(), **options)
    return out.getvalue()


def moving_picture(index: int, width: int, height: int) -> Pixels:
    """Quarters with a black bar that moves by a pixel each frame."""
    picture = quarters(width, height)
    at = index % max(1, width - 4)
    picture[height // 2 - 2 : height // 2 + 2, at : at + 4] = 0
    return picture


def make_video(
    kind: str = "mp4",
    *,
    size: tuple[int, int] = (96, 64),
    frames: int = 12,
    rate: int = 25,
    times_ms: Sequence[int] | None = None,
    rotation: int = 0,
    audio_s: float = 0.0,
    codec: str | None = None,
    faststart: bool = False,
    pictures: Sequence[Pixels] | None = None,
    video: bool = True,
    gop: int = 12,
    level: float = 0.5,
    fragmented: bool = False,
) -> bytes:
    """A video in memory.

    Args:
        kind: a key of `VIDEOS`.
        size: width and height in px, even.
        times_ms: the presentation time of each frame, for a variable frame rate; overrides `frames` and `rate`.
        rotation: clockwise degrees a player turns the picture by (a multiple of 90; MP4 and MOV only).
        audio_s: seconds of a 440 Hz tone of amplitude `level` in both channels; 0 for no sound track.
        codec: another encoder than the container's usual one.
        faststart: put the index of an MP4 or MOV before its content.
        pictures: the frames, instead of moving quarters.
        video: False leaves the video track out.
        gop: frames from one key frame to the next.
        fragmented: write an MP4 in fragments, as recorders and streams do.
    """
    container_name, video_codec, audio_codec = VIDEOS[kind]
    # The muxer moves the index by opening its file again, so that needs a name.
    place: Any = tempfile.NamedTemporaryFile(suffix=".mp4") if faststart else io.BytesIO()  # noqa: SIM115
    flags = "faststart" if faststart else "empty_moov+frag_keyframe" if fragmented else ""
    options = {"movflags": flags} if flags else {}
    target = place.name if faststart else place
    with av.open(target, "w", format=container_name, container_options=options) as container:
        stream = _add_video(container, codec or video_codec, size, rate, times_ms is not None, gop) if video else None
        sound = _add_audio(container, audio_codec) if audio_s else None
        container.start_encoding()
        if stream is not None:
            count = len(pictures) if pictures is not None else len(times_ms) if times_ms is not None else frames
            for index in range(count):
                picture = pictures[index] if pictures is not None else moving_picture(index, *size)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                frame.pts = times_ms[index] if times_ms is not None else index
                frame.time_base = Fraction(1, 1000) if times_ms is not None else Fraction(1, rate)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if sound is not None:
            _encode_tone(container, sound, audio_s, level)
    place.seek(0)
    content = place.read()
    place.close()
    return turned(content, rotation) if rotation else content


def turned(content: bytes, rotation: int) -> bytes:
    """`content` (MP4 or MOV) with the matrix of its first track set to `rotation` clockwise degrees."""
    a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[rotation]
    return with_matrix(content, (a, b, -b, a))


def with_matrix(content: bytes, matrix: tuple[int, int, int, int]) -> bytes:
    """`content` (MP4 or MOV) with (a, b, c, d) of its first track header's matrix (ISO/IEC 14496-12, 8.3.2)."""
    at = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(value * 65536).to_bytes(4, "big", signed=True) for value in matrix)
    rest = content[at + 20 : at + 36]
    return content[:at] + a + b + bytes(4) + c + d + rest + content[at + 36 :]


def _add_video(container: Any, codec: str, size: tuple[int, int], rate: int, variable: bool, gop: int) -> Any:
    stream = container.add_stream(codec, rate=1000 if variable else rate)
    stream.width, stream.height = size
    stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    stream.codec_context.gop_size = gop
    stream.codec_context.thread_count = 1
    if variable:
        stream.codec_context.time_base = Fraction(1, 1000)
    if codec == "libx264":
        stream.options = {"preset": "ultrafast", "crf": "18"}
    elif codec == "libvpx-vp9":
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
    return stream


def _add_audio(container: Any, codec: str) -> Any:
    return container.add_stream(codec, rate=48000, layout="stereo")


def _encode_tone(container: Any, stream: Any, seconds: float, level: float) -> None:
    count = int(seconds * 48000)
    tone = (level * np.sin(2 * np.pi * 440 * np.arange(count) / 48000)).astype(np.float32)
    resampler = av.AudioResampler(stream.codec_context.format, "stereo", 48000, stream.codec_context.frame_size or 1024)
    for start in range(0, count, 4800):
        block = np.repeat(tone[None, start : start + 4800], 2, 0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout="stereo")
        frame.sample_rate = 48000
        frame.pts = start
        frame.time_base = Fraction(1, 48000)
        for ready in resampler.resample(frame):
            container.mux(stream.encode(ready))
    for ready in resampler.resample(None):
        container.mux(stream.encode(ready))
    container.mux(stream.encode(None))
