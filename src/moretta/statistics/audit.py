"""Whether the guarantee holds in practice: a lower bound on epsilon from what comes out.

Belongs here: the bound, from figures released many times over of two streams that differ by one visit. Does not belong here:
making the streams and releases (see `tests/statistical`).

Whoever guesses from a release which of the two streams it is of has a rate of true guesses TPR and of false ones FPR, and an
(epsilon, delta)-private release allows no guess with TPR > exp(epsilon) * FPR + delta (Kairouz, Oh and Viswanath, ICML 2015,
theorem 2.1). So epsilon >= ln((TPR - delta) / FPR); with the Clopper-Pearson lower bound of TPR and upper bound of FPR, each at
half of the error that is allowed, that holds of the true epsilon with the stated confidence (Jagielski, Ullman and Oprea, NeurIPS
2020, section 4).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.errors import RequestInvalid

Scores = npt.NDArray[np.float64]

_THRESHOLDS = 49


@dataclass(frozen=True, slots=True)
class LowerBound:
    """`epsilon` is exceeded by the true one with at least `confidence`; `trials` guesses were made on each of the streams."""

    epsilon: float
    true_rate: float
    false_rate: float
    trials: int
    confidence: float


def lower_bound(
    with_visit: Sequence[float], without: Sequence[float], *, confidence: float = 0.999, delta: float = 0.0
) -> LowerBound:
    """The lower bound on epsilon from the scores of releases of a stream with one visit more, and of one without it.

    Two guesses are tried: "with" where the score is above a threshold, and "without" where it is below. The first half of the
    scores chooses the guess, only the second half is counted, so that the choice costs no confidence.

    Args:
        with_visit: one score of each release; a higher one speaks for the visit, as `likelihood_score` does.
        without: the same of the stream without the visit.
        confidence: of the whole bound.
        delta: what the mechanism claims besides epsilon.
    Raises:
        RequestInvalid: fewer than 100 scores of a stream.
    """
    if min(len(with_visit), len(without)) < 100:
        raise RequestInvalid(f"expected at least 100 scores of each stream, got {len(with_visit)} and {len(without)}")
    one, other = np.asarray(with_visit, np.float64), np.asarray(without, np.float64)
    guesses = ((one, other), (-other, -one))
    alpha = (1 - confidence) / 2
    best = [_best_threshold(true[: len(true) // 2], false[: len(false) // 2], alpha, delta) for true, false in guesses]
    guess = max((0, 1), key=lambda number: best[number][1])
    true, false = guesses[guess]
    true, false = true[len(true) // 2 :], false[len(false) // 2 :]
    hits, alarms = int(np.sum(true > best[guess][0])), int(np.sum(false > best[guess][0]))
    epsilon = _bound(hits, len(true), alarms, len(false), alpha, delta)
    return LowerBound(epsilon, hits / len(true), alarms / len(false), min(len(true), len(false)), confidence)


def likelihood_score(
    values: Sequence[int], scales: Sequence[float], with_visit: Sequence[int], without: Sequence[int]
) -> float:
    """The logarithm of how much more likely `values` are noisy figures of the true ones `with_visit` than of `without`.

    No other score tells the two apart better (Neyman and Pearson 1933). `scales`: that of each value's discrete Laplace noise.
    """
    noisy, scale = np.asarray(values, np.float64), np.asarray(scales, np.float64)
    distance = np.abs(noisy - np.asarray(without, np.float64)) - np.abs(noisy - np.asarray(with_visit, np.float64))
    return float(np.sum(distance / scale))


def clopper_pearson(hits: int, trials: int, alpha: float) -> tuple[float, float]:
    """The lower and the upper bound of a rate, each by itself wrong with probability `alpha` at most.

    Source: Clopper and Pearson, Biometrika 1934, by quantiles of the beta distribution.
    """
    from scipy.special import betaincinv

    lower = float(betaincinv(hits, trials - hits + 1, alpha)) if hits else 0.0
    upper = float(betaincinv(hits + 1, trials - hits, 1 - alpha)) if hits < trials else 1.0
    return lower, upper


def _best_threshold(true: Scores, false: Scores, alpha: float, delta: float) -> tuple[float, float]:
    """The threshold with the highest bound on these scores, of so many quantiles that chance has little to choose from."""
    thresholds = np.unique(np.quantile(np.concatenate([true, false]), np.linspace(0.02, 0.98, _THRESHOLDS)))
    bounds = [
        _bound(int(np.sum(true > at)), len(true), int(np.sum(false > at)), len(false), alpha, delta)
        for at in thresholds
    ]
    best = int(np.argmax(bounds))
    return float(thresholds[best]), bounds[best]


def _bound(hits: int, trials: int, alarms: int, others: int, alpha: float, delta: float) -> float:
    lowest = clopper_pearson(hits, trials, alpha)[0] - delta
    return math.log(lowest / clopper_pearson(alarms, others, alpha)[1]) if lowest > 0 else -math.inf
