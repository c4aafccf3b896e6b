"""What has been spent of a privacy budget, and how privacy losses add up.

Belongs here: pure sums over charges, and conversions between definitions of privacy. Does not belong here: keeping charges (see
`core.statistics.BudgetStore`), drawing noise (see `statistics`).
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from moretta.core.errors import RequestInvalid
from moretta.core.statistics import Charge


def spent(charges: Iterable[Charge]) -> float:
    """The most that `charges`, all of one site and day, spent on anybody who stayed before its cameras.

    Buckets are about disjoint visits: of charges on different buckets only the greatest counts. Charges on the same bucket add
    up, those on live counters add up, and so do unpartitioned ones, also those of different sessions: a restart cuts a stay
    into two visits, and whoever stayed must not pay twice unseen.

    Source: McSherry, Privacy integrated queries, SIGMOD 2009, theorems 3 (sequential) and 4 (parallel composition).
    """
    on_all: list[float] = []
    on_bucket: dict[str, list[float]] = defaultdict(list)
    for charge in charges:
        _, _, bucket = (charge.partition or "").partition("/")
        (on_bucket[bucket] if bucket else on_all).append(charge.epsilon)
    return math.fsum(on_all) + max((math.fsum(bucket) for bucket in on_bucket.values()), default=0.0)


def composed(epsilons: Iterable[float]) -> float:
    """The loss of several releases about the same visits: their sum.

    Source: Dwork and Roth, The algorithmic foundations of differential privacy, 2014, theorem 3.14.
    """
    return math.fsum(epsilons)


def zcdp_epsilon(rho: float, delta: float) -> float:
    """The epsilon at `delta` of a mechanism that is rho-zCDP.

    Raises:
        RequestInvalid: a negative rho, or a delta outside (0, 1).
    Source: Bun and Steinke, Concentrated differential privacy, TCC 2016, proposition 1.3.
    """
    if rho < 0 or not 0 < delta < 1:
        raise RequestInvalid(f"expected rho of at least 0 and delta between 0 and 1, got {rho:g} and {delta:g}")
    return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def laplace_rho(epsilon: float) -> float:
    """The rho of zCDP of a mechanism that is epsilon-private: epsilon squared over 2.

    Source: Bun and Steinke 2016, proposition 1.4.
    """
    return epsilon * epsilon / 2
