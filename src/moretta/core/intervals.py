"""How far a noisy figure may be from the truth, and which figures are too small to be shown.

Belongs here: exact quantiles of discrete Laplace noise and of sums of it, suppression. Does not belong here: drawing noise (see
`statistics.noise`), laying out a table.

The discrete Laplace distribution of scale b gives an integer k the probability (1 - p) / (1 + p) * p^|k| with p = exp(-1/b)
(Ghosh, Roughgarden and Sundararajan, STOC 2009). The discrete Fourier transform of its probability mass is known in closed
form, that of a sum is the product, and what lies within ±w is the sum over the transform times the Dirichlet kernel: exact, up
to the mass outside the transform's length, without ever holding the mass itself.
"""

import math
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from moretta.core.errors import RequestInvalid
from moretta.core.statistics import MEASURES, Measure

Reals = npt.NDArray[np.float64]

CONFIDENCE = 0.95
# Mass outside the transform's length, and where the transform is cut off: what is lost there is less than the transform's value
# at the cut, as it falls at least with the square of the angle. Both are far below what a confidence is quoted to.
_NEGLIGIBLE = 1e-10


def half_width(scales: Iterable[float], confidence: float = CONFIDENCE) -> int:
    """The least w so that the sum of independent discrete Laplace noises of these scales lies within ±w with `confidence`.

    Args:
        scales: one for each noise that is added up; that of a table for one cell of it, those of all tables for their sum.
        confidence: above 0 and at most 0.9999.
    Raises:
        RequestInvalid: a scale that is not above 0, or a confidence out of range.
    """
    counted = tuple(sorted(Counter(scales).items()))
    if not 0 < confidence <= 0.9999 or any(not 0 < scale < 1e12 for scale, _ in counted):
        raise RequestInvalid(f"expected scales above 0 and a confidence above 0 and up to 0.9999, got {confidence:g}")
    return _half_width(counted, confidence)


def least_shown(measure: Measure, least_cell: float, width: float = 0.0) -> float:
    """The least noisy figure that is large enough to be shown: `least_cell` people, and more than its interval is wide on
    either side.

    A figure whose interval reaches down to nothing cannot be told from it. Figures in seconds are held against `least_cell`
    people who each add all they may.
    """
    terms = MEASURES[measure]
    return max(least_cell * (terms.cap if terms.unit == "seconds" else 1), width + 1)


def shown(measure: Measure, value: int, least_cell: float, width: float = 0.0) -> bool:
    """Whether a noisy figure is large enough to be shown."""
    return value >= least_shown(measure, least_cell, width)


@lru_cache(maxsize=4096)
def _half_width(counted: tuple[tuple[float, int], ...], confidence: float) -> int:
    if not counted:
        return 0
    if len(counted) == 1 and counted[0][1] == 1:
        return _single(counted[0][0], confidence)
    length, angles, transform = _transform(counted)
    low, high = 0, length // 2
    while low < high:
        middle = (low + high) // 2
        if _within(middle, length, angles, transform) >= confidence:
            high = middle
        else:
            low = middle + 1
    return low


def _single(scale: float, confidence: float) -> int:
    """P(|X| <= w) = 1 - 2 p^(w+1) / (1 + p), solved for w."""
    p = math.exp(-1 / scale)
    return max(0, math.ceil(-scale * math.log((1 - confidence) * (1 + p) / 2) - 1 - 1e-9))


def _transform(counted: tuple[tuple[float, int], ...]) -> tuple[int, Reals, Reals]:
    """The transform's length, and its angles above 0 and values there as far as they are not negligible."""
    variance, widest = 0.0, max(scale for scale, _ in counted)
    for scale, count in counted:
        p = math.exp(-1 / scale)
        variance += count * 2 * p / (1 - p) ** 2
    # Bernstein's bound for sums of Laplace noise leaves less than 1e-10 outside.
    reach = 7 * math.sqrt(variance) + 50 * widest + 2
    length = 2 ** math.ceil(math.log2(2 * reach))
    used = _last_used(counted, length)
    angles = 2 * np.pi / length * np.arange(1, used + 1)
    logarithms = np.zeros(used)
    for scale, count in counted:
        logarithms += count * _log_characteristic(scale, angles)
    return length, angles, np.exp(logarithms)


def _log_characteristic(scale: float, angles: Reals) -> Reals:
    """ln of (1-p)^2 / (1 - 2 p cos t + p^2), written so that it keeps its precision where p is close to 1."""
    p = math.exp(-1 / scale)
    return np.asarray(-np.log1p(4 * p * np.sin(angles / 2) ** 2 / math.expm1(-1 / scale) ** 2))


def _last_used(counted: tuple[tuple[float, int], ...], length: int) -> int:
    """The transform falls with the angle: how many of its values, up to half of the length, are not negligible."""
    low, high = 1, length // 2
    while low < high:
        middle = (low + high + 1) // 2
        angle = np.array([2 * np.pi / length * middle])
        logarithm = sum(count * float(_log_characteristic(scale, angle)[0]) for scale, count in counted)
        if logarithm > math.log(_NEGLIGIBLE):
            low = middle
        else:
            high = middle - 1
    return low


def _within(width: int, length: int, angles: Reals, transform: Reals) -> float:
    kernel = np.sin((width + 0.5) * angles) / np.sin(angles / 2)
    weights = np.full(len(angles), 2.0)
    if len(angles) == length // 2:
        weights[-1] = 1.0  # the middle frequency has no mirror image
    return float((2 * width + 1 + np.dot(weights, kernel * transform)) / length)
