"""Presentation attack detection metrics in the terms of ISO/IEC 30107-3, and how well scores are calibrated.

Belongs here: pure functions of scores. A score is higher for genuine (bona fide); an attack is accepted where its score
reaches the threshold. Does not belong here: making or measuring media.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]


def apcer(attacks: Scores, threshold: float) -> float:
    """Attack presentation classification error rate: the share (0-1) of one species' attacks accepted at `threshold`."""
    return float(np.mean(attacks >= threshold))


def bpcer(genuine: Scores, threshold: float) -> float:
    """Bona fide presentation classification error rate: the share (0-1) of genuine items rejected at `threshold`."""
    return float(np.mean(genuine < threshold))


def worst_apcer(species: Mapping[str, Scores], threshold: float) -> float:
    """The largest APCER of any species, which is the one that the standard asks to be reported."""
    return max(apcer(scores, threshold) for scores in species.values())


def threshold_at_apcer(species: Mapping[str, Scores], target: float) -> float:
    """The lowest threshold at which no species' APCER exceeds `target` (0-1).

    Raises:
        ValueError: no species, or one without a score.
    """
    if not species or any(len(scores) == 0 for scores in species.values()):
        raise ValueError("expected at least one attack of each species")
    threshold = -np.inf
    for scores in species.values():
        ordered = np.sort(scores)[::-1]
        allowed = int(np.floor(target * len(ordered) + 1e-9))
        if allowed < len(ordered):
            threshold = max(threshold, float(np.nextafter(ordered[allowed], np.inf)))
    return threshold


def bpcer_at_apcer(genuine: Scores, species: Mapping[str, Scores], target: float) -> float:
    """BPCER at the threshold at which the worst species' APCER is at most `target`."""
    return bpcer(genuine, threshold_at_apcer(species, target))


def auc(genuine: Scores, attacks: Scores) -> float:
    """The probability (0-1) that a genuine item scores above an attack, ties counting half. Source: Mann and Whitney 1947.

    Raises:
        ValueError: no score of one kind.
    """
    if len(genuine) == 0 or len(attacks) == 0:
        raise ValueError("expected scores of both classes")
    ordered = np.sort(attacks)
    below = np.searchsorted(ordered, genuine, "left")
    up_to = np.searchsorted(ordered, genuine, "right")
    return float((below + up_to).mean() / 2 / len(attacks))


def cllr(genuine: Scores, attacks: Scores) -> float:
    """Cost of log-likelihood ratios in bits: 0 is perfect, 1 is a coin. Source: Brümmer and du Preez 2006, eq. 14.

    Args:
        genuine: natural-log likelihood ratios of genuine items, shape (n,).
        attacks: those of attacks, shape (m,).
    """
    costs = np.mean(np.logaddexp(0, -genuine)), np.mean(np.logaddexp(0, attacks))
    return float((costs[0] + costs[1]) / 2 / np.log(2))


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Items whose probability lies in `low`..`high`: their `share` of all, mean probability, and the part that is genuine."""

    low: float
    high: float
    share: float
    predicted: float
    observed: float


def reliability(
    probabilities: Scores, genuine: npt.NDArray[np.bool_], weights: Scores, bins: int = 5
) -> list[ReliabilityBin]:
    """The reliability diagram of `probabilities` of being genuine; empty bins are left out. `weights` set the prior."""
    edges = np.linspace(0, 1, bins + 1)
    places = np.clip(np.digitize(probabilities, edges) - 1, 0, bins - 1)
    found = []
    for place in range(bins):
        inside = places == place
        weight = weights[inside]
        if weight.sum() > 0:
            predicted = float(np.average(probabilities[inside], weights=weight))
            observed = float(np.average(genuine[inside].astype(np.float64), weights=weight))
            share = float(weight.sum() / weights.sum())
            found.append(ReliabilityBin(float(edges[place]), float(edges[place + 1]), share, predicted, observed))
    return found


def expected_calibration_error(bins: Sequence[ReliabilityBin]) -> float:
    """Mean distance (0-1) between predicted and observed over `bins`. Source: Naeini, Cooper and Hauskrecht, AAAI 2015."""
    return sum(found.share * abs(found.predicted - found.observed) for found in bins)


def balanced_weights(groups: Sequence[str], genuine: str = "genuine") -> Scores:
    """Weights under which genuine items and attacks count half each, and every species alike."""
    names, counts = np.unique(np.array(groups), return_counts=True)
    size = dict(zip(names.tolist(), counts.tolist(), strict=True))
    species = len(size) - (genuine in size)
    shares = {name: 0.5 if name == genuine else 0.5 / max(1, species) for name in size}
    return np.array([shares[group] / size[group] for group in groups], np.float64)


def bootstrap_interval(
    units: Sequence[str],
    statistic: Callable[[npt.NDArray[np.intp]], float],
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of `statistic` under drawing whole units (people, clips) with replacement.

    Args:
        units: the unit of each item; items of one unit are drawn together, as they are no independent evidence.
        statistic: of the indices of the drawn items; a draw for which it raises ValueError (a class is missing) is repeated.
        draws: number of draws.
        seed: of the draws.

    Returns:
        The 2.5th and 97.5th percentile; NaN where hardly any draw had both classes. With few units the interval is too
        narrow (Cameron, Gelbach and Miller 2008), so say how many there were.
    """
    names = np.unique(np.array(units))
    members = [np.flatnonzero(np.array(units) == name) for name in names]
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(3 * draws):
        chosen = rng.integers(0, len(members), len(members))
        try:
            values.append(statistic(np.concatenate([members[i] for i in chosen])))
        except ValueError:
            continue
        if len(values) == draws:
            break
    if len(values) < draws // 10:
        return float("nan"), float("nan")
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
