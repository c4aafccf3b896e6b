"""What a second capture does to light and colour: narrower contrast, fewer colours, lost or added highlights.

Basis: Wen, Han and Jain, "Face spoof detection with image distortion analysis", IEEE TIFS 2015 (specular reflection,
chromatic moments, colour diversity); Boulkenafet, Komulainen and Hadid, "Face spoofing detection using colour texture
analysis", IEEE TIFS 2016.

Belongs here: tone and colour statistics of the face. Does not belong here: anything that looks at frequencies.
"""

import math

import cv2
import numpy as np

from moretta.core.values import FaceSample, Pixels
from moretta.trust.patches import crop_around, face_box
from moretta.trust.sampled import SampledCue, Schedule

ABSENT = "the face is too small to judge its tones"
MIN_PX = 1024


def tone_range() -> SampledCue:
    """Value: 2nd to 98th percentile of luma in and around the face, in shares of full scale; prints lose their blacks."""
    return SampledCue("tone_range", _tone_range, Schedule(0.9), ABSENT)


def colour_diversity() -> SampledCue:
    """Value: natural log of the spread of chroma over the face in 8-bit units; a print or screen has fewer colours."""
    return SampledCue("colour_diversity", _colour_diversity, Schedule(0.9), ABSENT)


def highlights() -> SampledCue:
    """Value: log10 of the share of specular pixels (bright and colourless against the face's median)."""
    return SampledCue("highlights", _highlights, Schedule(0.9), ABSENT)


def _face(sample: FaceSample, scale: float) -> Pixels | None:
    crop = crop_around(sample.frame.pixels, face_box(sample), scale)
    return None if crop is None or crop.pixels.shape[0] * crop.pixels.shape[1] < MIN_PX else crop.pixels


def _tone_range(sample: FaceSample) -> float | None:
    pixels = _face(sample, 1.2)
    if pixels is None:
        return None
    low, high = np.percentile(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), [2, 98])
    return float(high - low) / 255


def _colour_diversity(sample: FaceSample) -> float | None:
    pixels = _face(sample, 0.8)
    if pixels is None:
        return None
    chroma = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb)[:, :, 1:].reshape(-1, 2).astype(np.float64)
    # Area of the ellipse of chroma (square root of the covariance's determinant), on a log scale; 0.25: rounding.
    return 0.5 * math.log(float(np.linalg.det(np.cov(chroma.T) + 0.25 * np.eye(2))))


def _highlights(sample: FaceSample) -> float | None:
    pixels = _face(sample, 0.8)
    if pixels is None:
        return None
    darkest, brightest = pixels.min(2).astype(np.float32), pixels.max(2).astype(np.float32)
    # Wen et al., section III-A: specular where the smallest channel is far above its mean over the face.
    specular = (darkest > 1.5 * float(darkest.mean())) & (brightest - darkest < 0.25 * brightest)
    return math.log10(float(specular.mean()) + 1e-4)
