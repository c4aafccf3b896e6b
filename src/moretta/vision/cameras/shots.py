"""From decoded pictures to those that are analysed: so many a second, upright, small enough.

Belongs here: choosing, turning and scaling. Does not belong here: where pictures come from.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from moretta.core.errors import DimensionsTooLarge
from moretta.core.values import Pixels
from moretta.vision.decode.orientation import turn_of

MOST_WIDTH, MOST_HEIGHT = 640, 480
# A picture that comes a little early counts as on time: cameras send at uneven intervals.
_EARLY = 0.1
# Times that jump by more are of a camera that was restarted, or of another recording.
_JUMP_S = 10.0


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture and when it was taken, in seconds of the stream's own time."""

    time_s: float
    frame: VideoFrame


@dataclass(frozen=True, slots=True)
class Shot:
    """A picture to analyse: RGB, uint8, (h, w, 3), at most 640x480; `time_s` is since the first one."""

    time_s: float
    pixels: Pixels


class Chooser:
    """Picks `rate` pictures a second of the stream's own time; also where that time jumps."""

    def __init__(self, rate: float) -> None:
        self._step_s = 1 / rate
        self._due_s: float | None = None

    def wants(self, time_s: float) -> bool:
        """Whether the picture of that time is one of them."""
        due = self._due_s
        if due is None or abs(time_s - due) > _JUMP_S:
            self._due_s = time_s + self._step_s
            return True
        if time_s < due - _EARLY * self._step_s:
            return False
        self._due_s = max(due + self._step_s, time_s + self._step_s / 2)
        return True


def shots(pictures: Iterator[Decoded], rate: float, most_pixels: int) -> Iterator[Shot]:
    """Those of `pictures` that are analysed.

    Raises:
        DimensionsTooLarge: a picture has more than `most_pixels`.
    """
    chooser, scaler = Chooser(rate), Scaler()
    origin_s: float | None = None
    for picture in pictures:
        origin_s = picture.time_s if origin_s is None else origin_s
        if chooser.wants(picture.time_s):
            if picture.frame.width * picture.frame.height > most_pixels:
                raise DimensionsTooLarge(f"expected pictures of at most {most_pixels} pixels from a camera, got more")
            yield Shot(max(0.0, picture.time_s - origin_s), scaler.scaled(picture.frame))


class Scaler:
    """Turns decoded pictures into RGB that fits; keeps what the conversion needs between pictures of one size."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def scaled(self, frame: VideoFrame) -> Pixels:
        """Upright RGB, uint8, (h, w, 3), contiguous, its aspect kept, never enlarged."""
        turn = turn_of(frame)
        width, height = turn.size(frame.width, frame.height)
        share = min(1.0, MOST_WIDTH / width, MOST_HEIGHT / height)
        wide, high = max(1, int(frame.width * share)), max(1, int(frame.height * share))
        small = self._reformatter.reformat(frame, wide, high, "rgb24", interpolation=Interpolation.FAST_BILINEAR)
        return turn.apply(np.asarray(small.to_ndarray(), np.uint8))
