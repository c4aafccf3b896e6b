"""Loading all that encoding ever needs, before the sandbox closes.

Belongs here: writing one tiny sample with each encoder and each still format, and one whole rewriting of a clip with sound.
Does not belong here: any sample from a file.
"""

import io
import os
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from PIL import Image

from moretta.core.limits import MediaLimits
from moretta.core.redaction import SoundTreatment
from moretta.core.values import Floats, Pixels
from moretta.vision.decode.formats import VIDEOS, Format
from moretta.vision.decode.warm import still_sample, video_sample
from moretta.vision.encode.encoders import tried_encoders

# SVT-AV1 takes no picture under 64 px.
_SIDE = 64


class _Everything:
    """A `FrameEditor` that turns every picture grey."""

    def regions(self, index: int) -> Sequence[Floats]:
        return [np.array([0, 0, _SIDE, _SIDE], np.float32)]

    def edit(self, pixels: Pixels, index: int) -> None:
        pixels[:] = 128


def warm_up() -> None:
    """Write samples with every encoder, and rewrite a clip and a still of each format as a redaction would."""
    from moretta.vision.encode import DescriptorMedia

    for encoder, pix_fmt, options in tried_encoders():
        _encode(encoder, pix_fmt, options)
    samples = [still_sample(found) for found in Format if found not in VIDEOS]
    for content in (*samples, _animation(), video_sample()):
        media, output = os.memfd_create("warm-up"), os.memfd_create("warm-up")
        try:
            os.write(media, content)
            os.ftruncate(output, 2**20)
            item = DescriptorMedia(media, output, MediaLimits())
            item.rewrite(_Everything(), SoundTreatment.CHANGE, 0, 2)
            reader = item.written()
            for _ in reader.frames():
                pass
            reader.close()
        finally:
            os.close(media)
            os.close(output)


def _encode(encoder: str, pix_fmt: str, options: dict[str, str]) -> None:
    context = av.CodecContext.create(encoder, "w")
    if not isinstance(context, VideoCodecContext):
        raise TypeError("expected a video encoder")
    context.width = context.height = _SIDE
    context.pix_fmt, context.time_base, context.framerate = pix_fmt, Fraction(1, 25), Fraction(25)
    context.options = options
    context.thread_count = 2
    for index in range(2):
        picture = av.VideoFrame.from_ndarray(np.full((_SIDE, _SIDE, 3), index, np.uint8), format="rgb24")
        picture.pts, picture.time_base = index, Fraction(1, 25)
        context.encode(picture.reformat(format=pix_fmt))
    context.encode(None)


def _animation() -> bytes:
    out = io.BytesIO()
    pictures = [Image.new("RGB", (_SIDE, _SIDE), colour) for colour in ("red", "blue")]
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:])
    return out.getvalue()
