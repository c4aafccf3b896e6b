"""Screen replay: a recording, or a still, shown on a display and recorded again.

Belongs here: the display's pixels, light, reflections and frame; the aliasing of its grid in the camera makes the moire.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from moretta.core.values import Floats, Pixels
from moretta.evaluation.attacks.capture import Camera, Hand, Matrix, room
from moretta.evaluation.attacks.photo import held_up


@dataclass(frozen=True, slots=True)
class _Display:
    pitch_px: float  # size of a display pixel in camera px
    grid: float  # visible modulation by the grid
    gamma: float
    gain: float
    lift: float  # ambient light on the glass, grey levels
    tint: tuple[float, float, float]
    band: float  # modulation by refresh against exposure
    band_hz: float
    soft_px: float


def screen_attack(
    frames: Iterable[tuple[float, Pixels]], rng: np.random.Generator, steady: bool | None = None
) -> Iterator[Pixels]:
    """Each of `frames` (time in s, picture) as recorded from a display; all of one size.

    Args:
        frames: the recording; the same picture again and again replays a still.
        rng: draws the display, the hand and the camera.
        steady: whether the display stands still; drawn where None.
    """
    display = _drawn(rng)
    camera = Camera.drawn(rng)
    standing = rng.random() < 0.4 if steady is None else steady
    scene: _Scene | None = None
    for time_s, picture in frames:
        if scene is None:
            scene = _Scene(picture.shape[1], picture.shape[0], standing, rng)
        yield camera.record(scene.seen(_shown(picture, display), display, time_s), rng)


def screen_still(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """One picture of a display that shows `picture`."""
    return next(screen_attack([(float(rng.uniform(0, 60)), picture)], rng))


class _Scene:
    def __init__(self, width: int, height: int, standing: bool, rng: np.random.Generator) -> None:
        self._size = (width, height)
        self._close = rng.random() < 0.55  # the display fills the picture
        scale = float(rng.uniform(1.04, 1.15)) if self._close else float(rng.uniform(0.65, 0.9))
        self._fitted = np.array(
            [[scale, 0, (1 - scale) * width / 2], [0, scale, (1 - scale) * height / 2], [0, 0, 1.0]], np.float64
        )
        calm = 0.06 if standing else 1.0
        self._hand = Hand(rng, calm * 0.012 * width, calm * float(rng.uniform(0.02, 0.1)), calm * 0.02, calm * 0.02)
        self._behind = None if self._close else room(rng, width, height)
        self._bezel = int(rng.uniform(0.01, 0.05) * width)
        self._phase = float(rng.uniform(0, 2 * np.pi))
        self._reflection = self._mirrored(rng)

    def _mirrored(self, rng: np.random.Generator) -> Floats:
        """What the glass mirrors: smooth light, still with respect to the camera."""
        width, height = self._size
        if rng.random() < 0.5:
            return np.zeros((height, width, 1), np.float32)
        rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
        centre = rng.uniform(0, 1, 2) * (width, height)
        spread = float(rng.uniform(0.1, 0.4)) * width
        blob = np.exp(-((cols - centre[0]) ** 2 + (rows - centre[1]) ** 2) / spread**2)
        return np.asarray(float(rng.uniform(5, 45)) * blob[..., None], np.float32)

    def seen(self, shown: Floats, display: _Display, time_s: float) -> Floats:
        """The light that reaches the camera."""
        width, height = self._size
        if self._behind is not None:
            cv2.rectangle(shown, (0, 0), (width - 1, height - 1), (12.0, 12.0, 12.0), max(2, self._bezel))
        matrix = self._hand.at(time_s, width, height) @ self._fitted
        light = held_up(shown * 1.0, matrix, self._behind)
        light *= self._grid(matrix, display)
        rows = np.arange(height, dtype=np.float32)[:, None, None]
        light *= 1 + display.band * np.sin(2 * np.pi * (rows / height * 1.5 + display.band_hz * time_s) + self._phase)
        return light + self._reflection

    def _grid(self, matrix: Matrix, display: _Display) -> Floats:
        """Transmission of the stripe mask at each camera px, sampled without a filter: finer grids alias."""
        width, height = self._size
        inverse = np.linalg.inv(matrix)
        cols, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        x = inverse[0, 0] * cols + inverse[0, 1] * rows + inverse[0, 2]
        y = inverse[1, 0] * cols + inverse[1, 1] * rows + inverse[1, 2]
        depth = inverse[2, 0] * cols + inverse[2, 1] * rows + inverse[2, 2]
        scale = np.float32(2 * np.pi / display.pitch_px)
        across, down = (x / depth).astype(np.float32) * scale, (y / depth).astype(np.float32) * scale
        rungs = 1 + 0.6 * display.grid * np.cos(down)
        stripes = [1 + display.grid * np.cos(across + channel * np.float32(2 * np.pi / 3)) for channel in range(3)]
        return np.asarray(np.stack([stripe * rungs for stripe in stripes], axis=2), np.float32)


def _drawn(rng: np.random.Generator) -> _Display:
    pitch = float(rng.uniform(0.6, 3.0))
    tint = rng.normal([1.0, 1.0, 1.04], 0.03)
    # Optics pass a grid of three px well and one of under a px hardly: a modulation transfer falling with its frequency.
    passed = float(np.exp(-((1.1 / pitch) ** 2)))
    return _Display(
        pitch_px=pitch,
        grid=float(rng.uniform(0.01, 0.2)) * passed,
        gamma=float(rng.uniform(0.9, 1.25)),
        gain=float(rng.uniform(0.8, 1.1)),
        lift=float(rng.uniform(0, 22)),
        tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        band=float(rng.choice([0.0, rng.uniform(0.005, 0.04)])),
        band_hz=float(rng.uniform(0.1, 3.0)),
        soft_px=float(rng.uniform(0.2, 0.9)),
    )


def _shown(picture: Pixels, display: _Display) -> Floats:
    toned = 255 * (np.arange(256, dtype=np.float32) / 255) ** display.gamma * display.gain
    light = toned[picture] * np.array(display.tint, np.float32) + display.lift
    return np.asarray(cv2.GaussianBlur(light, (0, 0), display.soft_px), np.float32)
