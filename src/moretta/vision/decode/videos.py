"""Videos through PyAV: upright frames in presentation order, and the sound beside them.

Belongs here: the video `MediaReader`. Does not belong here: how a container is fenced in (see `container`).
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from moretta.core.analysis import MediaInfo, Notice
from moretta.core.errors import MediaError, MediaTooLarge
from moretta.core.limits import MediaLimits
from moretta.core.values import AudioBlock, Frame, MediaKind, Pixels
from moretta.vision.decode.announced import announced_sizes
from moretta.vision.decode.clock import FrameClock
from moretta.vision.decode.container import Container, unreadable, without_frames
from moretta.vision.decode.formats import Format, public_name
from moretta.vision.decode.options import DecodeOptions, check_pixels, scale_to
from moretta.vision.decode.orientation import Turn, turn_of
from moretta.vision.decode.sound import blocks
from moretta.vision.decode.source import DescriptorFile

# A mean and a highest rate that differ by more than this share are announced by containers of variable frame rate.
_RATE_TOLERANCE = 0.02


class VideoReader:
    """A video. Opening it decodes the first frame, so that what cannot be read fails early. Implements `MediaReader`.

    `frames()` can be gone through once. `audio()` opens its own container and may run in another thread. Close the reader
    when both have ended.
    """

    def __init__(self, file: DescriptorFile, found: Format, limits: MediaLimits, options: DecodeOptions) -> None:
        for size in announced_sizes(file, found):
            check_pixels(*size, limits)
        self._second = DescriptorFile.of(file)
        self._found, self._limits, self._options = found, limits, options
        self._notices: list[Notice] = []
        self._stopped = False
        self._closed = threading.Event()
        self._lock = threading.Lock()
        try:
            self._container = Container(file, found, limits)
        except BaseException:
            self._second.close()
            raise
        try:
            self._open(public_name(file, found))
        except BaseException:
            self.close()
            raise

    def _open(self, name: str) -> None:
        stream = self._container.video()
        context = stream.codec_context
        check_pixels(context.width, context.height, self._limits)
        rate = stream.average_rate or stream.guessed_rate
        duration_s = _announced_duration_s(stream, self._container)
        self._frames_total = _announced_frames(stream, duration_s, rate)
        self._check_announced(stream.frames, duration_s)
        self._pictures = self._container.pictures(stream, self._options.threads)
        first = self._next_picture()
        if first is None:
            raise self._nothing_decoded()
        check_pixels(first.width, first.height, self._limits)
        self._first: VideoFrame | None = first
        self._clock = FrameClock(stream.time_base or Fraction(1, 1000), rate)
        self._origin_s = float((first.pts or 0) * (stream.time_base or 0))
        self._turn = turn_of(first)
        self._decoded_size = first.width, first.height
        width, height = self._turn.size(first.width, first.height)
        self._scale = scale_to(width, height, self._options.video_max_side)
        self._info = MediaInfo(
            kind=MediaKind.VIDEO,
            format=name,
            width=width,
            height=height,
            frames=self._frames_total or 0,
            duration_s=duration_s,
            frame_rate=float(rate) if rate else None,
            variable_frame_rate=_announced_variable(stream),
            rotation_deg=self._turn.rotation_deg,
            has_audio=self._container.audio() is not None,
            bytes=self._container.size,
        )

    @property
    def info(self) -> MediaInfo:
        """What the container says; what was decoded once `frames()` has ended."""
        return self._info

    @property
    def frames_total(self) -> int | None:
        """Announced, or its duration times its rate; None where the container tells neither."""
        return self._frames_total

    @property
    def scale(self) -> float:
        """Pixels of a frame per pixel of the upright original."""
        return self._scale

    @property
    def warnings(self) -> Sequence[Notice]:
        """What went wrong so far without ending the analysis."""
        return tuple(self._notices)

    @property
    def turn(self) -> Turn:
        """What makes the decoded pictures upright."""
        return self._turn

    @property
    def decoded_size(self) -> tuple[int, int]:
        """Width and height of the first picture as it was decoded, before the turn."""
        return self._decoded_size

    @property
    def container(self) -> Container:
        """What the pictures come from."""
        return self._container

    @property
    def origin_s(self) -> float:
        """When the first picture is shown, in the container's own time."""
        return self._origin_s

    def another_container(self) -> Container:
        """The same file opened once more, for what is read beside the pictures; the caller closes it."""
        return Container(DescriptorFile.of(self._second), self._found, self._limits)

    def frames(self) -> Iterator[Frame]:
        """Decode, once. Ends early at a limit or where the video breaks, and then adds to `warnings`."""
        reformatter = VideoReformatter()
        for picture, index, time_ns in self.pictures():
            yield Frame(self._turn.apply(self._convert(reformatter, picture)), index, time_ns)

    def pictures(self) -> Iterator[tuple[VideoFrame, int, int]]:
        """As `frames`, but each as it was decoded, with its index and its time in ns since the first."""
        index = 0
        picture, self._first = self._first, None
        while picture is not None and not self._closed.is_set():
            time_ns = self._clock.tick(picture.pts)
            if self._over_limit(index, time_ns / 1e9):
                break
            yield picture, index, time_ns
            index += 1
            picture = self._next_picture()
        if index:
            self._finish(index)

    def audio(self) -> Iterator[AudioBlock]:
        """Mono 16 kHz blocks of at most a second, on the frames' time line; from a container of their own."""
        if not self._info.has_audio or self._closed.is_set():
            return
        container = self.another_container()
        try:
            for block in blocks(container, self._origin_s, self._limits.duration_s):
                if self._closed.is_set():
                    return
                yield block
            if container.skipped:
                self._notices.append(_skipped_notice("sound", container.skipped))
        finally:
            container.close()

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        self._closed.set()
        with self._lock:  # A picture that is being decoded in another thread is waited for.
            self._first = None
            self._container.close()
            self._second.close()

    def _next_picture(self) -> VideoFrame | None:
        """The next picture that is whole; None at the end, or once closed."""
        with self._lock:
            if self._closed.is_set():
                return None
            for picture in self._pictures:
                if not picture.is_corrupt:
                    return picture
                self._container.skipped += 1
        return None

    def _convert(self, reformatter: VideoReformatter, picture: VideoFrame) -> Pixels:
        size = picture.width, picture.height
        if size != self._decoded_size and not any(n.code == "media.size_changed" for n in self._notices):
            detail = "The picture's size changes within the video; later frames were scaled to the first one's size."
            self._notices.append(Notice("media.size_changed", detail))
        width, height = (max(1, round(side * self._scale)) for side in self._decoded_size)
        converted = reformatter.reformat(
            picture, width, height, format="rgb24", interpolation=Interpolation.AREA, threads=self._options.threads
        )
        return np.asarray(converted.to_ndarray(), np.uint8)

    def _over_limit(self, index: int, time_s: float) -> bool:
        if index < self._limits.frames and time_s <= self._limits.duration_s:
            return False
        limit = (
            f"{self._limits.frames} frames (setting max_frames)"
            if index >= self._limits.frames
            else f"{self._limits.duration_s:g} s (setting max_duration_s)"
        )
        detail = f"The video goes on beyond the limit of {limit}; what lies behind it was not analysed."
        self._notices.append(Notice("media.limit_reached", detail))
        self._stopped = True
        return True

    def _finish(self, frames: int) -> None:
        """Replace what the container announced by what was decoded, and tell what was lost."""
        announced_s = self._info.duration_s
        clock = self._clock
        self._info = replace(
            self._info,
            frames=frames,
            duration_s=clock.duration_s,
            frame_rate=clock.rate or self._info.frame_rate,
            variable_frame_rate=clock.variable,
        )
        if self._container.skipped:
            self._notices.append(_skipped_notice("pictures", self._container.skipped))
        if not (self._stopped or self._closed.is_set()) and (self._container.broken or self._container.cut):
            of = f" of the announced {announced_s:.2f} s" if announced_s else ""
            detail = f"The video breaks off: {frames} frames, {clock.duration_s:.2f} s{of}, could be decoded."
            self._notices.append(Notice("media.broken", detail))

    def _nothing_decoded(self) -> MediaError:
        container = self._container
        if container.cut:
            return unreadable(self._found, cut=True)
        if container.skipped or container.broken:
            return unreadable(self._found, cut=self._found is Format.MPEGTS)
        return without_frames()

    def _check_announced(self, frames: int, duration_s: float | None) -> None:
        if duration_s is not None and duration_s > self._limits.duration_s:
            raise MediaTooLarge(
                f"expected at most {self._limits.duration_s:g} s of video, got {duration_s:.1f} s; "
                "cut it, or raise the setting max_duration_s",
            )
        if frames > self._limits.frames:
            raise MediaTooLarge(
                f"expected at most {self._limits.frames} frames, got {frames}; cut it, or raise the setting max_frames",
            )


def _announced_duration_s(stream: VideoStream, container: Container) -> float | None:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration_s


def _announced_frames(stream: VideoStream, duration_s: float | None, rate: Fraction | None) -> int | None:
    if stream.frames:
        return stream.frames
    return max(1, round(duration_s * rate)) if duration_s and rate else None


def _announced_variable(stream: VideoStream) -> bool:
    mean, highest = stream.average_rate, stream.base_rate
    return bool(mean and highest and abs(mean - highest) > _RATE_TOLERANCE * highest)


def _skipped_notice(what: str, count: int) -> Notice:
    return Notice(
        "media.frames_skipped", f"{count} damaged packets of the {what} could not be decoded; they were skipped."
    )
