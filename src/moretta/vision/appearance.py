"""What a tracked person looks like, as far as the tracker needs it.

Belongs here: one running mean of embeddings per track, alive as long as the track.
Does not belong here: recognising anybody: nothing here outlives the media item or leaves the worker.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from moretta.core.ports import FaceEmbedder
from moretta.core.values import Floats, Frame, Pixels, TrackId

FIRST_LOOKS = 3  # looks taken at the short interval
SHORT_INTERVAL_S = 0.4
LONG_INTERVAL_S = 2.0
SWAP_MARGIN = 0.1  # how much better another track's person must fit before ids change hands
OWN_SHARE = 0.5  # below this share of the same-person threshold a face is not its track's person any more


@dataclass(slots=True)
class Identity:
    """Whose track it is: the id, a unit `reference` (d,) of the looks so far, and the ids it may be mixed up with."""

    track_id: TrackId
    reference: Floats | None = None
    looks: int = 0
    looked_ns: int = 0
    checked_ns: int = 0
    contradictions: int = 0
    contested: set[TrackId] = field(default_factory=set)

    def contest(self, other: "Identity") -> None:
        """Note that this and `other` may have been mixed up."""
        self.contested.add(other.track_id)
        other.contested.add(self.track_id)


class Appearance:
    """Compares faces by an embedder at a low cadence; without an embedder it knows nothing and says so by None."""

    def __init__(self, embedder: FaceEmbedder | None, same_person: float) -> None:
        self._embedder = embedder
        self._same_person = same_person

    def vector(self, pixels: Pixels, landmarks: Floats) -> Floats | None:
        """The unit vector of a face; None without an embedder or where the landmarks span nothing."""
        if self._embedder is None:
            return None
        try:
            return self._embedder.embed(pixels, landmarks).vector
        except ValueError:
            return None

    def likeness(self, identity: Identity, vector: Floats | None) -> float | None:
        """Cosine similarity (-1..1) of a face to the track's person; None where either is unknown."""
        if vector is None or identity.reference is None:
            return None
        return float(vector @ identity.reference)

    def same(self, likeness: float) -> bool:
        """Whether a likeness counts as the same person."""
        return likeness >= self._same_person

    def due(self, identity: Identity, frame: Frame) -> bool:
        """Whether to look again at a face that touches another; at the short interval."""
        if self._embedder is None or frame.time_ns - identity.checked_ns < SHORT_INTERVAL_S * 1e9:
            return False
        identity.checked_ns = frame.time_ns
        return True

    def remember(self, identity: Identity, frame: Frame, landmarks: Floats) -> bool:
        """Take another look, if the last one is long enough ago; False where it contradicts the person seen so far."""
        seldom = identity.looks >= FIRST_LOOKS and not identity.contradictions
        interval_s = LONG_INTERVAL_S if seldom else SHORT_INTERVAL_S
        if (identity.looks or identity.contradictions) and frame.time_ns - identity.looked_ns < interval_s * 1e9:
            return True
        identity.looked_ns = frame.time_ns
        vector = self.vector(frame.pixels, landmarks)
        if vector is None:
            return True
        likeness = self.likeness(identity, vector)
        if likeness is not None and likeness < self._same_person * OWN_SHARE:
            identity.contradictions += 1
            return False
        identity.contradictions = 0
        if likeness is None or self.same(likeness):
            total = vector if identity.reference is None else identity.reference * identity.looks + vector
            identity.reference = np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)
            identity.looks += 1
        return True

    def owner(self, identity: Identity, partners: Sequence[Identity], vector: Floats | None) -> int | None:
        """Whose face it is: None for the track's own (or unknown), an index into `partners`, or -1 for somebody new."""
        own = self.likeness(identity, vector)
        if own is None:
            return None
        others = [self.likeness(partner, vector) for partner in partners]
        rivals = [(likeness, i) for i, likeness in enumerate(others) if likeness is not None and self.same(likeness)]
        if rivals and max(rivals)[0] > own + SWAP_MARGIN:
            return max(rivals)[1]
        return -1 if own < self._same_person * OWN_SHARE else None
