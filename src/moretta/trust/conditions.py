"""Under which conditions a track was seen: not evidence, but what decides whether there can be any.

Belongs here: the face's size, sharpness and time in view. Does not belong here: a vote.
"""

import math
from dataclasses import dataclass

import numpy as np

from moretta.core.series import BoundedSeries
from moretta.core.values import FaceSample, Measurement, MediaKind
from moretta.trust.patches import eye_distance, face_width
from moretta.trust.sampled import BOTH

NAME = "conditions"


@dataclass(frozen=True, slots=True)
class Conditions:
    """A cue without a vote: its value is the face's median width in px; `detail` holds the rest for the fusion."""

    name: str = NAME
    kinds: frozenset[MediaKind] = BOTH

    def start(self) -> "ConditionsMeter":
        """A fresh meter for one track."""
        return ConditionsMeter()


class ConditionsMeter:
    """Keeps at most 128 rows."""

    def __init__(self) -> None:
        self._rows = BoundedSeries(128)
        self._samples = 0
        self._first_s = self._last_s = 0.0

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        if self._samples == 0:
            self._first_s = sample.time_s
        self._last_s = sample.time_s
        self._samples += 1
        turn = math.hypot(sample.pose.yaw, sample.pose.pitch)
        points = sample.tracked.mesh.points
        if math.isfinite(turn) and np.isfinite(points).all():
            self._rows.add((face_width(sample), eye_distance(points), sample.tracked.mesh.presence, turn))

    def measure(self) -> Measurement:
        """The face's width; `detail`: eye_px, presence, turn_deg (medians), observed_s, samples."""
        if not len(self._rows):
            return Measurement(None, 0.0, "the face was never in view")
        columns = [float(np.median(np.array(column, np.float64))) for column in self._rows.columns()]
        detail = {"eye_px": columns[1], "presence": columns[2], "turn_deg": columns[3]}
        detail |= {"observed_s": self._last_s - self._first_s, "samples": float(self._samples)}
        return Measurement(columns[0], 1.0, detail=detail)
