"""How decoding is tuned, and the errors that name a limit.

Belongs here: what stills and videos share. Does not belong here: decoding.
"""

from dataclasses import dataclass

from moretta.core.errors import DimensionsTooLarge, MediaTooLarge
from moretta.core.limits import MediaLimits


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How much is decoded with how many threads.

    Above `video_max_side` or `still_max_side` px a picture is scaled down, so that its longer side has that many; see
    `MediaReader.scale`. 1920 leaves Full HD as it is; a still keeps more, since small faces in a group photo are not seen again.
    """

    threads: int = 1
    video_max_side: int = 1920
    still_max_side: int = 4096


def check_bytes(size: int, limits: MediaLimits) -> None:
    """Raise `MediaTooLarge` where `size` is over `limits.bytes`."""
    if size > limits.bytes:
        raise MediaTooLarge(
            f"expected at most {limits.bytes} bytes, got {size}; send less, or raise the setting max_bytes",
        )


def check_pixels(width: int, height: int, limits: MediaLimits) -> None:
    """Raise `DimensionsTooLarge` where one picture of that size is over `limits.pixels`; before anything is allocated."""
    if width * height > limits.pixels:
        raise DimensionsTooLarge(
            f"expected at most {limits.pixels} pixels a picture, got {width} x {height} = {width * height}; "
            "scale it down, or raise the setting max_pixels",
        )


def scale_to(width: int, height: int, max_side: int) -> float:
    """The factor, at most 1, that makes the longer side `max_side`."""
    return min(1.0, max_side / max(width, height))
