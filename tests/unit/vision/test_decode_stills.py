"""Stills: every format, mode and orientation becomes one upright RGB frame, or its own clear error."""

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.media import STILLS, corners, make_still, memory_file, quarters

from moretta.core.analysis import MediaInfo
from moretta.core.errors import (
    DimensionsTooLarge,
    MediaEmpty,
    MediaError,
    MediaTooLarge,
    MediaTruncated,
    MediaUnreadable,
    MediaUnsupported,
    MediaWithoutVideo,
)
from moretta.core.limits import MediaLimits
from moretta.core.ports import MediaReader
from moretta.core.values import MediaKind, Pixels
from moretta.vision.decode import DecodeOptions, open_media


@contextmanager
def opened(
    content: bytes, limits: MediaLimits | None = None, options: DecodeOptions | None = None
) -> Iterator[MediaReader]:
    with memory_file(content) as fd:
        reader = open_media(fd, limits or MediaLimits(), options)
    try:
        yield reader
    finally:
        reader.close()


def decoded(content: bytes) -> tuple[Pixels, MediaInfo]:
    with opened(content) as reader:
        (frame,) = reader.frames()
        return frame.pixels, reader.info


@pytest.mark.parametrize("kind", STILLS)
def test_each_format_becomes_one_frame(kind: str) -> None:
    content = make_still(kind)
    with opened(content) as reader:
        (frame,) = reader.frames()
        assert reader.info == MediaInfo(MediaKind.IMAGE, kind, 64, 48, 1, None, None, False, 0, False, len(content))
        assert (reader.frames_total, reader.scale, list(reader.warnings), list(reader.audio())) == (1, 1.0, [], [])
    assert (frame.index, frame.time_ns, frame.pixels.shape) == (0, 0, (48, 64, 3))
    assert corners(frame.pixels) == ["R", "G", "B", "W"]


@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "bmp"])
def test_lossless_formats_keep_every_pixel(kind: str) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(make_still(kind, picture))[0], picture)


# What each EXIF orientation says about where the stored first row and column lie (JEITA CP-3451, 4.6.4).
UPRIGHT = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("kind", ["png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_exactly(kind: str, orientation: int) -> None:
    picture = np.random.default_rng(2).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    pixels, info = decoded(make_still(kind, picture, orientation=orientation))
    expected = UPRIGHT[orientation](picture)
    np.testing.assert_array_equal(pixels, expected)
    assert (info.height, info.width) == expected.shape[:2]
    assert info.rotation_deg == {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}.get(orientation, 0)


@pytest.mark.parametrize("kind", ["jpeg", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_turns_lossy_formats_too(kind: str, orientation: int) -> None:
    pixels, _ = decoded(make_still(kind, orientation=orientation))
    assert corners(pixels) == corners(np.ascontiguousarray(UPRIGHT[orientation](quarters())))
    assert pixels.shape[:2] == UPRIGHT[orientation](quarters()).shape[:2]


def test_damaged_exif_leaves_the_picture_as_it_is() -> None:
    pixels, info = decoded(make_still("jpeg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(20)))
    assert corners(pixels) == ["R", "G", "B", "W"]
    assert info.rotation_deg == 0


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "I;16", "I", "F", "RGBA", "LA"])
def test_every_mode_becomes_rgb_of_the_same_brightness(mode: str) -> None:
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    grey = Image.fromarray(ramp)
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    elif mode in ("I", "F"):
        image = Image.fromarray(ramp.astype(np.int32 if mode == "I" else np.float32))
    elif mode == "LAB":
        image = Image.merge("LAB", (grey, Image.new("L", grey.size, 128), Image.new("L", grey.size, 128)))
    else:
        image = grey.convert(mode) if mode in ("1", "L", "P", "LA") else grey.convert("RGB").convert(mode)
    kind = "png" if mode in ("1", "L", "P", "LA", "RGBA") else "tiff"
    pixels, _ = decoded(make_still(kind, image))
    assert pixels.shape == (48, 64, 3)
    columns = pixels.astype(float).mean((0, 2))
    # Dithering (1) and a perceptual lightness (LAB) bend the ramp; its ends and its order hold for all.
    np.testing.assert_allclose(columns, ramp[0], atol=60 if mode in ("1", "LAB") else 3)
    assert columns[:4].mean() < 25
    assert columns[-4:].mean() > 230


@pytest.mark.parametrize("kind", ["png", "webp", "tiff", "avif", "gif"])
def test_transparent_becomes_white_and_half_transparent_half_white(kind: str) -> None:
    rgba = np.zeros((16, 32, 4), np.uint8)
    rgba[:, 16:, 3] = 0 if kind == "gif" else 128
    rgba[:, :16, 3] = 255
    pixels, _ = decoded(make_still(kind, Image.fromarray(rgba)))
    np.testing.assert_allclose(pixels[:, 2:12], 0, atol=2)
    np.testing.assert_allclose(pixels[:, 20:30], 255 if kind == "gif" else 127, atol=2)


def test_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 4, 8))
    pixels, _ = decoded(make_still("png", image, transparency=0))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 7].tolist() == [0, 0, 255]


def test_sixteen_bit_colour_keeps_its_upper_byte() -> None:
    value = 0xAB80
    rows = b"".join(b"\0" + struct.pack(">H", value) * 3 * 4 for _ in range(4))
    content = _png(4, 4, depth=16, data=zlib.compress(rows))
    assert set(decoded(content)[0].ravel().tolist()) == {0xAB}


@pytest.mark.parametrize("kind", ["gif", "webp", "png", "tiff", "avif"])
def test_of_several_frames_the_first_is_analysed_and_the_rest_is_told(kind: str) -> None:
    content = make_still(kind, more=[np.zeros((48, 64, 3), np.uint8)] * 2)
    with opened(content) as reader:
        (frame,) = reader.frames()
        assert [notice.code for notice in reader.warnings] == ["media.first_frame_only"]
    assert corners(frame.pixels) == ["R", "G", "B", "W"]


def test_a_phones_jpeg_with_pictures_inside_is_a_plain_jpeg() -> None:
    with opened(make_still("mpo", more=[quarters()])) as reader:
        assert reader.info.format == "jpeg"
        assert not reader.warnings
        assert corners(next(reader.frames()).pixels) == ["R", "G", "B", "W"]


def test_a_large_picture_is_scaled_down_and_says_by_how_much() -> None:
    with opened(make_still("png", quarters(400, 200)), options=DecodeOptions(still_max_side=100)) as reader:
        (frame,) = reader.frames()
        assert (reader.info.width, reader.info.height, reader.scale) == (400, 200, 0.25)
    assert frame.pixels.shape == (50, 100, 3)
    assert corners(frame.pixels) == ["R", "G", "B", "W"]


def test_the_descriptor_stays_the_callers_and_keeps_its_offset() -> None:
    with memory_file(make_still("png")) as fd:
        os.lseek(fd, 7, os.SEEK_SET)
        before = len(list(Path("/proc/self/fd").iterdir()))
        reader = open_media(fd, MediaLimits())
        list(reader.frames())
        reader.close()
        reader.close()
        assert os.lseek(fd, 0, os.SEEK_CUR) == 7
        assert len(list(Path("/proc/self/fd").iterdir())) == before


def _png(width: int, height: int, *, depth: int = 8, data: bytes = b"", end: bool = True) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data or zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunks + (chunk(b"IEND", b"") if end else b"")


def bmp_header(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def error_of(content: bytes, limits: MediaLimits | None = None) -> MediaError:
    with pytest.raises(MediaError) as caught, opened(content, limits) as reader:
        list(reader.frames())
    return caught.value


def test_no_bytes_are_empty_media() -> None:
    assert type(error_of(b"")) is MediaEmpty


@pytest.mark.parametrize(
    "content",
    [
        b"Just a letter.\n" * 50,
        b"BMW is no bitmap, whatever its first letters say. " * 4,
        b"GGGG is no transport stream",
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
        b'<?xml version="1.0"?><MPD><Period/></MPD>',
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"8BPS\0\1" + bytes(40),
        b"%PDF-1.7\n",
        b"PK\3\4" + bytes(60),
        b"\0" * 5000,
        bytes(range(256)) * 20,
    ],
)
def test_anything_but_pictures_and_videos_is_unsupported_whatever_its_name(content: bytes) -> None:
    error = error_of(content)
    assert type(error) is MediaUnsupported
    assert "JPEG" in error.detail


def test_heic_is_unsupported_and_the_message_helps() -> None:
    error = error_of(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    assert type(error) is MediaUnsupported
    assert "HEIC" in error.detail


@pytest.mark.parametrize(
    "head",
    [
        b"ID3\4\0\0\0\0\0\0",
        b"\xff\xfb\x90\x64",
        b"RIFF\0\1\0\0WAVEfmt ",
        b"fLaC\0\0\0\x22",
        b"OggS\0\2",
        b"\xff\xf1\x50\x80",
    ],
)
def test_sound_files_hold_no_pictures(head: bytes) -> None:
    assert type(error_of(head + bytes(500))) is MediaWithoutVideo


@pytest.mark.parametrize("kind", STILLS)
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_still_that_is_cut_off_is_truncated(kind: str, share: float) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = make_still(kind, noise)
    assert type(error_of(content[: int(len(content) * share)])) is MediaTruncated


def test_the_first_bytes_of_a_header_are_truncated_media() -> None:
    assert type(error_of(b"\x89PNG")) is MediaTruncated


@pytest.mark.parametrize("kind", ["png", "webp", "avif"])
def test_a_still_with_broken_content_is_unreadable(kind: str) -> None:
    content = bytearray(make_still(kind, np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)))
    start = content.index(b"mdat") + 4 if kind == "avif" else 40
    content[start : start + 400] = bytes(byte ^ 0xA5 for byte in content[start : start + 400])
    assert type(error_of(bytes(content))) is MediaUnreadable


@pytest.mark.parametrize("content", [_png(60_000, 60_000), _png(60_000, 60_000, end=False), bmp_header(60_000, 60_000)])
def test_a_header_that_claims_huge_dimensions_is_refused_before_anything_is_allocated(content: bytes) -> None:
    import tracemalloc

    tracemalloc.start()
    error = error_of(content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert type(error) is DimensionsTooLarge
    assert peak < 10_000_000


def test_the_pixel_limit_is_named_with_its_setting() -> None:
    error = error_of(make_still("png"), MediaLimits(pixels=64 * 48 - 1))
    assert type(error) is DimensionsTooLarge
    assert "64 x 48" in error.detail
    assert "max_pixels" in error.detail
    with opened(make_still("png"), MediaLimits(pixels=64 * 48)) as reader:
        assert len(list(reader.frames())) == 1


def test_a_picture_between_pillows_warning_and_its_limit_obeys_only_ours() -> None:
    out = io.BytesIO()
    Image.new("1", (10_000, 9_500)).save(out, "PNG")
    error = error_of(out.getvalue())
    assert type(error) is DimensionsTooLarge
    assert "max_pixels" in error.detail


def test_the_byte_limit_is_named_with_its_setting() -> None:
    content = make_still("png")
    error = error_of(content, MediaLimits(bytes=len(content) - 1))
    assert type(error) is MediaTooLarge
    assert str(len(content)) in error.detail
    assert "max_bytes" in error.detail
