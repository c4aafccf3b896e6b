"""Whether protected templates of one person under two keys can be told to belong together.

Belongs here: the measure of Gomez-Barrero et al. (IEEE TIFS 2018) and a nearest-neighbour attack.
Does not belong here: protecting.

The measure takes scores that an attacker can compute across two keys: mated (one person) and non-mated (two people). It is
biased: identical distributions give more than 0, the more the fewer scores there are. So it is always told beside what
shuffled labels give. Less of that bias is left where a system is linkable, so that the difference of both is a little low there:
it tells how far a system is from unlinkable, `d_sys` how linkable one is that is not.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

# The reference implementation's bins: one for ten mated scores, at most 100.
SCORES_PER_BIN, MOST_BINS = 10, 100
PERMUTATIONS = 200
DRAWS = 500


@dataclass(frozen=True, slots=True)
class Unlinkability:
    """`d_sys` (0 unlinkable, 1 linkable) as measured, and the mean that shuffled labels give (`null`).

    `excess` is the difference, `upper` the upper end of its 95 % interval by subject, and `p_value` the share of shuffles that
    gave at least as much, so that 5 % of truly unlinkable systems fall under 0.05.
    """

    d_sys: float
    null: float
    excess: float
    upper: float
    p_value: float
    mated: int
    non_mated: int


def local_linkability(mated: Values, non_mated: Values) -> tuple[Values, Values, Values]:
    """D(s) over bins of equal width: the bins' left edges, D(s) in each, and the share of mated scores in it.

    With equal priors (omega = 1): D = 2 LR / (1 + LR) - 1 where LR > 1, else 0.
    """
    bins = int(min(max(len(mated) // SCORES_PER_BIN, 1), MOST_BINS))
    edges = np.linspace(min(mated.min(), non_mated.min()), max(mated.max(), non_mated.max()), bins + 1)
    if edges[0] == edges[-1]:
        return edges[:1], np.zeros(1), np.ones(1)
    of_mated = np.histogram(mated, edges)[0] / len(mated)
    of_others = np.histogram(non_mated, edges)[0] / len(non_mated)
    both = of_mated + of_others
    # 2 LR / (1 + LR) - 1 is (m - n) / (m + n), which also holds where n is 0.
    linkable = np.divide(of_mated - of_others, both, out=np.zeros(bins), where=both > 0)
    return edges[:-1], np.maximum(linkable, 0), of_mated


def d_sys(mated: Values, non_mated: Values) -> float:
    """The system's linkability (0-1): the mean of D(s) over mated scores, with the bias that the module's text tells of.

    Raises:
        ValueError: no score of one kind.
    """
    if len(mated) == 0 or len(non_mated) == 0:
        raise ValueError("expected mated and non-mated scores, got none of one kind")
    _, linkable, share = local_linkability(mated, non_mated)
    return float(linkable @ share)


def unlinkability(
    mated: Values, non_mated: Values, mated_subjects: npt.NDArray[np.intp], seed: int = 0
) -> Unlinkability:
    """The measure with its null and its interval; `mated_subjects` (n,) tells whom each mated score is about."""
    rng = np.random.default_rng(seed)
    measured = d_sys(mated, non_mated)
    pooled = np.concatenate([mated, non_mated])
    null = np.empty(PERMUTATIONS)
    for i in range(PERMUTATIONS):
        shuffled = rng.permutation(pooled)
        null[i] = d_sys(shuffled[: len(mated)], shuffled[len(mated) :])
    drawn = _drawn(mated, non_mated, mated_subjects, rng)
    excess = measured - float(null.mean())
    # Drawing with replacement adds bias of its own, so only its spread is used.
    upper = excess + float(np.percentile(drawn, 97.5) - drawn.mean())
    at_least = (1 + int((null >= measured).sum())) / (1 + PERMUTATIONS)
    return Unlinkability(measured, float(null.mean()), excess, upper, at_least, len(mated), len(non_mated))


def _drawn(mated: Values, non_mated: Values, subjects: npt.NDArray[np.intp], rng: np.random.Generator) -> Values:
    """The measure with people drawn with replacement."""
    members = [np.flatnonzero(subjects == person) for person in np.unique(subjects)]
    values = np.empty(DRAWS)
    for i in range(DRAWS):
        chosen = np.concatenate([members[j] for j in rng.integers(0, len(members), len(members))])
        values[i] = d_sys(mated[chosen], rng.choice(non_mated, len(non_mated)))
    return values


@dataclass(frozen=True, slots=True)
class Linking:
    """A nearest-neighbour attack: `hits` of `probes` found their own person among `people`; `p_value` under pure chance."""

    hits: int
    probes: int
    people: int
    p_value: float


def nearest_neighbour(first: Values, second: Values) -> Linking:
    """For each row of `first` (n, k) the nearest row of `second` (n, k); row i of both belongs to person i."""
    from scipy.stats import binomtest

    distances = (second**2).sum(1)[None] - 2 * first @ second.T
    hits = int((distances.argmin(1) == np.arange(len(first))).sum())
    chance = 1 / len(second)
    return Linking(
        hits, len(first), len(second), float(binomtest(hits, len(first), chance, alternative="greater").pvalue)
    )
