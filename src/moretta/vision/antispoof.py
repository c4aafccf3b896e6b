"""A passive presentation-attack score of single frames.

Belongs here: the `AttackScorer`. Does not belong here: what its score is worth as evidence (see `moretta.trust`).
"""

import numpy as np

from moretta.core.values import Pixels, TrackedFace
from moretta.vision.align import squared
from moretta.vision.detect import Session

SIDE = 256


class FaceAntiSpoofing:
    """Deep tree learning for zero-shot face anti-spoofing (Liu et al. 2019), an `AttackScorer`.

    Args:
        session: input (1, 256, 256, 3) in 0-1; outputs the class predictions (1, 8) and the leaf mask (1, 8).
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def score(self, pixels: Pixels, tracked: TrackedFace) -> float:
        """0 (genuine) to 1 (attack). Bimodal: evidence to be calibrated, never a verdict."""
        crop = squared(pixels, tracked.face.box, SIDE).astype(np.float32) / np.float32(255)
        predictions, leaves = self._session(crop[None])
        # The mask picks the leaf of the tree in which the face ended; its prediction can overshoot 1 by some hundredths.
        return float(np.clip((np.abs(predictions) * leaves).sum(), 0.0, 1.0))
