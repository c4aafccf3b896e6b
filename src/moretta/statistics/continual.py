"""Running totals that are shown all day long: the binary tree counter.

Belongs here: the tree of noisy partial sums. Does not belong here: what is counted, ticks and clocks (see `keeper`).

Chan, Shi and Song, Private and continual release of statistics, TISSEC 2011, section 4; Dwork, Naor, Pitassi and Rothblum,
Differential privacy under continual observation, STOC 2010. Steps are the leaves of a binary tree; each node is the noisy sum
of the steps under it. A step is under at most L = ceil(log2 T) + 1 nodes, so noise for a sensitivity L times as large makes all
nodes together private, and the total after t steps adds up as many nodes as t has binary ones.
"""

import math
from collections.abc import Sequence

from moretta.core.errors import RequestInvalid
from moretta.core.intervals import CONFIDENCE, half_width
from moretta.statistics.noise import Mechanism


def levels(steps: int) -> int:
    """L = ceil(log2 T) + 1: the most nodes that one of T steps is under."""
    return math.ceil(math.log2(steps)) + 1


class TreeCounter:
    """Running totals of several figures over at most `steps` steps, private over all steps together.

    Holds two vectors for each level: memory grows with the logarithm of `steps`.

    Args:
        cells: how many figures.
        steps: T.
        sensitivity: the most by which one visit changes all figures in all steps together (L1).
        epsilon: what all steps together spend.
    """

    def __init__(self, mechanism: Mechanism, *, cells: int, steps: int, sensitivity: int, epsilon: float) -> None:
        if cells < 1 or steps < 1:
            raise RequestInvalid(f"expected at least one figure and one step, got {cells} and {steps}")
        self._measurement = mechanism.measurement(sensitivity * levels(steps), epsilon)
        self._cells, self._most_steps, self._step = cells, steps, 0
        self._true: list[list[int]] = [[0] * cells for _ in range(levels(steps))]
        self._noisy: list[tuple[int, ...]] = [(0,) * cells] * levels(steps)

    @property
    def step(self) -> int:
        """How many steps were made."""
        return self._step

    @property
    def scale(self) -> float:
        """That of the noise on each node."""
        return self._measurement.scale

    def add(self, increments: Sequence[int]) -> tuple[int, ...]:
        """Make one step and return the noisy totals after it.

        Raises:
            RequestInvalid: more steps than were announced, or another number of figures.
        """
        if self._step == self._most_steps or len(increments) != self._cells:
            raise RequestInvalid(f"expected at most {self._most_steps} steps of {self._cells} figures each")
        self._step += 1
        level = (self._step & -self._step).bit_length() - 1
        total = list(increments)
        for below in range(level):
            total = [one + other for one, other in zip(total, self._true[below], strict=True)]
            self._true[below], self._noisy[below] = [0] * self._cells, (0,) * self._cells
        self._true[level], self._noisy[level] = total, self._measurement.release(total)
        return tuple(map(sum, zip(*self._noisy, strict=True)))

    def half_width(self, confidence: float = CONFIDENCE) -> int:
        """How far each of the last totals may be from the truth, with probability `confidence`."""
        return half_width([self.scale] * self._step.bit_count(), confidence)
