"""From encoded pictures of a stream to decoded ones.

Belongs here: one decoder, and patience with what it cannot read. Does not belong here: where encoded pictures come from.
"""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from moretta.core.errors import CameraUnavailable
from moretta.vision.cameras.rtp import Encoded
from moretta.vision.cameras.sdp import Codec
from moretta.vision.cameras.shots import Chooser, Decoded

_CLOCK_HZ = 90_000
# Twenty seconds of a camera's usual rate without a single picture.
_PATIENCE = 500


def decoded(
    pictures: Iterator[Encoded], codec: Codec, parameter_sets: tuple[bytes, ...], most_pixels: int, rate: float
) -> Iterator[Decoded]:
    """The pictures that can be decoded. `rate`: of JPEG, where each stands for itself, only so many a second are.

    Raises:
        CameraUnavailable: too many in a row that cannot.
    """
    context = _decoder(codec, parameter_sets, most_pixels)
    chooser = Chooser(rate)
    failures = 0
    for one in pictures:
        if codec is Codec.JPEG and not chooser.wants(one.time_s):
            continue
        found = _decoded(context, one)
        failures = 0 if found else failures + 1
        if failures > _PATIENCE:
            raise CameraUnavailable("the camera sends something that is no picture")
        yield from found


def _decoder(codec: Codec, parameter_sets: tuple[bytes, ...], most_pixels: int) -> VideoCodecContext:
    context = av.CodecContext.create(codec.value, "r")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - those of `Codec` all are
    context.thread_count = 1
    # Padded rows count, too; the exact check is made of what comes out.
    context.options = {"max_pixels": str(2 * most_pixels + 2**20)}
    context.flags |= Flags.low_delay
    if parameter_sets:
        context.extradata = b"".join(b"\0\0\0\1" + one for one in parameter_sets)
    return context


def _decoded(context: VideoCodecContext, one: Encoded) -> list[Decoded]:
    packet = av.Packet(one.data)
    packet.pts = packet.dts = round(one.time_s * _CLOCK_HZ)
    packet.time_base = Fraction(1, _CLOCK_HZ)
    try:
        frames = context.decode(packet)
    except (av.error.FFmpegError, ValueError, MemoryError):
        return []
    return [
        Decoded((frame.pts if frame.pts is not None else packet.pts or 0) / _CLOCK_HZ, frame)
        for frame in frames
        if isinstance(frame, VideoFrame)
    ]
