"""What a camera and a hand do to whatever is recorded; genuine controls go through the same functions as attacks.

Belongs here: hand motion, optics, sensor, exposure, made-up surroundings. Does not belong here: any attack.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import Floats, Pixels

Matrix = npt.NDArray[np.float64]
TREMOR_HZ = (0.3, 0.9, 2.2, 8.0)  # sway of an arm and physiological tremor (8-12 Hz, Elble and Koller 1990)


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera's nuisances: `blur_px` and `noise` are standard deviations, `gain` and `gamma` of the exposure."""

    blur_px: float
    noise: float
    gain: float
    gamma: float
    tint: tuple[float, float, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Camera":
        """A camera as the generator of random numbers has it."""
        tint = rng.uniform(0.95, 1.05, 3)
        return cls(
            blur_px=float(rng.uniform(0.0, 0.9)),
            noise=float(rng.uniform(0.3, 3.0)),
            gain=float(rng.uniform(0.85, 1.1)),
            gamma=float(rng.uniform(0.9, 1.15)),
            tint=(float(tint[0]), float(tint[1]), float(tint[2])),
        )

    def record(self, light: Floats, rng: np.random.Generator) -> Pixels:
        """The picture that the camera makes of `light` (0-255 float32 RGB (h, w, 3))."""
        seen = light
        if self.blur_px > 0.25:
            seen = cv2.GaussianBlur(seen, (0, 0), self.blur_px)
        table = 255 * (np.arange(256, dtype=np.float32) / 255) ** self.gamma * self.gain
        levels = np.clip(seen * np.array(self.tint, np.float32), 0, 255).astype(np.uint8)
        return np.clip(table[levels] + grain(levels.shape, rng) * np.float32(self.noise), 0, 255).astype(np.uint8)


def grain(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Noise of unit variance, nearly normal (sum of four uniform bytes; drawing normal numbers takes five times as long)."""
    drawn = np.frombuffer(rng.bytes(4 * int(np.prod(shape))), np.uint8).reshape(4, *shape)
    total = drawn.sum(0, dtype=np.uint16).astype(np.float32)
    return np.asarray((total - 510) / 147.8, np.float32)  # sqrt(4 * (256**2 - 1) / 12)


class Hand:
    """A hand's sway as homographies over time, about the middle of a picture.

    Args:
        rng: draws the phases.
        shift_px: standard deviation of the shift.
        tilt: of the perspective (1 / picture sides); a head-sized tilt of 10 degrees is about 0.1.
        turn: of the rotation, radians.
        zoom: of the scale.
    """

    def __init__(self, rng: np.random.Generator, shift_px: float, tilt: float, turn: float, zoom: float) -> None:
        self._spread = np.array([shift_px, shift_px, tilt, tilt, turn, zoom])
        self._phase = rng.uniform(0, 2 * np.pi, (6, len(TREMOR_HZ)))
        self._rate = np.array(TREMOR_HZ) * rng.uniform(0.7, 1.3, (6, len(TREMOR_HZ)))
        self._share = np.array([1.0, 0.6, 0.25, 0.03])

    def at(self, time_s: float, width: int, height: int) -> Matrix:
        """The homography (3, 3) at `time_s` for a picture of that size."""
        waves = np.sin(2 * np.pi * self._rate * time_s + self._phase)
        x, y, tilt_x, tilt_y, turn, zoom = self._spread * (waves * self._share).sum(1)
        cos, sin, scale = np.cos(turn), np.sin(turn), 1 + zoom
        centre = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1.0]])
        move = np.array(
            [[scale * cos, -scale * sin, x], [scale * sin, scale * cos, y], [tilt_x / width, tilt_y / height, 1]]
        )
        return np.asarray(centre @ move @ np.linalg.inv(centre), np.float64)


def shaken(light: Floats, hand: Hand, time_s: float) -> Floats:
    """The whole picture as a hand-held camera sees it; what moves into view is mirrored."""
    height, width = light.shape[:2]
    matrix = hand.at(time_s, width, height)
    return np.asarray(
        cv2.warpPerspective(light, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        np.float32,
    )


def room(rng: np.random.Generator, width: int, height: int) -> Floats:
    """A made-up room, float32 RGB (h, w, 3): wall, light falling off, pieces of furniture, texture."""
    base = rng.uniform(60, 200) + rng.normal(0, 12, 3)
    picture = np.ones((height, width, 3), np.float32) * base.astype(np.float32)
    for _ in range(int(rng.integers(4, 14))):
        left, top = rng.uniform(-0.2, 0.9, 2) * (width, height)
        size = rng.uniform(0.05, 0.6, 2) * (width, height)
        colour = np.clip(base + rng.normal(0, 45) + rng.normal(0, 14, 3), 5, 250)
        corners = np.array([[0, 0], [1, rng.normal(0, 0.1)], [1, 1], [rng.normal(0, 0.1), 1]]) * size + (left, top)
        cv2.fillConvexPoly(picture, corners.astype(np.int32), [float(c) for c in colour])
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.8, 4.0)))
    coarse = rng.normal(0, 18, (height // 16 + 2, width // 16 + 2)).astype(np.float32)
    fine = rng.normal(0, float(rng.uniform(0, 6)), (height // 2 + 1, width // 2 + 1)).astype(np.float32)
    for layer in (coarse, fine):
        picture += cv2.resize(layer, (width, height), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(np.clip(picture, 0, 255), np.float32)
