"""A camera of this machine, through Video4Linux.

Belongs here: the few calls that streaming needs. Source: the kernel's userspace-api/media/v4l and include/uapi/linux/videodev2.h
(64-bit layouts, which x86_64 and aarch64 share).
"""

import fcntl
import mmap
import select
import struct
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
from av.video.frame import VideoFrame

from moretta.core.errors import CameraUnavailable
from moretta.vision.cameras.rtp import Encoded
from moretta.vision.cameras.shots import Decoded

_S_FMT, _REQBUFS, _QUERYBUF, _QBUF, _DQBUF, _STREAMON = (
    0xC0D05605,
    0xC0145608,
    0xC0585609,
    0xC058560F,
    0xC0585611,
    0x40045612,
)
_CAPTURE, _MMAP = 1, 1
_MJPEG, _YUYV = b"MJPG", b"YUYV"
_WIDTH, _HEIGHT = 640, 480
_BUFFERS = 4
_SILENCE_S = 10.0
_MOST_BYTES = 64 * 2**20


class Calls(Protocol):
    """ioctl(2), mmap(2) and poll(2) of one device; tests have another."""

    def ioctl(self, request: int, argument: bytearray) -> None:
        """Call, changing `argument` in place. Raises `OSError`."""

    def map(self, length: int, offset: int) -> "mmap.mmap | bytearray":
        """A buffer of the driver's."""

    def wait(self, timeout_s: float) -> bool:
        """Whether a picture has come."""


class DeviceCalls:
    """The real ones."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def ioctl(self, request: int, argument: bytearray) -> None:
        """As `Calls.ioctl`."""
        fcntl.ioctl(self._fd, request, argument, True)

    def map(self, length: int, offset: int) -> mmap.mmap:
        """As `Calls.map`."""
        return mmap.mmap(self._fd, length, offset=offset)

    def wait(self, timeout_s: float) -> bool:
        """As `Calls.wait`."""
        return bool(self._poll.poll(timeout_s * 1000))


class Device:
    """A capturing device. `jpeg` tells whether it gives JPEG pictures; otherwise they are YUYV.

    Raises:
        CameraUnavailable: it captures no video, or in no format that we read; also in every method.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        try:
            self.jpeg, self.width, self.height, self._stride = self._format()
            self._buffers = self._mapped()
            for index in range(len(self._buffers)):
                calls.ioctl(_QBUF, _buffer(index))
            calls.ioctl(_STREAMON, bytearray(struct.pack("=i", _CAPTURE)))
        except OSError as error:
            raise CameraUnavailable(f"the device captures no video that we read: {error.strerror}") from None

    def contents(self) -> Iterator[tuple[float, bytes]]:
        """Time in seconds and bytes of each picture as it comes."""
        while True:
            if not self._calls.wait(_SILENCE_S):
                raise CameraUnavailable(f"the device gave no picture for {_SILENCE_S:g} s")
            taken = _buffer(0)
            try:
                self._calls.ioctl(_DQBUF, taken)
                index, _, used = struct.unpack_from("=III", taken)
                content = bytes(memoryview(self._buffers[index])[:used])
                self._calls.ioctl(_QBUF, _buffer(index))
            except (OSError, IndexError):
                raise CameraUnavailable("the device gives no more pictures") from None
            yield time.monotonic(), content

    def encoded(self) -> Iterator[Encoded]:
        """The pictures of a device that gives JPEG."""
        return (Encoded(time_s, content) for time_s, content in self.contents())

    def decoded(self) -> Iterator[Decoded]:
        """The pictures of one that gives YUYV."""
        for time_s, content in self.contents():
            if len(content) < self._stride * self.height:
                continue
            rows = np.frombuffer(content, np.uint8, self._stride * self.height).reshape(self.height, self._stride)
            packed = np.ascontiguousarray(rows[:, : self.width * 2]).reshape(self.height, self.width, 2)
            yield Decoded(time_s, VideoFrame.from_ndarray(packed, format="yuyv422"))

    def _format(self) -> tuple[bool, int, int, int]:
        for wanted in (_MJPEG, _YUYV):
            asked = bytearray(208)
            struct.pack_into("=I4xII4s", asked, 0, _CAPTURE, _WIDTH, _HEIGHT, wanted)
            self._calls.ioctl(_S_FMT, asked)
            width, height, got, _, stride = struct.unpack_from("=II4sII", asked, 8)
            if got == wanted and 0 < width * height <= 36_000_000 and width % 2 == 0:
                return wanted == _MJPEG, width, height, max(stride, width * 2)
        raise OSError(0, "neither JPEG nor YUYV")

    def _mapped(self) -> list["mmap.mmap | bytearray"]:
        asked = bytearray(struct.pack("=IIIII", _BUFFERS, _CAPTURE, _MMAP, 0, 0))
        self._calls.ioctl(_REQBUFS, asked)
        (count,) = struct.unpack_from("=I", asked)
        found = []
        for index in range(min(count, _BUFFERS)):
            buffer = _buffer(index)
            self._calls.ioctl(_QUERYBUF, buffer)
            offset, length = struct.unpack_from("=I4xI", buffer, 64)
            if not 0 < length <= _MOST_BYTES:
                raise OSError(0, "buffers of no sensible size")
            found.append(self._calls.map(length, offset))
        if not found:
            raise OSError(0, "no buffers")
        return found


def _buffer(index: int) -> bytearray:
    """struct v4l2_buffer of that index: index, type, bytesused, flags, field, timestamp, timecode, sequence, memory (at 60),
    offset (64), length (72)."""
    made = bytearray(88)
    struct.pack_into("=II", made, 0, index, _CAPTURE)
    struct.pack_into("=I", made, 60, _MMAP)
    return made


def device(fd: int, calls_of: Callable[[int], Calls] = DeviceCalls) -> Device:
    """The device in `fd`, set up and capturing."""
    return Device(calls_of(fd))
