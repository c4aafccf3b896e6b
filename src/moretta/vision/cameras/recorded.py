"""A recording as if it were a camera.

Belongs here: reading a video file picture by picture. Does not belong here: its sound, which is never read; pacing.
"""

from collections.abc import Iterator

from moretta.core.errors import MediaUnsupported
from moretta.core.limits import MediaLimits
from moretta.vision.cameras.shots import Decoded
from moretta.vision.decode.container import Container
from moretta.vision.decode.formats import VIDEOS, sniff
from moretta.vision.decode.source import DescriptorFile

# Where a container tells no time, cameras' usual rate is as good a guess as any.
_GUESSED_RATE = 25.0


def recorded(fd: int, most_pixels: int) -> Iterator[Decoded]:
    """The pictures of the video in `fd`; ends where it ends or breaks. Whatever can be left out for speed is.

    Raises:
        MediaError: it is no video that we read.
    """
    file = DescriptorFile(fd)
    try:
        found = sniff(file)
        if found not in VIDEOS:
            raise MediaUnsupported("expected a video as a camera's recording, got a still; give a video")
    except BaseException:
        file.close()
        raise
    container = Container(file, found, MediaLimits(bytes=file.size, pixels=most_pixels))
    try:
        stream = container.video()
        # Pictures that no other needs (mostly B pictures) are not decoded: at 5 analysed of 25 a second few are missed.
        stream.codec_context.skip_frame = "NONREF"
        rate = float(stream.average_rate or _GUESSED_RATE)
        for index, frame in enumerate(container.pictures(stream, 1)):
            known = frame.pts is not None and stream.time_base is not None
            yield Decoded(float((frame.pts or 0) * (stream.time_base or 0)) if known else index / rate, frame)
    finally:
        container.close()
