"""What each protection scheme decides about the photos of an evaluation, with real keys through its real three sides.

Belongs here: asking a gallery for decisions. Does not belong here: making the gallery, judging the decisions.

Every template is enrolled as a reference and searched for as a probe in a gallery of all of them, under a key made for this
and thrown away. No score is taken from an opening side: it is asked for decisions, at rising thresholds, through the bands that
its port offers (a match tells how many of them it reaches); a scheme that opens bare decisions is asked once for each threshold.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from moretta.core.protection import OpenTerms, ProtectedProbe, Scheme, TemplateProtector
from moretta.core.values import Embedding
from moretta.evaluation.recognition.comparisons import Vectors
from moretta.wiring.trial_galleries import Trial, trial

Decisions = npt.NDArray[np.int16]
Tell = Callable[[str, int, int], None]
Decide = Callable[[Scheme, Vectors, str, Sequence[float], Tell], Decisions]

# A scheme that opens bare decisions compares anew for each threshold, so it is asked for few.
BARE_DECISIONS = frozenset({Scheme.SHARES})


def decisions(scheme: Scheme, vectors: Vectors, model_id: str, thresholds: Sequence[float], tell: Tell) -> Decisions:
    """How many of the rising `thresholds` each comparison reached, shape (n, n): row i is probe i, column j reference j.

    Args:
        scheme: any; `shares` runs its three parties in this process.
        vectors: unit vectors, shape (n, d).
        model_id: what made them.
        thresholds: similarities.
        tell: called as the work goes on.
    """
    embeddings = [Embedding(vector, model_id) for vector in vectors]

    def references(protecting: TemplateProtector) -> list[bytes]:
        payloads = []
        for done, embedding in enumerate(embeddings):
            tell(f"{scheme}: enrolling", done, len(embeddings))
            payloads.append(protecting.protect_reference(embedding).payload)
        return payloads

    reached = np.zeros((len(embeddings), len(embeddings)), np.int16)
    with trial(scheme, model_id, vectors.shape[1], references) as gallery:
        for done, embedding in enumerate(embeddings):
            tell(f"{scheme}: comparing", done, len(embeddings))
            probe = gallery.protecting.protect_probe(embedding)
            for row, steps in _reached(gallery, probe, thresholds, len(embeddings)):
                reached[done, row] = max(reached[done, row], steps)
    tell(f"{scheme}: comparing", len(embeddings), len(embeddings))
    return reached


def _reached(
    gallery: Trial, probe: ProtectedProbe, thresholds: Sequence[float], limit: int
) -> Iterator[tuple[int, int]]:
    """The rows that reach any threshold, and how many they reach."""
    lowest, *higher = thresholds
    opened = gallery.key.open(gallery.compare(probe, lowest), OpenTerms(lowest, limit, tuple(higher)))
    if not higher or all(match.band is not None for match in opened):
        yield from ((match.row, 1 + (match.band or 0)) for match in opened)
        return
    yield from ((match.row, 1) for match in opened)
    for steps, threshold in enumerate(higher, 2):
        again = gallery.key.open(gallery.compare(probe, threshold), OpenTerms(threshold, limit))
        yield from ((match.row, steps) for match in again)
