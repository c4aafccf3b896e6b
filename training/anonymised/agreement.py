"""Whether two series of one person say the same.

Belongs here: correlations and matched blinks. Does not belong here: where the series come from.
"""

from collections.abc import Iterable

import numpy as np

from moretta.core.values import FaceSample
from moretta.signals.blinks import BlinkMeter

SAME_BLINK_S = 0.2  # starts that lie closer are of one blink


def same(one: np.ndarray, other: np.ndarray) -> float:
    """Pearson's correlation where both are known; NaN where one does not vary."""
    known = np.isfinite(one) & np.isfinite(other)
    one, other = one[known], other[known]
    if len(one) < 3 or one.std() < 1e-9 or other.std() < 1e-9:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def blinks_of(samples: Iterable[FaceSample]) -> tuple[float, ...]:
    """When blinks begin, s."""
    meter = BlinkMeter()
    for sample in samples:
        meter.observe(sample)
    return meter.estimate().times_s


def matched(before: tuple[float, ...], after: tuple[float, ...]) -> tuple[int, int, int]:
    """How many blinks are in both, in the first, in the second."""
    left = list(after)
    both = 0
    for start in before:
        near = [other for other in left if abs(other - start) <= SAME_BLINK_S]
        if near:
            left.remove(min(near, key=lambda other: abs(other - start)))
            both += 1
    return both, len(before), len(after)
