"""Print attack: a photograph of a face on paper, held before the camera by hand.

Belongs here: paper, ink and their motion.
"""

from collections.abc import Iterator

import cv2
import numpy as np

from moretta.core.values import Floats, Pixels
from moretta.evaluation.attacks.capture import Camera, Hand, Matrix, room


def photo_attack(photo: Pixels, times_s: list[float], rng: np.random.Generator) -> Iterator[Pixels]:
    """A hand-held print of `photo`, one frame of the same size for each of `times_s`.

    Either the print fills the picture or its edges and a room behind it are in view; bent paper is not simulated.
    """
    height, width = photo.shape[:2]
    paper = _printed(photo, rng)
    fills = rng.random() < 0.5
    behind = None if fills else room(rng, width, height)
    fitted = _placed(width, height, 1.12 if fills else float(rng.uniform(0.7, 0.95)), rng)
    still_held = rng.random() < 0.25  # on a stand rather than in a hand
    strength = 0.1 if still_held else 1.0
    hand = Hand(
        rng, strength * 0.02 * width, strength * float(rng.uniform(0.03, 0.2)), strength * 0.04, strength * 0.03
    )
    camera = Camera.drawn(rng)
    for time_s in times_s:
        light = held_up(paper, hand.at(time_s, width, height) @ fitted, behind)
        yield camera.record(light, rng)


def photo_still(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """One picture of a print of `photo`."""
    return next(photo_attack(photo, [float(rng.uniform(0, 60))], rng))


def held_up(flat: Floats, matrix: Matrix, behind: Floats | None) -> Floats:
    """The flat picture under a homography, before what lies behind it (None: it is mirrored on, as nothing else shows)."""
    height, width = flat.shape[:2]
    if behind is None:
        border = cv2.BORDER_REFLECT_101
        return np.asarray(cv2.warpPerspective(flat, matrix, (width, height), borderMode=border), np.float32)
    seen = cv2.warpPerspective(flat, matrix, (width, height))
    mask = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, (width, height))[..., None]
    return np.asarray(seen * mask + behind * (1 - mask), np.float32)


def _placed(width: int, height: int, scale: float, rng: np.random.Generator) -> Matrix:
    x, y = rng.uniform(-0.04, 0.04, 2) * (width, height)
    return np.array(
        [[scale, 0, (1 - scale) * width / 2 + x], [0, scale, (1 - scale) * height / 2 + y], [0, 0, 1.0]], np.float64
    )


def _printed(photo: Pixels, rng: np.random.Generator) -> Floats:
    """Ink on paper: a narrower gamut (blacks near 6-15 % reflectance, ISO 12647-2 uncoated stock), dots, paper, light."""
    height, width = photo.shape[:2]
    ink = photo.astype(np.float32)
    ink = cv2.GaussianBlur(ink, (0, 0), float(rng.uniform(0.3, 1.1)))
    grey = ink.mean(2, keepdims=True)
    ink = grey + (ink - grey) * float(rng.uniform(0.7, 1.05))
    black, white = float(rng.uniform(4, 38)), float(rng.uniform(215, 250))
    ink = black + ink / 255 * (white - black)
    dots = rng.standard_normal((height, width, 3), dtype=np.float32)
    dots -= cv2.GaussianBlur(dots, (0, 0), 1.0)  # error diffusion puts its noise into high frequencies
    # Dots show in middle tones most; at a usual distance the optics leave a few grey levels of them.
    strength = float(rng.uniform(0.5, 5.0))
    ink += dots * strength * (1 - np.abs(ink / 127.5 - 1))
    grain = rng.normal(0, float(rng.uniform(0.2, 1.5)), (height // 3 + 1, width // 3 + 1)).astype(np.float32)
    ink += cv2.resize(grain, (width, height))[..., None]
    rows, cols = np.mgrid[0:height, 0:width].astype(np.float32)
    slope = rng.normal(0, 0.12, 2)
    light = 1 + slope[0] * (cols / width - 0.5) + slope[1] * (rows / height - 0.5)
    sheen = np.zeros((height, width), np.float32)
    if rng.random() < 0.4:  # glossy paper mirrors a lamp
        centre = rng.uniform(0.1, 0.9, 2) * (width, height)
        distance = ((cols - centre[0]) ** 2 + (rows - centre[1]) ** 2) / (0.2 * width) ** 2
        sheen = (float(rng.uniform(10, 50)) * np.exp(-distance)).astype(np.float32)
    return np.asarray(np.clip(ink * light[..., None] + sheen[..., None], 0, 255), np.float32)
