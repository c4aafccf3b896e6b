"""How sure the rates are: 95 % intervals under drawing whole people with replacement.

Belongs here: the bootstrap by subject. Does not belong here: the rates themselves (see `rates`).

Comparisons of one person are no independent evidence, and an impostor comparison depends on two people. So people are drawn,
and a comparison counts as often as both of its people were drawn (the double bootstrap of Poh, Martin and Bengio 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.evaluation.recognition.comparisons import ScoreSet
from moretta.evaluation.recognition.rates import between, equal_error

Interval = tuple[float, float]
Floats64 = npt.NDArray[np.float64]

DRAWS = 1_000
# Only the highest impostor scores decide about thresholds; how many is set by the largest rate asked for, with room for
# draws in which more of them count.
_ROOM = 3.0


@dataclass(frozen=True, slots=True)
class RateIntervals:
    """95 % intervals: of the EER, and for each FMR asked for of its threshold and of the FNMR there."""

    eer: Interval
    thresholds: tuple[Interval, ...]
    fnmr: tuple[Interval, ...]


class _Drawn:
    """Scores in order, ready to be weighted by how often each person was drawn."""

    def __init__(self, scores: ScoreSet, tail: int) -> None:
        order = np.argsort(scores.genuine, kind="stable")
        self.genuine, self.genuine_subjects = scores.genuine[order], scores.genuine_subjects[order]
        top = np.argpartition(-scores.impostor, tail - 1)[:tail]
        top = top[np.argsort(-scores.impostor[top], kind="stable")]
        self.impostor, self.pairs = scores.impostor[top], scores.impostor_subjects[top]
        self.places = np.searchsorted(self.genuine, self.impostor, "left")

    def rates(self, times: Floats64, total: float, targets: Sequence[float]) -> list[float] | None:
        """EER, then threshold and FNMR at each target, where each person counts `times`, all impostor comparisons together
        `total` times; None where one kind is absent."""
        mates = np.concatenate([[0.0], np.cumsum(times[self.genuine_subjects])])
        if mates[-1] == 0 or total == 0:
            return None
        false = np.cumsum(times[self.pairs[:, 0]] * times[self.pairs[:, 1]]) / total
        found: list[float] = []
        for target in targets:
            first = int(np.searchsorted(false, target * (1 + 1e-12), "right"))
            refused = min(first, len(self.impostor) - 1)
            accepted = float(self.impostor[refused - 1]) if refused else None
            threshold = between(float(self.impostor[refused]), accepted)
            missed = mates[int(np.searchsorted(self.genuine, threshold, "left"))] / mates[-1]
            found += [threshold, float(missed)]
        missed_at = mates[self.places] / mates[-1]
        crossing = np.flatnonzero(false >= missed_at)
        place = int(crossing[0]) if len(crossing) else len(false) - 1
        return [float(false[place] + missed_at[place]) / 2, *found]


def rate_intervals(scores: ScoreSet, targets: Sequence[float], draws: int = DRAWS, seed: int = 0) -> RateIntervals:
    """Intervals of what `rates` gives for `scores` at the FMRs `targets`.

    A draw without one of the two kinds is left out; whoever the people are, a fifth of the draws holds both. With few people
    intervals are too narrow (Cameron, Gelbach and Miller 2008), so say how many there were.

    Raises:
        ValueError: `scores` lacks one of the two kinds.
    """
    largest = max([*targets, equal_error(scores.genuine, scores.impostor)[0]])
    tail = min(len(scores.impostor), int(np.ceil(min(1.0, _ROOM * largest + 0.01) * len(scores.impostor))) + 1)
    drawn = _Drawn(scores, tail)
    times = _times_drawn(scores.subjects, draws, seed)
    found = (drawn.rates(*one, targets) for one in zip(times, _impostor_totals(scores, times), strict=True))
    rows = [rates for rates in found if rates is not None]
    limits = np.percentile(np.array(rows), [2.5, 97.5], axis=0)
    columns = [(float(limits[0, i]), float(limits[1, i])) for i in range(limits.shape[1])]
    return RateIntervals(columns[0], tuple(columns[1::2]), tuple(columns[2::2]))


def _times_drawn(subjects: int, draws: int, seed: int) -> Floats64:
    """How often each subject was drawn in each draw, shape (draws, subjects)."""
    rng = np.random.default_rng(seed)
    chosen = (rng.integers(0, subjects, subjects) for _ in range(draws))
    return np.stack([np.bincount(one, minlength=subjects) for one in chosen]).astype(np.float64)


def _impostor_totals(scores: ScoreSet, times: Floats64) -> Floats64:
    """How many impostor comparisons each draw holds, shape (draws,)."""
    counts = np.zeros((scores.subjects, scores.subjects))
    np.add.at(counts, (scores.impostor_subjects[:, 0], scores.impostor_subjects[:, 1]), 1)
    return np.asarray(np.einsum("ds,ds->d", times @ counts, times), np.float64)


def share_interval(hits: Floats64, subjects: npt.NDArray[np.intp], draws: int = DRAWS, seed: int = 0) -> Interval:
    """The interval of the mean of `hits` (n,), where item i belongs to `subjects[i]`; NaN where there is none."""
    if len(hits) == 0:
        return float("nan"), float("nan")
    numbers = np.unique(subjects, return_inverse=True)[1].reshape(-1)
    sums, counts = np.bincount(numbers, hits), np.bincount(numbers)
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, len(counts), (draws, len(counts)))
    low, high = np.percentile(sums[chosen].sum(1) / counts[chosen].sum(1), [2.5, 97.5])
    return float(low), float(high)
