"""Whether a file reaches the end that its own structure announces.

Belongs here: end marks and announced lengths. Does not belong here: decoding. Nothing here raises for any bytes.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from moretta.vision.decode.announced import element
from moretta.vision.decode.formats import Format
from moretta.vision.decode.source import DescriptorFile

_TAIL_BYTES = 4096
# An hour in fragments of a tenth of a second has 72,000; a file made to keep the walk busy has millions.
_MOST_BOXES = 100_000
_EBML_SEGMENT = 0x18538067
# StripOffsets and TileOffsets, StripByteCounts and TileByteCounts.
_TIFF_OFFSETS = (273, 324)
_TIFF_COUNTS = (279, 325)
# Strips looked at; a picture of a row a strip within the largest sensible height has fewer.
_TIFF_MOST = 65_536


def is_cut(file: DescriptorFile, found: Format) -> bool:
    """Whether `file` ends before the end that its own structure announces; False where the format does not tell."""
    return _CUT[found](file)


def _boxes_overrun(file: DescriptorFile, needed: bytes) -> bool:
    """Whether a top-level box reaches beyond the end, or the box `needed` is missing."""
    at, found = 0, False
    for _ in range(_MOST_BOXES):
        if at + 8 > file.size:
            break
        header = file.at(at, 16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        found = found or kind == needed
        if length == 0:
            break  # To the end of the file.
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length < 8:
            break
        at += length
    return at > file.size or not found


def _segment_overruns(file: DescriptorFile) -> bool:
    _, header_size, at = element(file, 0)
    identity, size, start = element(file, at + header_size)
    if identity != _EBML_SEGMENT:
        return True
    return size >= 0 and start + size > file.size


def _tiff_overruns(file: DescriptorFile) -> bool:
    """Whether the first directory or the strips or tiles that it names lie beyond the end (TIFF 6.0, section 2)."""
    order: Literal["little", "big"] = "little" if file.at(0, 2) == b"II" else "big"
    start = int.from_bytes(file.at(4, 4), order)
    entries = int.from_bytes(file.at(start, 2), order)
    if start + 2 + 12 * entries > file.size:
        return True
    offsets: list[int] = []
    counts: list[int] = []
    for at in range(start + 2, start + 2 + 12 * entries, 12):
        entry = file.at(at, 12)
        tag = int.from_bytes(entry[:2], order)
        if tag in _TIFF_OFFSETS:
            offsets = _tiff_numbers(file, entry, at, order)
        elif tag in _TIFF_COUNTS:
            counts = _tiff_numbers(file, entry, at, order)
    return not offsets or any(offset + count > file.size for offset, count in zip(offsets, counts, strict=False))


def _tiff_numbers(file: DescriptorFile, entry: bytes, at: int, order: Literal["little", "big"]) -> list[int]:
    width = {3: 2, 4: 4}.get(int.from_bytes(entry[2:4], order), 0)
    length = min(int.from_bytes(entry[4:8], order), _TIFF_MOST) * width
    if not width:
        return []
    raw = file.at(at + 8 if length <= 4 else int.from_bytes(entry[8:12], order), length)
    return [int.from_bytes(raw[i : i + width], order) for i in range(0, len(raw), width)]


def _lacks_at_end(file: DescriptorFile, mark: bytes) -> bool:
    # Some writers leave padding behind the end mark.
    return mark not in file.at(max(0, file.size - _TAIL_BYTES), _TAIL_BYTES)


def _riff_overruns(file: DescriptorFile) -> bool:
    return int.from_bytes(file.at(4, 4), "little") + 8 > file.size


_CUT: Mapping[Format, Callable[[DescriptorFile], bool]] = {
    Format.JPEG: lambda file: _lacks_at_end(file, b"\xff\xd9"),
    Format.PNG: lambda file: _lacks_at_end(file, b"IEND"),
    Format.GIF: lambda file: file.at(max(0, file.size - _TAIL_BYTES), _TAIL_BYTES).rstrip(b"\0")[-1:] != b";",
    Format.BMP: lambda file: int.from_bytes(file.at(2, 4), "little") > file.size,
    Format.WEBP: _riff_overruns,
    Format.AVI: _riff_overruns,
    Format.TIFF: _tiff_overruns,
    Format.AVIF: lambda file: _boxes_overrun(file, b"meta"),
    Format.MOV: lambda file: _boxes_overrun(file, b"moov"),
    Format.MATROSKA: _segment_overruns,
    Format.MPEGTS: lambda file: False,
}
