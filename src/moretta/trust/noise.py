"""Does the face carry the same noise as its surroundings? A pasted or generated face brings its own.

Basis: Cozzolino, Poggi and Verdoliva, "Splicebuster", WIFS 2015 (high-pass residual statistics); Lyu, Pan and Zhang, "Exposing
region splicing forgeries with blind local noise estimation", IJCV 2014.

Belongs here: noise level in flat places. Does not belong here: edges and texture, see `boundary`.
"""

import math

import cv2
import numpy as np

from moretta.core.values import FaceSample, Floats
from moretta.trust.patches import Mask, crop_around, face_width, face_zones
from moretta.trust.sampled import SampledCue, Schedule

MIN_FACE_PX = 64.0
MIN_FLAT_PX = 150
# Third-derivative kernel of Splicebuster, along rows and columns.
THIRD_DERIVATIVE = np.array([[1.0, -3.0, 3.0, -1.0]], np.float32) / math.sqrt(20.0)


def noise_inconsistency() -> SampledCue:
    """Value: natural log of the face's noise over its surroundings' noise, both in the flattest half of either."""
    return SampledCue("noise_inconsistency", _log_ratio, Schedule(0.7), "the face is too small to compare its noise")


def _log_ratio(sample: FaceSample) -> float | None:
    crop = crop_around(sample.frame.pixels, sample.tracked.face.box, 1.7)
    if crop is None or face_width(sample) < MIN_FACE_PX:
        return None
    grey = crop.grey()
    # Clipped light and dark carry no noise at all and would look like a forgery.
    lit = (grey > 20) & (grey < 240)
    zones = face_zones(sample, crop)
    smooth = cv2.GaussianBlur(grey, (0, 0), 2.0)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.125))
    face, around = _noise(grey, slope, zones.inner & lit), _noise(grey, slope, zones.ring & lit)
    return None if face is None or around is None else math.log(face / around)


def _noise(grey: Floats, slope: Floats, mask: Mask) -> float | None:
    """Robust standard deviation of the residual where the picture is flat, plus a floor of 0.15 grey levels (rounding)."""
    if np.count_nonzero(mask) < 2 * MIN_FLAT_PX:
        return None
    flat = mask & (slope <= np.median(slope[mask]))
    residuals = [
        cv2.filter2D(grey, cv2.CV_32F, kernel)[flat] for kernel in (THIRD_DERIVATIVE, THIRD_DERIVATIVE.T.copy())
    ]
    spread = [float(np.abs(residual).mean()) * 1.2533 for residual in residuals]  # sqrt(pi/2): mean deviation to sigma
    return sum(spread) / 2 + 0.15
