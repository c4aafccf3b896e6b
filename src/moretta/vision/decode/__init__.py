"""Decoding of untrusted media: a seekable descriptor in, upright RGB frames and sound out.

Belongs here: the `MediaReader` port's implementations. Does not belong here: paths and file names; a reader never sees one.
"""

from moretta.core.limits import MediaLimits
from moretta.core.ports import MediaReader
from moretta.vision.decode.formats import VIDEOS, sniff
from moretta.vision.decode.options import DecodeOptions, check_bytes
from moretta.vision.decode.source import DescriptorFile
from moretta.vision.decode.stills import StillReader
from moretta.vision.decode.videos import VideoReader
from moretta.vision.decode.warm import warm_up

__all__ = ["DecodeOptions", "MediaReader", "open_media", "warm_up"]


def open_media(
    fd: int, limits: MediaLimits, options: DecodeOptions | None = None, span: tuple[int, int] | None = None
) -> MediaReader:
    """Open the picture or video in the seekable descriptor `fd`, from its start whatever its offset.

    Where `fd` holds several items, `span` is the first byte of one and how many it has. The caller keeps `fd` and may close it
    at once. A still is decoded here, of a video the first frame.

    Raises:
        MediaError: what it holds cannot be read, or is over a limit; see `core.errors` for each.
    """
    chosen = options or DecodeOptions()
    file = DescriptorFile(fd) if span is None else DescriptorFile(fd, *span)
    try:
        check_bytes(file.size, limits)
        found = sniff(file)
        if found in VIDEOS:
            return VideoReader(file, found, limits, chosen)
        return StillReader(file, found, limits, chosen)
    except BaseException:
        file.close()
        raise
