"""Fitting: a cue's value into a log-likelihood ratio, and the weights of the sum.

Belongs here: pure fitting, regularised for a handful of people. Does not belong here: where values come from.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

Values = npt.NDArray[np.float64]

KNOTS = 21
# Log-likelihood ratios that are added up must not be blown up: over 1 a weight says that a cue is more certain than it is.
MOST_WEIGHT = 1.2
MOST_NATS = 3.0  # odds of twenty: no single cue of a few dozen examples may claim more
# Share of a flat density mixed into both classes: what was never seen is no evidence.
FLAT_SHARE = 0.02


@dataclass(frozen=True, slots=True)
class Mapping:
    """Log-likelihood ratios (nats) at rising knots, straight lines between, flat beyond."""

    knots: Values
    log_ratios: Values

    def __call__(self, values: Values) -> Values:
        """The ratio at each of `values`."""
        return np.asarray(np.interp(values, self.knots, self.log_ratios), np.float64)


def fit_mapping(
    genuine: Values, attacks: Values, weights: Values, units: int, direction: int, alike: float = 0.0
) -> Mapping:
    """The ratio of two kernel densities, made monotone where the cue's basis says which side is genuine.

    Args:
        genuine: values of genuine items, shape (n,).
        attacks: values of attacks, shape (m,).
        weights: of the attacks, so that each species counts alike, shape (m,).
        units: number of different people behind the genuine values; few people give wide kernels and small ratios.
        direction: 1 where higher values speak for genuine, -1 where lower ones do, 0 where either extreme may not.
        alike: share (0-1) of genuine items known from elsewhere to look like attacks, whatever the few people here show.

    Returns:
        Ratios within +-`MOST_NATS`.
    """
    pooled = np.concatenate([genuine, attacks])
    low, high = np.percentile(pooled, [1, 99])
    spread = max(_robust_spread(genuine), 0.05 * float(high - low), 1e-6)
    # Silverman's rule with the number of people, not of clips: clips of one person are no independent evidence.
    # The second term: the next person differs from the few known ones by more than they do from each other.
    width = 1.06 * spread * max(units, 1) ** -0.2 + spread / np.sqrt(max(units, 1))
    knots = np.linspace(low - width, high + width, KNOTS)
    flat = FLAT_SHARE / float(knots[-1] - knots[0])
    p_genuine = (1 - FLAT_SHARE) * _density(knots, genuine, np.ones(len(genuine)), width) + flat
    p_attack = (1 - FLAT_SHARE) * _density(knots, attacks, weights, width) + flat
    p_genuine = (1 - alike) * p_genuine + alike * p_attack
    ratios = np.log(p_genuine / p_attack)
    if direction:
        ratios = direction * isotonic(direction * ratios, p_genuine + p_attack)
    shrunk = ratios * units / (units + 1)
    return Mapping(knots, np.clip(shrunk, -MOST_NATS, MOST_NATS))


def isotonic(values: Values, weights: Values) -> Values:
    """The rising sequence nearest to `values` in weighted squares. Source: pool adjacent violators, Ayer et al. 1955."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, mass, length = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, mass_before, length_before = blocks.pop()
            mean = (mean * mass + before * mass_before) / (mass + mass_before)
            mass, length = mass + mass_before, length + length_before
        blocks.append((mean, mass, length))
    return np.concatenate([np.full(length, mean) for mean, _, length in blocks])


@dataclass(frozen=True, slots=True)
class Weights:
    """A weight of at least 0 for each column, and the intercept."""

    columns: Values
    intercept: float

    def __call__(self, evidence: Values) -> Values:
        """The summed log-likelihood ratio of each row of `evidence`."""
        return np.asarray(evidence @ self.columns + self.intercept, np.float64)


def fit_weights(
    evidence: Values,
    genuine: npt.NDArray[np.bool_],
    weights: Values,
    penalty: float,
    prior: Values,
    most: Values | None = None,
) -> Weights:
    """Logistic regression with weights of at least 0, drawn towards a `prior` weight of each column.

    Args:
        evidence: log-likelihood ratios times coverage, 0 where a cue did not vote, shape (n, k).
        genuine: which rows are genuine, shape (n,).
        weights: of the rows, shape (n,); they set the prior odds.
        penalty: of squared distances from `prior`, in nats per item.
        prior: what each column deserves where the data cannot say more, shape (k,): 1 for evidence that stands alone, less
            for evidence that others repeat.
        most: the largest weight of each column, shape (k,); `MOST_WEIGHT` where None.
    """
    sign = np.where(genuine, 1.0, -1.0)
    share = weights / weights.sum()

    def cost(parameters: Values) -> tuple[float, Values]:
        columns, intercept = parameters[:-1], parameters[-1]
        margin = sign * (evidence @ columns + intercept)
        value = float(share @ np.logaddexp(0, -margin)) + penalty * float(((columns - prior) ** 2).sum() + intercept**2)
        slope = -share * sign / (1 + np.exp(np.clip(margin, -500, 500)))
        gradient = np.append(
            evidence.T @ slope + 2 * penalty * (columns - prior), slope.sum() + 2 * penalty * intercept
        )
        return value, gradient

    start = np.append(np.minimum(prior, MOST_WEIGHT if most is None else most), 0.0)
    limits = np.full(evidence.shape[1], MOST_WEIGHT) if most is None else most
    bounds = [*((0.0, float(limit)) for limit in limits), (None, None)]
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return Weights(np.asarray(found.x[:-1], np.float64), float(found.x[-1]))


def _robust_spread(values: Values) -> float:
    quarter, three_quarters = np.percentile(values, [25, 75])
    return float(min(np.std(values), (three_quarters - quarter) / 1.349)) or float(np.std(values))


def _density(places: Values, values: Values, weights: Values, width: float) -> Values:
    distance = (places[:, None] - values[None]) / width
    # Student's t of three degrees of freedom: another person may well lie two widths away, hardly ten.
    kernel = 0.36755 / width / (1 + distance**2 / 3) ** 2
    return np.asarray(kernel @ (weights / weights.sum()), np.float64)
