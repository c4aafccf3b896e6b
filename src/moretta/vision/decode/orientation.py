"""Turning decoded pictures upright.

Belongs here: the display matrix of ISO/IEC 14496-12 (8.3.2), as FFmpeg hands it on with each frame.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from av.video.frame import VideoFrame

from moretta.core.values import Pixels


@dataclass(frozen=True, slots=True)
class Turn:
    """A quarter turn with or without mirroring: transpose first, then flip rows (`up_down`) and columns (`left_right`)."""

    transpose: bool = False
    up_down: bool = False
    left_right: bool = False
    rotation_deg: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height after the turn."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, pixels: Pixels) -> Pixels:
        """`pixels` (h, w, 3) turned; contiguous."""
        turned = pixels.transpose(1, 0, 2) if self.transpose else pixels
        turned = turned[:: -1 if self.up_down else 1, :: -1 if self.left_right else 1]
        return np.ascontiguousarray(turned)


def turn_of(frame: VideoFrame) -> Turn:
    """The turn that `frame` asks for; none where it does not say."""
    try:
        raw = bytes(cast(Mapping[str, bytes], frame.side_data)["DISPLAYMATRIX"])
    except (KeyError, ValueError):  # ValueError: side data of a kind that PyAV does not know.
        return Turn()
    if len(raw) < 36:
        return Turn()
    a, b, _, c, d = struct.unpack("=5i", raw[:20])
    return turn_from(a, b, c, d)


def turn_from(a: int, b: int, c: int, d: int) -> Turn:
    """The turn of the matrix that maps (x, y), y down, to (a x + c y, b x + d y), to the nearest quarter."""
    mirrored = a * d - b * c < 0
    angle = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
    rotation = round(angle / 90) * 90 % 360
    if abs(b) > abs(a):
        return Turn(True, b < 0, c < 0, rotation)
    return Turn(False, d < 0, a < 0, rotation)
