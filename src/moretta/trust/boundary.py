"""Is the outline of the face smoother or sharper than what lies to either side? Blending a face in leaves a seam.

Basis: Li et al., "Face X-ray for more general face forgery detection", CVPR 2020 (the blending boundary); Li and Lyu,
"Exposing DeepFake videos by detecting face warping artifacts", CVPRW 2019 (resolution inside against around).

Belongs here: fine detail along the outline, inside and outside of it. Does not belong here: noise, see `noise`.
"""

import math

import cv2
import numpy as np

from moretta.core.values import FaceSample, Floats
from moretta.trust.patches import Mask, Zones, crop_around, face_width, face_zones
from moretta.trust.sampled import SampledCue, Schedule

MIN_FACE_PX = 64.0  # under this a 5 % band is 3 px wide and holds no detail of its own
MIN_ZONE_PX = 200
ABSENT = "the face is too small, or cut off, to look at its outline"


def boundary_sharpness() -> SampledCue:
    """Value: natural log of the detail in the outline's band over the geometric mean of inside and outside."""
    return SampledCue("boundary_sharpness", _seam, Schedule(0.7), ABSENT)


def inner_detail() -> SampledCue:
    """Value: natural log of the detail of the inner face over that of the ring around it; warped faces are smoother."""
    return SampledCue("inner_detail", _inner, Schedule(0.7), ABSENT)


def _seam(sample: FaceSample) -> float | None:
    found = _detail(sample)
    if found is None:
        return None
    inner, edge, ring = found
    return math.log(edge / math.sqrt(inner * ring))


def _inner(sample: FaceSample) -> float | None:
    found = _detail(sample)
    return None if found is None else math.log(found[0] / found[2])


def _detail(sample: FaceSample) -> tuple[float, float, float] | None:
    """Mean absolute Laplacian of the inner face, its outline and the ring, each plus a floor of half a grey level."""
    width = face_width(sample)
    crop = crop_around(sample.frame.pixels, sample.tracked.face.box, 1.5)
    if crop is None or width < MIN_FACE_PX:
        return None
    zones = face_zones(sample, crop)
    if min(_counts(zones)) < MIN_ZONE_PX:
        return None
    detail = np.abs(cv2.Laplacian(crop.grey(), cv2.CV_32F))
    return _mean(detail, zones.inner), _mean(detail, zones.edge), _mean(detail, zones.ring)


def _counts(zones: Zones) -> tuple[int, int, int]:
    return int(zones.inner.sum()), int(zones.edge.sum()), int(zones.ring.sum())


def _mean(values: Floats, mask: Mask) -> float:
    # Values over the 95th percentile are edges of hair and glasses, not texture.
    chosen = values[mask]
    return float(np.minimum(chosen, np.percentile(chosen, 95)).mean()) + 0.5
