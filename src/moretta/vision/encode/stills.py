"""Still pictures and animations written anew in their own format: upright, with nothing beside the pixels.

Belongs here: reading every frame of a picture, and writing them after an editor. Does not belong here: videos.

EXIF, XMP, comments, thumbnails, further pictures of a multi-picture file and the colour profile stay behind; colours are brought
to sRGB first, so that they look the same without a profile.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin

from moretta.core.analysis import MediaInfo, Notice
from moretta.core.errors import DimensionsTooLarge, MediaTooLarge
from moretta.core.limits import MediaLimits
from moretta.core.redaction import FrameEditor, Rewritten
from moretta.core.values import AudioBlock, Frame, MediaKind
from moretta.vision.decode.formats import VIDEOS, Format, sniff
from moretta.vision.decode.options import check_bytes, check_pixels, scale_to
from moretta.vision.decode.source import DescriptorFile
from moretta.vision.decode.stills import ROTATIONS, as_rgb, orientation_of, scaled, still_errors
from moretta.vision.encode.target import DescriptorTarget

# As for analysis: small faces in a group photo are not seen again.
_FINDING_SIDE = 4096
# All frames of an animation together may have this many times the pixels that one picture may have: they are held in memory.
_MOST_PICTURES = 4
# Where a format does not tell its quality: above it, further quality is not seen (WebP's and AVIF's own advice is 75 to 85).
_WEBP_QUALITY, _AVIF_QUALITY = 90, 85
_DEFAULT_FRAME_MS = 100
_ANIMATED = frozenset({Format.GIF, Format.PNG, Format.WEBP, Format.AVIF, Format.TIFF})
_TIFF_KEPT = frozenset({"raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg"})


class StillSequence:
    """A picture, or the frames of an animation or the pages of a document. Implements `MediaReader`."""

    def __init__(self, file: DescriptorFile, found: Format, limits: MediaLimits) -> None:
        self.found = found
        self._file, self._limits = file, limits
        self._notices: list[Notice] = []
        with self._opened() as image:
            self.count = getattr(image, "n_frames", 1) if found in _ANIMATED else 1
            self._check(image)
            rotation = ROTATIONS.get(orientation_of(image), 0)
            image.load()
            self.options = _saving(image, found, file)
            turned = rotation in (90, 270)
            width, height = (image.height, image.width) if turned else image.size
            self._rotation = rotation
        self._times_ms: list[int] = []
        self._size = width, height
        self._scale = scale_to(width, height, _FINDING_SIDE)

    @property
    def info(self) -> MediaInfo:
        """What the file says."""
        moving = self.count > 1
        duration_s = sum(self._times_ms) / 1000 if moving and self._times_ms else None
        kind = MediaKind.VIDEO if moving and self.found is not Format.TIFF else MediaKind.IMAGE
        return MediaInfo(
            kind, self.found.value, *self._size, self.count, duration_s, None, False, self._rotation, False,
            self._file.size,
        )  # fmt: skip

    @property
    def frames_total(self) -> int | None:
        """How many frames or pages."""
        return self.count

    @property
    def scale(self) -> float:
        """Pixels of a frame per pixel of the upright original."""
        return self._scale

    @property
    def warnings(self) -> Sequence[Notice]:
        """What went wrong without ending the work."""
        return tuple(self._notices)

    def frames(self) -> Iterator[Frame]:
        """Every frame or page, transparent parts on white; pages are a second apart."""
        time_ms = 0
        for index, (image, lasts_ms) in enumerate(self.pictures()):
            yield Frame(scaled(as_rgb(image), self._scale), index, time_ms * 1_000_000)
            time_ms += lasts_ms

    def pictures(self) -> Iterator[tuple[Image.Image, int]]:
        """Every frame upright at full size as RGB, RGBA or L in sRGB, and the milliseconds that it lasts."""
        self._times_ms = []
        with self._opened() as image:
            for index in range(self.count):
                image.seek(index)
                image.load()  # WebP tells a frame's length only then.
                lasts = int(image.info.get("duration") or _DEFAULT_FRAME_MS) if self.count > 1 else 0
                lasts = 1000 if self.found is Format.TIFF else lasts
                upright = ImageOps.exif_transpose(image) if index == 0 or self.found is Format.TIFF else image.copy()
                self._times_ms.append(lasts)
                yield _plain(upright), lasts

    def audio(self) -> Iterator[AudioBlock]:
        """Nothing: a still has no sound."""
        return iter(())

    def close(self) -> None:
        """Give the descriptor back. Idempotent."""
        self._file.close()

    @contextmanager
    def _opened(self) -> Iterator[Image.Image]:
        # Damaged metadata warns; whether the picture is good enough is ours to say.
        with still_errors(self._file, self.found, self._limits), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = io.BufferedReader(DescriptorFile.of(self._file))
            with Image.open(source, formats=[self.found.value.upper()]) as image:
                yield image

    def _check(self, image: Image.Image) -> None:
        check_pixels(*image.size, self._limits)
        if self.count > self._limits.frames:
            raise MediaTooLarge(f"expected at most {self._limits.frames} frames, got {self.count}; cut the animation")
        most = _MOST_PICTURES * self._limits.pixels
        if self.count > 1 and self.count * image.width * image.height > most:
            raise DimensionsTooLarge(
                f"expected an animation of at most {most} pixels in all frames together, got more; convert it to a video"
            )


def open_still(fd: int, limits: MediaLimits, span: tuple[int, int] | None = None) -> StillSequence | None:
    """The picture in the seekable descriptor `fd`; None where it holds a video. Raises `MediaError`."""
    file = DescriptorFile(fd) if span is None else DescriptorFile(fd, *span)
    try:
        check_bytes(file.size, limits)
        found = sniff(file)
        if found in VIDEOS:
            file.close()
            return None
        return StillSequence(file, found, limits)
    except BaseException:
        file.close()
        raise


def rewrite_still(still: StillSequence, target: DescriptorTarget, editor: FrameEditor, frames: int) -> Rewritten:
    """Write `still` into `target`, every frame after `editor`, and close it."""
    try:
        edited = [(_edited(image, editor, i), lasts) for i, (image, lasts) in enumerate(still.pictures()) if i < frames]
        first, more = edited[0][0], [image for image, _ in edited[1:]]
        options = dict(still.options)
        if more:
            options |= {"save_all": True, "append_images": more}
            if still.found is not Format.TIFF:
                options["duration"] = [lasts for _, lasts in edited]
        # Some formats' writers read back what they wrote, which the target cannot.
        made = io.BytesIO()
        first.save(made, still.found.value.upper(), **options)
        target.write(made.getbuffer())
        return Rewritten(still.info.format, target.size, len(edited), None, tuple(still.warnings))
    finally:
        still.close()


def _edited(image: Image.Image, editor: FrameEditor, index: int) -> Image.Image:
    if not editor.regions(index):
        return image
    pixels = np.array(as_rgb(image) if image.mode != "RGBA" else image.convert("RGB"))
    editor.edit(pixels, index)
    made = Image.fromarray(pixels)
    if image.mode == "L":
        return made.convert("L")
    if image.mode == "RGBA":
        made.putalpha(image.getchannel("A"))
    return made


def _plain(image: Image.Image) -> Image.Image:
    """`image` as RGB, RGBA or L in sRGB, with nothing attached."""
    profile = image.info.get("icc_profile")
    if image.mode in ("L", "1"):
        plain = image.convert("L")
    elif image.has_transparency_data:
        plain = image.convert("RGBA")
    else:
        plain = _in_srgb(image, profile) if profile else as_rgb(image)
    bare = Image.new(plain.mode, plain.size)
    bare.paste(plain)
    return bare


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return as_rgb(image)  # A damaged profile, or one for another kind of picture: browsers ignore it too.
    return made if made is not None else as_rgb(image)


def _saving(image: Image.Image, found: Format, file: DescriptorFile) -> dict[str, Any]:
    """Options with which the picture is about as good and as large as it was."""
    options: dict[str, Any] = {}
    if found is Format.JPEG:
        tables = getattr(image, "quantization", None)
        sampling = JpegImagePlugin.get_sampling(image)
        options = {"qtables": tables} if tables and image.mode in ("L", "RGB") else {"quality": 92}
        options |= {"subsampling": sampling if sampling >= 0 else 0, "progressive": "progressive" in image.info}
    elif found is Format.WEBP:
        lossless = b"VP8L" in file.at(0, 4096)
        options = {"lossless": True} if lossless else {"quality": _WEBP_QUALITY}
        options["loop"] = image.info.get("loop", 0)
    elif found is Format.AVIF:
        options = {"quality": _AVIF_QUALITY}
    elif found is Format.TIFF:
        compression = image.info.get("compression")
        options = {"compression": compression if compression in _TIFF_KEPT else "tiff_lzw"}
    elif found is Format.GIF:
        # Each frame whole: what an earlier one showed must not shine through.
        options = {"disposal": 2, "optimize": False}
        if "loop" in image.info:
            options["loop"] = image.info["loop"]
    elif found is Format.PNG and getattr(image, "is_animated", False):
        options = {"loop": image.info.get("loop", 0), "disposal": 0, "blend": 0}
    return options
