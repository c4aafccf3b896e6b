"""Does the face stay the same person from one moment to the next? Swapped faces waver more, frozen ones not at all.

Basis: Dong et al., "Protecting celebrities from DeepFake with identity consistency transformer", CVPR 2022; Liu et al., "TI2Net:
temporal identity inconsistency network for deepfake detection", WACV 2023. Embeddings live in the meter only, one at a time.

Belongs here: the similarity of neighbouring embeddings. Does not belong here: who the person is.
"""

from dataclasses import dataclass

import numpy as np

from moretta.core.geometry import mesh_landmarks
from moretta.core.ports import FaceEmbedder
from moretta.core.series import BoundedSeries
from moretta.core.values import Embedding, FaceSample, Measurement, MediaKind
from moretta.trust.patches import face_width
from moretta.trust.sampled import VIDEO, Clock, Schedule

MIN_FACE_PX = 48.0  # smaller faces are enlarged by more than 1.5 for the embedder and waver by themselves
MIN_PAIRS = 3
WANTED_PAIRS = 10


@dataclass(frozen=True, slots=True)
class IdentityStability:
    """Value: median cosine similarity of embeddings half a second apart; low where the identity wavers."""

    embedder: FaceEmbedder
    name: str = "identity_stability"
    kinds: frozenset[MediaKind] = VIDEO

    def start(self) -> "IdentityMeter":
        """A fresh meter for one track."""
        return IdentityMeter(self.embedder)


class IdentityMeter:
    """Keeps one embedding and 128 similarities."""

    def __init__(self, embedder: FaceEmbedder) -> None:
        self._embedder = embedder
        self._clock = Clock(Schedule(0.5))
        self._last: Embedding | None = None
        self._similarities = BoundedSeries(128)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order; turned and tiny faces are left out."""
        if abs(sample.pose.yaw) > 35 or face_width(sample) < MIN_FACE_PX or not self._clock.due(sample.time_s):
            return
        landmarks = mesh_landmarks(sample.tracked.mesh.points)
        if not np.isfinite(landmarks).all():
            return
        current = self._embedder.embed(sample.frame.pixels, landmarks)
        if self._last is not None:
            self._similarities.add((float(current.vector @ self._last.vector),))
        self._last = current

    def measure(self) -> Measurement:
        """The median similarity; `detail` holds the lowest and the number of pairs."""
        count = len(self._similarities)
        if count < MIN_PAIRS:
            return Measurement(None, 0.0, "too few clear views to see whether the identity is stable", {"pairs": count})
        values = np.array(self._similarities.columns()[0], np.float64)
        detail = {"pairs": float(count), "lowest": float(values.min())}
        return Measurement(float(np.median(values)), min(1.0, count / WANTED_PAIRS), detail=detail)
