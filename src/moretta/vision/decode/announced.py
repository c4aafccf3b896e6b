"""The picture size that a container's header announces, read before any decoder is opened.

Belongs here: walking headers. Nothing here raises for any bytes. What a bitstream claims against its header is for the
decoder's own limit (`max_pixels`).
"""

from collections.abc import Iterator

from moretta.vision.decode.formats import Format
from moretta.vision.decode.source import DescriptorFile

# Parents on the way to the track headers of ISO/IEC 14496-12; `tkhd` ends with width and height as 16.16.
_MOV_PARENTS = (b"moov", b"trak")
# Segment, Tracks, TrackEntry, Video; then PixelWidth and PixelHeight (RFC 9559).
_MKV_PARENTS = (0x18538067, 0x1654AE6B, 0xAE, 0xE0)
_MKV_WIDTH, _MKV_HEIGHT = 0xB0, 0xBA
# dwWidth and dwHeight of the `avih` chunk, which every AVI starts with.
_AVI_HEADER, _AVI_WIDTH = 24, 64
# A header lists few things; a file made to keep the walk busy lists many.
_MOST_ELEMENTS = 4096


def announced_sizes(file: DescriptorFile, found: Format) -> list[tuple[int, int]]:
    """Width and height of each track that announces them; none for MPEG-TS, which has no header."""
    if found is Format.AVI and file.at(_AVI_HEADER, 4) == b"avih":
        raw = file.at(_AVI_WIDTH, 8)
        return [(int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:8], "little"))]
    if found is Format.MOV:
        return list(_mov_sizes(file))
    if found is Format.MATROSKA:
        return list(_mkv_sizes(file))
    return []


def element(file: DescriptorFile, at: int) -> tuple[int, int, int]:
    """Id, size (-1: unknown) and start of the content of the EBML element at `at` (RFC 8794, sections 5 and 6).

    The id is 0 where no element starts there.
    """
    head = file.at(at, 12)
    if not head or head[0] == 0:
        return 0, 0, at
    id_length = 9 - head[0].bit_length()
    rest = head[id_length:]
    if not rest or rest[0] == 0:
        return 0, 0, at
    size_length = 9 - rest[0].bit_length()
    mask = (1 << (7 * size_length)) - 1
    size = int.from_bytes(rest[:size_length], "big") & mask
    return int.from_bytes(head[:id_length], "big"), -1 if size == mask else size, at + id_length + size_length


def _mov_sizes(file: DescriptorFile) -> Iterator[tuple[int, int]]:
    at = 0
    for _ in range(_MOST_ELEMENTS):
        head = file.at(at, 16)
        if len(head) < 8:
            return
        length, kind, start = int.from_bytes(head[:4], "big"), head[4:8], 8
        if length == 1:
            length, start = int.from_bytes(head[8:16], "big"), 16
        if length < start:
            return
        if kind == b"tkhd":
            raw = file.at(at + length - 8, 8)
            yield int.from_bytes(raw[:2], "big"), int.from_bytes(raw[4:6], "big")
        at += start if kind in _MOV_PARENTS else length


def _mkv_sizes(file: DescriptorFile) -> Iterator[tuple[int, int]]:
    at, width = 0, 0
    for _ in range(_MOST_ELEMENTS):
        identity, size, start = element(file, at)
        if identity == 0:
            return
        if identity in _MKV_PARENTS:
            at = start
            continue
        if size < 0:
            return
        if identity == _MKV_WIDTH:
            width = int.from_bytes(file.at(start, min(size, 8)), "big")
        elif identity == _MKV_HEIGHT:
            yield width, int.from_bytes(file.at(start, min(size, 8)), "big")
        at = start + size
