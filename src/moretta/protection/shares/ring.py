"""Templates as integers that the protocol can compute with, and the limits that it enforces on them.

Belongs here: scale, quantisation, the norm's tolerance, thresholds as integers. Does not belong here: shares.

A score is the dot product of two quantised vectors and lives in the ring of integers modulo 2^16. With every self-dot at most
UNIT + TOLERANCE, a score is at most that too (Cauchy-Schwarz), and score - threshold stays within a signed 16-bit integer for
every threshold between -1 and 1: 2 * UNIT + TOLERANCE = 32,642 < 32,768. At scale 181 it does not, and a negated probe wraps
around and is accepted.
"""

import math

import numpy as np
import numpy.typing as npt

from moretta.core.errors import ProbeRejected
from moretta.core.values import Floats
from moretta.protection.quantise import SHARES_SCALE, quantised

Ring16 = npt.NDArray[np.uint16]
Ring32 = npt.NDArray[np.uint32]

UNIT = SHARES_SCALE**2
# Rounding moves the self-dot by 254 * (v . e) + (e . e), where e is the rounding error: at d = 512 by 43 on average with a
# standard deviation of 73. What lies further off is stepped back by `template_integers`, so the tolerance always holds.
TOLERANCE = 384
LOWEST, HIGHEST = -128, 127


def template_integers(unit: npt.NDArray[np.floating] | Floats) -> npt.NDArray[np.int64]:
    """A unit vector (float, shape (d,)) at the scale of `shares`, int64, with a self-dot of UNIT within TOLERANCE.

    Where rounding leaves the self-dot further off, coordinates of small magnitude are rounded the other way, those nearest to
    the middle between two integers first: each changes it by little and the similarity by less.

    Raises:
        ProbeRejected: no rounding comes within TOLERANCE: the vector is not of unit length.
    """
    scaled = np.asarray(unit, dtype=np.float64) * SHARES_SCALE
    whole = quantised(np.asarray(unit), SHARES_SCALE)
    excess = int(whole @ whole) - UNIT
    if abs(excess) <= TOLERANCE:
        return whole
    for at in np.argsort(-np.abs(scaled - whole), kind="stable"):
        # Towards zero where the vector is too long, away from it where it is too short.
        sign = 1 if scaled[at] >= 0 else -1
        step = -sign if excess > 0 else sign
        change = 2 * int(whole[at]) * step + 1
        within = LOWEST < whole[at] + step <= HIGHEST
        if within and change * excess < 0 and abs(change) <= TOLERANCE and step * (scaled[at] - whole[at]) >= 0:
            whole[at] += step
            excess += change
        if abs(excess) <= TOLERANCE:
            return whole
    raise ProbeRejected("expected an embedding of unit norm; normalise it before it is protected")


def threshold_integer(threshold: float) -> int:
    """The least score that reaches a similarity.

    Raises:
        ProbeRejected: not between -1 and 1.
    """
    if not -1 <= threshold <= 1:  # also where it is not a number
        raise ProbeRejected("expected a threshold between -1 and 1; set the collection's thresholds")
    return math.ceil(threshold * UNIT - 1e-9)
