"""Error rates of verification in the terms of ISO/IEC 19795-1, and the thresholds at which they are met.

Belongs here: pure functions of similarities. Two faces match where their similarity reaches the threshold.
Does not belong here: confidence (see `intervals`), which pairs are compared (see `comparisons`).
"""

import math
from dataclasses import dataclass

import numpy as np

from moretta.evaluation.recognition.comparisons import Scores

FMR_TARGETS = (1e-2, 1e-3, 1e-4)
# "Rule of 30" (Doddington et al. 2000): with 30 errors the true rate lies within 30 % of the measured one, at 90 %.
LEAST_ERRORS = 30
DET_POINTS = 60


@dataclass(frozen=True, slots=True)
class DetPoint:
    """One point of a detection error trade-off curve."""

    threshold: float
    fmr: float
    fnmr: float


def fmr(impostor: Scores, threshold: float) -> float:
    """False match rate: the share (0-1) of impostor comparisons that reach `threshold`."""
    return float(np.mean(impostor >= threshold))


def fnmr(genuine: Scores, threshold: float) -> float:
    """False non-match rate: the share (0-1) of genuine comparisons that do not reach `threshold`."""
    return float(np.mean(genuine < threshold))


def threshold_at_fmr(impostor: Scores, target: float) -> float:
    """A threshold at which the FMR does not exceed `target` (0-1), half-way between the scores that decide about it.

    Raises:
        ValueError: there is no impostor score.
    """
    if len(impostor) == 0:
        raise ValueError("expected impostor scores, got none: the photos show fewer than two people")
    allowed = math.floor(target * len(impostor) + 1e-9)
    if allowed >= len(impostor):
        return float(impostor.min())
    place = len(impostor) - 1 - allowed
    ordered = np.partition(impostor, [place, min(place + 1, len(impostor) - 1)])
    return between(float(ordered[place]), float(ordered[place + 1]) if allowed else None)


def between(refused: float, accepted: float | None) -> float:
    """A threshold that refuses a float32 score `refused` and accepts `accepted`, the next higher one, where they differ.

    Half-way between them: another order of rounding decides about neither.
    """
    just_above = float(np.nextafter(np.float32(refused), np.float32(np.inf)))
    return just_above if accepted is None else max(just_above, (refused + accepted) / 2)


def unsupported(impostors: int, target: float) -> str | None:
    """Why so few impostor comparisons say nothing about an FMR of `target`; None where they do."""
    expected = impostors * target
    if expected >= LEAST_ERRORS * (1 - 1e-9):
        return None
    return (
        f"{impostors} impostor comparisons give {expected:.1f} expected false matches at FMR {target:g}; "
        f"at least {LEAST_ERRORS} are needed"
    )


def equal_error(genuine: Scores, impostor: Scores) -> tuple[float, float]:
    """The equal error rate (0-1) and its threshold: where FMR and FNMR come closest, and their mean there.

    Raises:
        ValueError: one of the two has no score.
    """
    if len(genuine) == 0 or len(impostor) == 0:
        raise ValueError("expected genuine and impostor scores, got none of one kind")
    mates, others = np.sort(genuine), np.sort(impostor)
    places = np.sort(np.concatenate([mates, others]))

    def rates(index: int) -> tuple[float, float]:
        threshold = places[index]
        missed = int(np.searchsorted(mates, threshold, "left")) / len(mates)
        return 1 - int(np.searchsorted(others, threshold, "left")) / len(others), missed

    low, high = 0, len(places) - 1
    while low < high:  # the FMR falls and the FNMR rises with the threshold
        middle = (low + high) // 2
        false_match, missed = rates(middle)
        low, high = (low, middle) if missed >= false_match else (middle + 1, high)
    index = min((low, max(low - 1, 0)), key=lambda place: abs(rates(place)[0] - rates(place)[1]))
    return sum(rates(index)) / 2, float(places[index])


def det_curve(genuine: Scores, impostor: Scores, points: int = DET_POINTS) -> list[DetPoint]:
    """The curve from FMR 1 down to what the impostor scores support, at FMRs evenly spaced on a logarithmic scale."""
    least = min(LEAST_ERRORS / len(impostor), 1.0)
    targets = np.geomspace(1.0, least, points)
    thresholds = [threshold_at_fmr(impostor, float(target)) for target in targets]
    return [DetPoint(threshold, fmr(impostor, threshold), fnmr(genuine, threshold)) for threshold in thresholds]
