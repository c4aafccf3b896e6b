"""Synthetic faces for the cues: a depth-bearing mesh under rotation or a flat one under a homography, with drawn pixels."""

import functools
import math
from collections.abc import Iterator

import cv2
import numpy as np

from moretta.core.geometry import bounding_box, mesh_landmarks
from moretta.core.ports import CueMeter, TrustCue
from moretta.core.values import Face, FaceSample, Frame, Measurement, Mesh, Pose, TrackedFace, TrackId

FPS = 30
CENTRE = (320.0, 240.0)


def head(seed: int = 0) -> np.ndarray:
    """468 points of an ellipsoid's front, 160 px wide; the eye corners, mouth corners and nose tip where they belong."""
    rng = np.random.default_rng(seed)
    angles = rng.uniform(-1.1, 1.1, (468, 2))
    points = np.stack([80 * np.sin(angles[:, 0]), 100 * np.sin(angles[:, 1]), np.zeros(468)], 1)
    points[:, 2] = -90 * np.cos(angles[:, 0]) * np.cos(angles[:, 1])
    placed = {33: (-45, -30), 133: (-18, -30), 362: (18, -30), 263: (45, -30), 1: (0, 10), 61: (-25, 50), 291: (25, 50)}
    for index, (x, y) in placed.items():
        points[index] = (x, y, -90 * math.sqrt(max(0.0, 1 - (x / 95) ** 2 - (y / 120) ** 2)))
    points[1, 2] -= 25
    points[10] = (0, -98, -20)
    return points


def turned(points: np.ndarray, yaw_deg: float, flat: bool) -> np.ndarray:
    """The points in px after a turn; `flat` turns a picture of them instead, which has no depth."""
    yaw = math.radians(yaw_deg)
    solid = points * (1, 1, 0) if flat else points
    rotation = np.array([[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]])
    rotated = solid @ rotation.T
    scale = 800 / (800 + rotated[:, 2:])
    return np.hstack([rotated[:, :2] * scale + CENTRE, rotated[:, 2:]]).astype(np.float32)


@functools.cache
def layers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A textured background, a textured face, and the face's mask, all 640x480."""
    rng = np.random.default_rng(7)
    background = cv2.GaussianBlur(rng.uniform(0, 255, (480, 640, 3)).astype(np.float32), (0, 0), 3) * 2 - 120
    face = cv2.GaussianBlur(rng.uniform(60, 255, (480, 640, 3)).astype(np.float32), (0, 0), 4)
    mask = np.zeros((480, 640), np.float32)
    cv2.ellipse(mask, (round(CENTRE[0]), round(CENTRE[1])), (80, 100), 0, 0, 360, 1.0, -1)
    return np.asarray(background, np.float32), face, mask


def picture(seed: int = 1, noise: float = 2.0, shift: float = 0.0) -> np.ndarray:
    """640x480: a textured background with a textured ellipse as a face, moved by `shift` px."""
    background, face, mask = layers()
    move = np.array([[1, 0, shift], [0, 1, shift / 2]], np.float64)
    face, mask = cv2.warpAffine(face, move, (640, 480)), cv2.warpAffine(mask, move, (640, 480))
    whole = background + (face - background) * mask[..., None]
    return np.clip(whole + grain(seed % 11) * noise, 0, 255).astype(np.uint8)


@functools.cache
def grain(seed: int) -> np.ndarray:
    """Noise of unit variance, 640x480; eleven of them are enough for no loop's period to divide."""
    return np.random.default_rng(seed).standard_normal((480, 640, 3), np.float32)


def sample(
    pixels: np.ndarray,
    points: np.ndarray,
    time_s: float = 0.0,
    pose: Pose | None = None,
    eye_openness: float = 0.3,
    skin: np.ndarray | None = None,
) -> FaceSample:
    """A sample of one face."""
    points = np.asarray(points, np.float32)
    face = Face(bounding_box(points), mesh_landmarks(points), 0.9)
    tracked = TrackedFace(TrackId(1), face, Mesh(points, 0.95), True)
    frame = Frame(pixels.copy(), round(time_s * FPS), round(time_s * 1e9))
    return FaceSample(frame, tracked, pose or Pose(0, 0, 0), None, eye_openness, 0.1, skin)


def times(seconds: float, fps: float = FPS) -> Iterator[float]:
    """Presentation times."""
    return (index / fps for index in range(round(seconds * fps)))


def measured(cue: TrustCue, samples: Iterator[FaceSample]) -> Measurement:
    """What a fresh meter of `cue` finds."""
    meter: CueMeter = cue.start()
    for item in samples:
        meter.observe(item)
    return meter.measure()


def value_of(cue: TrustCue, samples: Iterator[FaceSample]) -> float:
    """The value that a fresh meter of `cue` finds; fails where it abstains."""
    found = measured(cue, samples)
    assert found.value is not None, found.reason
    return found.value
