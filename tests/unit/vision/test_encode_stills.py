"""What a rewritten picture keeps, and what it does not."""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageSequence
from PIL.PngImagePlugin import PngInfo
from tests.media import STILLS, corners, make_still, make_video, memory_file, quarters

from moretta.core.errors import DimensionsTooLarge
from moretta.core.limits import MediaLimits
from moretta.core.redaction import FrameEditor, Rewritten, SoundTreatment
from moretta.core.values import Floats, Pixels
from moretta.vision.encode import DescriptorMedia
from moretta.vision.encode.stills import open_still

SECRET = b"marked-secret"


class Leave:
    """Changes nothing."""

    def regions(self, index: int) -> Sequence[Floats]:
        return ()

    def edit(self, pixels: Pixels, index: int) -> None:
        raise AssertionError("no region, no edit")


class Blacken:
    """Blackens the top left quarter of frame `only`."""

    def __init__(self, only: int = 0) -> None:
        self._only = only

    def regions(self, index: int) -> Sequence[Floats]:
        return (np.array([0, 0, 32, 24], np.float32),) if index == self._only else ()

    def edit(self, pixels: Pixels, index: int) -> None:
        pixels[: pixels.shape[0] // 2, : pixels.shape[1] // 2] = 0


@contextmanager
def rewritten(content: bytes, editor: FrameEditor | None = None) -> Iterator[tuple[bytes, Rewritten]]:
    output = os.memfd_create("output")
    try:
        os.ftruncate(output, 2**21)
        with memory_file(content) as media:
            item = DescriptorMedia(media, output, MediaLimits())
            told = item.rewrite(editor or Leave(), SoundTreatment.KEEP, 0, 1000)
        yield os.pread(output, told.bytes, 0), told
    finally:
        os.close(output)


def shown(content: bytes) -> Pixels:
    return np.array(Image.open(io.BytesIO(content)).convert("RGB"))


@pytest.mark.parametrize("kind", STILLS)
def test_the_format_stays_and_the_picture_is_edited(kind: str) -> None:
    with rewritten(make_still(kind), Blacken()) as (made, told):
        assert (told.container, told.frames, told.sound) == (kind, 1, None)
        assert Image.open(io.BytesIO(made)).format == kind.upper()
        assert corners(shown(made)) == ["K", "G", "B", "W"]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_out_upright_whatever_their_exif_said(orientation: int) -> None:
    upright = {1: "RGBW", 2: "GRWB", 3: "WBGR", 4: "BWRG", 5: "RBGW", 6: "BRWG", 7: "WGBR", 8: "GWRB"}
    with rewritten(make_still("jpeg", orientation=orientation, quality=95)) as (made, _):
        assert "".join(corners(shown(made))) == upright[orientation]
        assert dict(Image.open(io.BytesIO(made)).getexif()) == {}


def test_exif_with_places_comments_profiles_and_thumbnails_stay_behind() -> None:
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (48.0, 8.0, 0.0)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = make_still("jpeg", exif=exif, comment=SECRET, icc_profile=profile, xmp=SECRET)
    assert content.count(SECRET) >= 3
    with rewritten(content) as (made, _):
        assert SECRET not in made
        found = Image.open(io.BytesIO(made))
        assert set(found.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    text = PngInfo()
    text.add_text("Author", SECRET.decode())
    content = make_still("png", exif=exif, pnginfo=text)
    assert SECRET in content
    with rewritten(content) as (made, _):
        assert SECRET not in made
        assert Image.open(io.BytesIO(made)).info == {}


@pytest.mark.parametrize("kind", ["webp", "tiff", "avif"])
def test_other_formats_lose_their_exif_too(kind: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = SECRET.decode()
    content = make_still(kind, exif=exif)
    assert SECRET in content
    with rewritten(content) as (made, _):
        assert SECRET not in made


def test_the_other_pictures_of_a_multi_picture_file_stay_behind() -> None:
    out = io.BytesIO()
    other = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))
    Image.fromarray(quarters()).save(out, "MPO", save_all=True, append_images=[other])
    with rewritten(out.getvalue()) as (made, _):
        assert len(made) < len(out.getvalue()) / 4
        assert getattr(Image.open(io.BytesIO(made)), "n_frames", 1) == 1


def test_jpeg_keeps_its_tables_and_its_size() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    for quality in (40, 75, 95):
        content = make_still("jpeg", picture, quality=quality, subsampling=0)
        with rewritten(content) as (made, _):
            one, other = Image.open(io.BytesIO(content)), Image.open(io.BytesIO(made))
            assert one.quantization == other.quantization  # type: ignore[attr-defined]  # JPEG has them
            assert abs(len(made) / len(content) - 1) < 0.1


def test_transparency_and_grey_stay() -> None:
    clear = Image.fromarray(quarters()).convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 77))
    for kind in ("png", "webp"):
        with rewritten(make_still(kind, clear), Blacken()) as (made, _):
            found = Image.open(io.BytesIO(made))
            assert found.mode == "RGBA"
            assert found.getchannel("A").getextrema() == (77, 77)
    with rewritten(make_still("png", Image.new("L", (64, 48), 120)), Blacken()) as (made, _):
        found = Image.open(io.BytesIO(made))
        assert (found.mode, found.getpixel((2, 2)), found.getpixel((60, 40))) == ("L", 0, 120)


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_every_frame_of_an_animation_is_written_and_edited_on_its_own(kind: str) -> None:
    others = [np.roll(quarters(), 8 * step, axis=1) for step in (1, 2)]
    content = make_still(kind, more=others, duration=[50, 120, 300], loop=2)
    with rewritten(content, Blacken(only=2)) as (made, told):
        assert told.frames == 3
        one, other = (Image.open(io.BytesIO(each)) for each in (content, made))
        assert other.n_frames == 3  # type: ignore[attr-defined]  # animations have it
        assert one.info.get("loop") == other.info.get("loop")
        assert _lengths_ms(one) == _lengths_ms(other) == [50, 120, 300]
        frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(other)]
        assert [corners(frame)[0] for frame in frames] == ["R", "R", "K"]


def _lengths_ms(image: Image.Image) -> list[int]:
    lengths = []
    for frame in ImageSequence.Iterator(image):
        frame.load()
        lengths.append(int(frame.info["duration"]))
    return lengths


def test_every_page_of_a_document_is_written() -> None:
    with rewritten(make_still("tiff", more=[quarters()[::-1], quarters()]), Blacken(only=1)) as (made, told):
        assert told.frames == 3
        pages = [np.array(page.convert("RGB")) for page in ImageSequence.Iterator(Image.open(io.BytesIO(made)))]
        assert [corners(page)[0] for page in pages] == ["R", "K", "R"]


def test_an_animation_of_too_many_pixels_is_refused() -> None:
    content = make_still("gif", more=[np.roll(quarters(), step, axis=1) for step in range(1, 8)])
    with memory_file(content) as media, pytest.raises(DimensionsTooLarge):
        open_still(media, MediaLimits(pixels=64 * 48))


def test_a_video_is_no_still() -> None:
    with memory_file(make_video("mp4", frames=2)) as media:
        assert open_still(media, MediaLimits()) is None
