"""Still pictures through Pillow.

Belongs here: turning any supported still into one upright RGB frame.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms, ImageOps

from moretta.core.analysis import MediaInfo, Notice
from moretta.core.errors import (
    DimensionsTooLarge,
    MediaError,
    MediaTruncated,
    MediaUnreadable,
)
from moretta.core.limits import MediaLimits
from moretta.core.values import AudioBlock, Frame, MediaKind, Pixels
from moretta.vision.decode.ends import is_cut
from moretta.vision.decode.formats import Format
from moretta.vision.decode.options import DecodeOptions, check_pixels, scale_to
from moretta.vision.decode.source import DescriptorFile

_ORIENTATION = 0x0112
# EXIF orientation to the clockwise degrees that make the picture upright, after any mirroring (JEITA CP-3451, 4.6.4).
ROTATIONS = {1: 0, 2: 0, 3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}


class StillReader:
    """A still picture, decoded when it is opened. Implements `MediaReader`."""

    def __init__(self, file: DescriptorFile, found: Format, limits: MediaLimits, options: DecodeOptions) -> None:
        with file:
            picture, self._info, self._warnings = _read(file, found, limits)
        self._scale = scale_to(self._info.width, self._info.height, options.still_max_side)
        self._pixels: Pixels | None = scaled(picture, self._scale)

    @property
    def info(self) -> MediaInfo:
        """What the file says."""
        return self._info

    @property
    def frames_total(self) -> int | None:
        """Always one."""
        return 1

    @property
    def scale(self) -> float:
        """Pixels of the frame per pixel of the upright original."""
        return self._scale

    @property
    def warnings(self) -> Sequence[Notice]:
        """Such as further frames that are not looked at."""
        return self._warnings

    def frames(self) -> Iterator[Frame]:
        """The one frame, at time 0."""
        if self._pixels is not None:
            yield Frame(self._pixels, 0, 0)

    def audio(self) -> Iterator[AudioBlock]:
        """Nothing: a still has no sound."""
        return iter(())

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        self._pixels = None


def _read(
    file: DescriptorFile, found: Format, limits: MediaLimits
) -> tuple[Image.Image, MediaInfo, tuple[Notice, ...]]:
    with still_errors(file, found, limits):
        return _decode(file, found, limits)


@contextmanager
def still_errors(file: DescriptorFile, found: Format, limits: MediaLimits) -> Iterator[None]:
    """Turn whatever decoding a still raises into the `MediaError` that says what is wrong with it."""
    # Pillow's plugins answer hostile bytes with nearly every exception there is, so this border catches them all.
    try:
        yield
    except MediaError:
        raise
    except Image.DecompressionBombError as error:
        raise DimensionsTooLarge(
            f"expected at most {limits.pixels} pixels a picture, got far more; scale it down",
        ) from error
    except MemoryError as error:
        raise DimensionsTooLarge("expected a picture that fits into memory, got a larger one; scale it down") from error
    except Exception as error:
        name = found.value.upper()
        if is_cut(file, found) or isinstance(error, EOFError):
            raise MediaTruncated(f"expected a whole {name} picture, got one that ends early; send all of it") from error
        raise MediaUnreadable(
            f"expected a {name} picture, got one that cannot be decoded; export it again from its source",
        ) from error


def _decode(
    file: DescriptorFile, found: Format, limits: MediaLimits
) -> tuple[Image.Image, MediaInfo, tuple[Notice, ...]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Damaged metadata warns; whether the picture is good enough is ours to say.
        with Image.open(io.BufferedReader(DescriptorFile.of(file)), formats=[found.value.upper()]) as image:
            check_pixels(*image.size, limits)
            rotation = ROTATIONS.get(orientation_of(image), 0)
            more = found is not Format.JPEG and getattr(image, "is_animated", False)
            image.load()
            picture = as_rgb(ImageOps.exif_transpose(image))
    info = MediaInfo(
        kind=MediaKind.IMAGE,
        format=found.value,
        width=picture.width,
        height=picture.height,
        frames=1,
        duration_s=None,
        frame_rate=None,
        variable_frame_rate=False,
        rotation_deg=rotation,
        has_audio=False,
        bytes=file.size,
    )
    notice = Notice("media.first_frame_only", "The picture has several frames or pages; only the first was analysed.")
    return picture, info, (notice,) if more else ()


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of `image`, 1 where it says none."""
    value = image.getexif().get(_ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def as_rgb(image: Image.Image) -> Image.Image:
    """`image` as 8-bit RGB; what is transparent becomes white."""
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N", "I", "F"):
        return _from_deep_grey(image)
    if image.mode == "LAB":
        lab_to_rgb = ImageCms.buildTransform(
            ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
        )
        return ImageCms.applyTransform(image, lab_to_rgb) or image.convert("RGB")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, (255, 255, 255, 255))
        white.alpha_composite(over)
        return white.convert("RGB")
    return image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits: 16 bits keep their upper byte, other ranges are stretched to 0-255."""
    grey = np.nan_to_num(np.asarray(image).astype(np.float64))
    if image.mode.startswith("I") and grey.min() >= 0 and 255 < grey.max() <= 65535:
        grey = grey / 257
    elif grey.min() < 0 or grey.max() > 255 or grey.max() <= 1:
        grey = (grey - grey.min()) * (255 / max(float(grey.max() - grey.min()), 1e-12))
    return Image.fromarray(np.round(grey).astype(np.uint8)).convert("RGB")


def scaled(picture: Image.Image, scale: float) -> Pixels:
    """`picture` (RGB) scaled by `scale`, at most 1, as an array."""
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return np.array(picture)
