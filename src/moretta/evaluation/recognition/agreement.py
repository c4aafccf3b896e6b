"""Whether a protected scheme decides as the unprotected comparison does, and what protection costs (ISO/IEC 30136).

Belongs here: comparing decisions. Does not belong here: making them.

A protected scheme tells decisions, not scores. So each comparison is decided at a ladder of thresholds, those that the plain
similarities were given their rates at, and what is kept is how many of them it reached.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.evaluation.recognition.comparisons import Pairs, Scores
from moretta.evaluation.recognition.intervals import Interval, share_interval

Reached = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Decisions of a scheme at one threshold beside those of the plain similarities.

    `differing` of `comparisons` were decided otherwise; `outside_error` of them lie further from the threshold than the
    scheme's stated error allows. `fnmr_change` is the scheme's FNMR less the plain one, with its interval by subject.
    """

    threshold: float
    comparisons: int
    fmr: float
    fnmr: float
    differing: int
    outside_error: int
    fnmr_change: float
    fnmr_change_interval: Interval


def ladder_of(scores: Scores, thresholds: Sequence[float]) -> Reached:
    """How many of the rising `thresholds` each score reaches; the decisions of a scheme without error.

    Raises:
        ValueError: the thresholds do not rise.
    """
    if list(thresholds) != sorted(thresholds):
        raise ValueError("expected rising thresholds")
    return np.searchsorted(np.array(thresholds), scores.astype(np.float64), "right").astype(np.int16)


def agreements(
    scores: Scores, reached: Reached, pairs: Pairs, thresholds: Sequence[float], error: float
) -> list[Agreement]:
    """The agreement at each of the rising `thresholds`.

    Args:
        scores: plain similarities, one for each pair, shape (n,).
        reached: how many thresholds the scheme says that each pair reached, shape (n,).
        pairs: who is compared.
        thresholds: similarities.
        error: the largest error of a similarity that the scheme states.
    """
    plain = ladder_of(scores, thresholds)
    return [_agreement(scores, plain > i, reached > i, pairs, value, error) for i, value in enumerate(thresholds)]


def _agreement(
    scores: Scores,
    plain: npt.NDArray[np.bool_],
    told: npt.NDArray[np.bool_],
    pairs: Pairs,
    threshold: float,
    error: float,
) -> Agreement:
    differing = plain != told
    outside = differing & (np.abs(scores - threshold) > error)
    change = plain[pairs.same].astype(np.float64) - told[pairs.same]
    return Agreement(
        threshold=threshold,
        comparisons=len(scores),
        fmr=float(np.mean(told[~pairs.same])),
        fnmr=float(np.mean(~told[pairs.same])),
        differing=int(differing.sum()),
        outside_error=int(outside.sum()),
        fnmr_change=float(change.mean()),
        fnmr_change_interval=share_interval(change, pairs.subjects[pairs.first[pairs.same]]),
    )
