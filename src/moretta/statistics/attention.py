"""Whether somebody looks towards a marked target, from head pose and irises.

Belongs here: the directions and their tolerance. Does not belong here: measuring pose and gaze (`vision`), counting (`visits`).
"""

import math

import numpy as np
import numpy.typing as npt

from moretta.core.site import Point, Target
from moretta.core.statistics import Sighting

Vector = npt.NDArray[np.float64]

# An eye opening is about 30 mm wide (Farkas 1994, table of palpebral fissure lengths: 28 to 31 mm) and an eyeball has a radius
# of about 12 mm: an iris that is off by half an opening's width times g has turned by asin(g * 15 / 12).
IRIS_TURN = 15.0 / 12.0
# How far from the camera a target on the picture may be, in the person's own distances: how far away it is cannot be told from
# a picture.
TARGET_DISTANCES = np.geomspace(0.5, 2.0, 9)


def attentive(target: Target, seen: Sighting, aspect: float) -> bool:
    """Whether the person's eyes (the head alone, where irises were not measured) point within the target's tolerance.

    `aspect`: the picture's width over its height. The camera is taken as `vision.pose` takes it, with a focal length of its
    longer side. Only the horizontal turn of the eyes counts: the vertical one depends on the lids.
    """
    at = _ray((seen.x, seen.y), aspect)
    looking = _direction(seen)
    towards = -at[None] if target.at is None else TARGET_DISTANCES[:, None] * _ray(target.at, aspect) - at
    lengths = np.linalg.norm(towards, axis=1)
    towards = towards[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    return bool((towards @ looking >= math.cos(math.radians(target.tolerance_deg))).any())


def _ray(point: Point, aspect: float) -> Vector:
    """Where a point of the picture is at distance 1 along the axis: x right, y down, z away from the camera."""
    longer = max(aspect, 1.0)
    return np.array([(point[0] - 0.5) * aspect / longer, (point[1] - 0.5) / longer, 1.0])


def _direction(seen: Sighting) -> Vector:
    turned = math.asin(max(-1.0, min(1.0, seen.gaze_x * IRIS_TURN))) if seen.gaze_x is not None else 0.0
    yaw, pitch = math.radians(seen.yaw) + turned, math.radians(seen.pitch)
    return np.array([math.sin(yaw) * math.cos(pitch), -math.sin(pitch), -math.cos(yaw) * math.cos(pitch)])
