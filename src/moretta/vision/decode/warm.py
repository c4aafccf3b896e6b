"""Loading all that decoding ever needs, before the sandbox closes.

Belongs here: decoding one tiny sample of each format. Does not belong here: any sample from a file.
"""

import io
import os
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from moretta.core.limits import MediaLimits
from moretta.vision.decode.formats import VIDEOS, Format, sniff
from moretta.vision.decode.options import DecodeOptions
from moretta.vision.decode.source import DescriptorFile
from moretta.vision.decode.stills import StillReader
from moretta.vision.decode.videos import VideoReader

_SIDE = 32


def warm_up() -> None:
    """Decode a sample of every format, made in memory, so that no later decoding opens a file or loads code."""
    for found in Format:
        if found not in VIDEOS:
            _decode(still_sample(found))
    _decode(_multi_picture())
    _decode(video_sample())


def _decode(content: bytes) -> None:
    fd = os.memfd_create("warm-up")
    try:
        os.write(fd, content)
        file = DescriptorFile(fd)
        found = sniff(file)
        limits, options = MediaLimits(), DecodeOptions(still_max_side=_SIDE // 2)
        reader = (VideoReader if found in VIDEOS else StillReader)(file, found, limits, options)
        for _ in reader.frames():
            pass
        for _ in reader.audio():
            pass
        reader.close()
    finally:
        os.close(fd)


def still_sample(found: Format) -> bytes:
    """A small still of that format with an orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGBA" if found in (Format.PNG, Format.WEBP) else "RGB", (_SIDE, _SIDE)).save(
        out, found.value.upper(), exif=exif
    )
    return out.getvalue()


def _multi_picture() -> bytes:
    """JPEG with further pictures inside, as phones write it; Pillow reads it through another plugin."""
    out = io.BytesIO()
    pictures = [Image.new("RGB", (_SIDE, _SIDE)) for _ in range(2)]
    pictures[0].save(out, "MPO", save_all=True, append_images=pictures[1:])
    return out.getvalue()


def video_sample() -> bytes:
    """A small MOV with sound."""
    out = io.BytesIO()
    with av.open(out, "w", format="mov") as container:
        pictures = container.add_stream("mpeg4", rate=25)
        pictures.width = pictures.height = _SIDE
        pictures.pix_fmt = "yuv420p"
        sound = container.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for index in range(2):
            picture = av.VideoFrame.from_ndarray(np.zeros((_SIDE, _SIDE, 3), np.uint8), format="rgb24")
            picture.pts = index
            picture.time_base = Fraction(1, 25)
            container.mux(pictures.encode(picture))
        container.mux(pictures.encode(None))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 3840), np.int16), format="s16", layout="stereo")
        silence.sample_rate = 48000
        silence.pts = 0
        container.mux(sound.encode(silence))
        container.mux(sound.encode(None))
    return out.getvalue()
