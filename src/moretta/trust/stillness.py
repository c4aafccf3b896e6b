"""Does the picture of the face stand still? A frozen frame does for seconds, a living face never quite does.

Basis: ITU-T J.247 and Wolf, "A no reference (NR) and reduced reference (RR) metric for detecting dropped video frames", VPQM 2009
(low-resolution frame differences tell freezes from encoder noise).

Belongs here: change from frame to frame. Does not belong here: repeats of an earlier stretch, see `repetition`.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from moretta.core.values import FaceSample, Floats, Measurement, MediaKind
from moretta.trust.fingerprint import Fingerprinter
from moretta.trust.sampled import VIDEO

SPAN_S = 1.0
# Grey levels that noise may change a cell's mean by: sensor noise of 3.5 grey levels over 64 px. More is motion.
MOST_NOISE = 0.5
FAR_S = 0.5
NOISE_PERCENTILE = 25  # of the changes between neighbours: those that hold least motion
# Half a grey level beyond noise is motion; more of it says nothing more about a freeze.
ENOUGH = 0.5
FLOOR = 0.01  # grey levels, of a fingerprint cell that averages over a hundred pixels
MIN_OBSERVED_S = 1.5
WANTED_S = 4.0


@dataclass(frozen=True, slots=True)
class Stillness:
    """Value: log10 of the change (grey levels) over half a second and more, beyond noise, in the stillest second."""

    name: str = "frozen_frames"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "StillnessMeter":
        """A fresh meter for one track."""
        return StillnessMeter()


class StillnessMeter:
    """Keeps the fingerprints' distances of one second."""

    def __init__(self) -> None:
        self._fingerprinter = Fingerprinter()
        self._anchors: deque[tuple[float, Floats, float]] = deque()  # time, fingerprint, change since the one before
        self._first_s: float | None = None
        self._last_s = 0.0
        self._stillest: float | None = None

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""
        fingerprint, fresh = self._fingerprinter.take(sample)
        if fingerprint is None:
            return
        if fresh or (self._anchors and sample.time_s - self._last_s > 0.5):
            self._anchors.clear()
        if self._first_s is None:
            self._first_s = sample.time_s
        self._last_s = sample.time_s
        # At most 15 fingerprints a second are kept: the oldest within the span is what the newest is compared with.
        if not self._anchors or sample.time_s - self._anchors[-1][0] >= SPAN_S / 15:
            step = float(np.abs(fingerprint - self._anchors[-1][1]).mean()) if self._anchors else math.inf
            self._anchors.append((sample.time_s, fingerprint, step))
            self._compare()

    def measure(self) -> Measurement:
        """The stillest second so far."""
        observed_s = 0.0 if self._first_s is None else self._last_s - self._first_s
        if self._stillest is None or observed_s < MIN_OBSERVED_S:
            return Measurement(None, 0.0, "the face was in view too briefly to tell a frozen picture")
        value = math.log10(min(max(self._stillest, FLOOR), ENOUGH))
        return Measurement(value, min(1.0, observed_s / WANTED_S), detail={"observed_s": observed_s})

    def _compare(self) -> None:
        newest_s, newest, _ = self._anchors[-1]
        while len(self._anchors) > 1 and newest_s - self._anchors[1][0] >= SPAN_S - 1e-6:
            self._anchors.popleft()
        if newest_s - self._anchors[0][0] < SPAN_S - 1e-6:
            return
        far = [float(np.abs(newest - earlier).mean()) for time, earlier, _ in self._anchors if newest_s - time >= FAR_S]
        # Fresh noise makes neighbours differ as much as frames far apart; what is left is what moved meanwhile.
        steps = [step for _, _, step in list(self._anchors)[1:]]
        noise = min(float(np.percentile(steps, NOISE_PERCENTILE)), MOST_NOISE)
        moved = math.sqrt(max(0.0, float(np.mean(far)) ** 2 - noise**2))
        self._stillest = moved if self._stillest is None else min(self._stillest, moved)
