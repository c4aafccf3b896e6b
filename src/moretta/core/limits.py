"""The limits within which media is read.

Belongs here: limits that more than one layer must know, with safe defaults.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Safe defaults for untrusted media; every one is a setting.

    `pixels` counts width x height of one picture (Pillow's own decompression-bomb warning starts at 89 million; 50 million
    covers every current phone's still but its 108-200 megapixel modes). `frames` and `duration_s` bound a video's work.
    """

    bytes: int = 256 * 1024 * 1024
    pixels: int = 50_000_000
    frames: int = 40_000
    duration_s: float = 1200.0
