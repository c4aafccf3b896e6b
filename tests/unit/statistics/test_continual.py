"""The binary tree counter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noises import NoNoise

from moretta.core.errors import RequestInvalid
from moretta.statistics.continual import TreeCounter, levels
from moretta.statistics.noise import OpenDpLaplace


@pytest.mark.parametrize(("steps", "nodes"), [(1, 1), (2, 2), (3, 3), (1024, 11), (1440, 12), (1500, 12)])
def test_levels_are_those_of_the_formula(steps: int, nodes: int) -> None:
    assert levels(steps) == nodes


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 9)), min_size=1, max_size=70))
def test_without_noise_every_total_is_the_true_one(increments: list[tuple[int, int]]) -> None:
    counter = TreeCounter(NoNoise(), cells=2, steps=len(increments), sensitivity=1, epsilon=1.0)
    totals = [counter.add(pair) for pair in increments]
    assert totals == [tuple(row) for row in np.cumsum(increments, axis=0).tolist()]


@pytest.mark.parametrize("steps", [1, 2, 7, 8, 9, 33])
def test_a_step_is_in_at_most_as_many_noisy_nodes_as_noise_is_made_for(steps: int) -> None:
    """All noisy nodes with and without one event: they differ by at most `levels` together."""
    for event in range(steps):
        nodes = []
        for there in (0, 1):
            seen: list[int] = []

            class Recording(NoNoise):
                def measurement(self, sensitivity: int, epsilon: float, seen: list[int] = seen):  # type: ignore[override]
                    truth = NoNoise.measurement(self, sensitivity, epsilon)

                    class Node:
                        scale = truth.scale

                        def release(self, values: list[int]) -> tuple[int, ...]:
                            seen.extend(values)
                            return tuple(values)

                    return Node()

            counter = TreeCounter(Recording(), cells=1, steps=steps, sensitivity=1, epsilon=1.0)
            for step in range(steps):
                counter.add([there if step == event else 0])
            nodes.append(seen)
        assert sum(abs(one - other) for one, other in zip(*nodes, strict=True)) <= levels(steps)


def test_noise_is_made_for_the_sensitivity_times_the_levels() -> None:
    noise = NoNoise()
    assert TreeCounter(noise, cells=1, steps=1440, sensitivity=2, epsilon=0.5).scale == pytest.approx(12 * 2 / 0.5)
    assert noise.asked == [(24, 0.5)]


def test_each_step_draws_noise_for_one_node_only() -> None:
    noise = NoNoise()
    counter = TreeCounter(noise, cells=3, steps=100, sensitivity=1, epsilon=1.0)
    for _ in range(100):
        counter.add([1, 0, 0])
    assert noise.draws == [3] * 100


def test_steps_beyond_those_announced_are_refused() -> None:
    counter = TreeCounter(NoNoise(), cells=1, steps=2, sensitivity=1, epsilon=1.0)
    counter.add([1])
    counter.add([1])
    with pytest.raises(RequestInvalid, match="at most 2 steps"):
        counter.add([1])


def test_intervals_hold_as_often_as_they_say() -> None:
    """150 counters of 4 figures over 16 steps at 95 %: 2,400 figures per step count of ones; the share that holds is within five
    standard deviations of what an integer interval allows, which fails once in a million runs."""
    noise = OpenDpLaplace()
    held: dict[int, list[bool]] = {}
    for _ in range(150):
        counter = TreeCounter(noise, cells=4, steps=16, sensitivity=1, epsilon=1.0)
        for step in range(1, 8):
            totals = counter.add([1, 0, 2, 0])
            width = counter.half_width()
            truth = [step, 0, 2 * step, 0]
            held.setdefault(step.bit_count(), []).extend(
                abs(total - true) <= width for total, true in zip(totals, truth, strict=True)
            )
    for shares in held.values():
        # Totals of one counter share nodes: its figures of one step count are at most 3 steps' worth of the same nodes.
        deviation = (0.95 * 0.05 / (len(shares) / 3)) ** 0.5
        assert np.mean(shares) >= 0.95 - 5 * deviation
