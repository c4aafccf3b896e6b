"""Stills and videos are told apart by their first bytes."""

import io

import pytest
from PIL import Image

from moretta.api.sniff import looks_like_video

TS = (b"\x47" + bytes(187)) * 3


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x00\x00\x20ftypisom",
        b"\x00\x00\x00\x14ftypqt  ",
        b"\x00\x00\x10\x00moov",
        b"\x00\x00\x00\x08wide",
        b"\x1a\x45\xdf\xa3\x01\x00",
        b"RIFF\x10\x00\x00\x00AVI LIST",
        b"\x00\x00\x01\xba\x44",
        TS,
    ],
)
def test_the_start_of_a_video_is_known(head: bytes) -> None:
    assert looks_like_video(head)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_a_still_is_no_video(kind: str) -> None:
    out = io.BytesIO()
    Image.new("RGB", (32, 32), "grey").save(out, kind)
    assert not looks_like_video(out.getvalue()[:512])


@pytest.mark.parametrize("head", [b"", b"G", b"hello, this is a text", b"G" + b"x" * 400])
def test_anything_else_is_no_video(head: bytes) -> None:
    assert not looks_like_video(head)
