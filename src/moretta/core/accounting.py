"""What has been spent of a privacy budget, and how privacy losses add up.

Belongs here: pure sums over charges, and conversions between definitions of privacy. Does not belong here: keeping charges (see
`core.statistics.BudgetStore`), drawing noise (see `statistics`).
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from moretta.core.errors import RequestInvalid
from moretta.core.statistics import RECORDED_SESSION, Charge


def spent(charges: Iterable[Charge]) -> float:
    """The most that `charges`, all of one site and day, spent on anybody who stayed before its cameras.

    Buckets are about disjoint visits: of charges on different buckets only the greatest counts. Charges on the same bucket add
    up, those on live counters add up, and so do unpartitioned ones, also those of different sessions: a restart cuts a stay
    into two visits, and whoever stayed must not pay twice unseen. A recording can be watched again, when the same visits fall
    into other buckets: what a session of one spends adds to all else.

    Source: McSherry, Privacy integrated queries, SIGMOD 2009, theorems 3 (sequential) and 4 (parallel composition).
    """
    on_all: list[float] = []
    # By what may hold the same visits once more: each session of a recording, and the cameras' sessions together.
    on_buckets: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for charge in charges:
        session, _, bucket = (charge.partition or "").partition("/")
        if bucket:
            again = session if session.startswith(RECORDED_SESSION) else ""
            on_buckets[again][bucket].append(charge.epsilon)
        else:
            on_all.append(charge.epsilon)
    most = (max(math.fsum(bucket) for bucket in buckets.values()) for buckets in on_buckets.values())
    return math.fsum((*on_all, *most))


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
