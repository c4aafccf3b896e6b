"""One of several items in a descriptor is decoded as if it were alone."""

import io
import os

import numpy as np
import pytest
from PIL import Image
from tests.media import memory_file

from moretta.core.errors import MediaEmpty, MediaTruncated
from moretta.core.limits import MediaLimits
from moretta.vision.decode import open_media
from moretta.vision.decode.source import DescriptorFile


def _png(shade: int, side: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (shade, shade, shade)).save(out, "PNG")
    return out.getvalue()


def _pixels(media_fd: int, span: tuple[int, int] | None = None) -> np.ndarray:
    reader = open_media(media_fd, MediaLimits(), span=span)
    (frame,) = reader.frames()
    reader.close()
    return frame.pixels


def test_two_pictures_in_one_descriptor_are_read_apart() -> None:
    first, second = _png(10, 8), _png(200, 12)
    with memory_file(first + second) as media:
        one, other = _pixels(media, (0, len(first))), _pixels(media, (len(first), len(second)))
        rest = _pixels(media, (len(first), 10**9))
    assert (one.shape, int(one.max())) == ((8, 8, 3), 10)
    assert (other.shape, int(other.min())) == ((12, 12, 3), 200)
    assert np.array_equal(rest, other)


def test_a_span_ends_where_it_says_even_if_more_follows() -> None:
    first, second = _png(10, 8), _png(200, 12)
    with memory_file(first + second) as media:
        with pytest.raises(MediaTruncated):
            _pixels(media, (0, len(first) // 2))
        with pytest.raises(MediaEmpty):
            _pixels(media, (len(first) + len(second), 100))


def test_a_window_of_a_file_reads_seeks_and_ends_within_itself() -> None:
    with memory_file(b"0123456789") as media:
        window = DescriptorFile(media, 3, 4)
        assert window.size == 4
        assert window.read() == b"3456"
        assert window.read() == b""
        assert (window.seek(-1, os.SEEK_END), window.read()) == (3, b"6")
        assert (window.at(1, 100), window.at(4, 1), window.at(-1, 1)) == (b"456", b"", b"")
        assert DescriptorFile.of(window).read(2) == b"34"
        assert DescriptorFile(media, 8, 100).size == 2
        assert DescriptorFile(media, 100).size == 0
