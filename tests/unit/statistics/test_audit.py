"""The lower bound on epsilon, on scores of a known distribution."""

import numpy as np
import pytest

from moretta.core.errors import RequestInvalid
from moretta.statistics.audit import clopper_pearson, likelihood_score, lower_bound


def _scores(epsilon: float, seed: int, trials: int = 4000) -> tuple[list[float], list[float]]:
    noise = np.random.default_rng(seed).laplace(scale=1 / epsilon, size=(2, trials))
    return list(noise[0] + 1), list(noise[1])


@pytest.mark.parametrize("epsilon", [0.5, 1.0, 2.0])
def test_the_bound_comes_near_the_true_epsilon_from_below(epsilon: float) -> None:
    """Fixed seeds; at a confidence of 99.9 % one of 30 bounds is too high in at most 3 % of all choices of seeds."""
    bounds = [lower_bound(*_scores(epsilon, seed)).epsilon for seed in range(10)]
    assert max(bounds) <= epsilon
    assert np.mean(bounds) > 0.55 * epsilon


def test_what_gives_the_visit_away_without_fail_has_a_high_bound() -> None:
    bound = lower_bound([1.0] * 2000, [0.0] * 2000)
    assert bound.epsilon > 4
    assert (bound.true_rate, bound.false_rate, bound.trials) == (1.0, 0.0, 1000)


def test_a_leak_that_is_seldom_and_that_only_the_stream_without_shows_is_found() -> None:
    """The other guess: a score that only "without" ever gives."""
    scores = np.random.default_rng(1).normal(size=(2, 4000))
    scores[1][::10] = -50
    assert lower_bound(scores[0], scores[1]).epsilon > 1


def test_delta_is_taken_off() -> None:
    one, other = _scores(1.0, 3)
    assert lower_bound(one, other, delta=0.1).epsilon < lower_bound(one, other).epsilon


def test_too_few_scores_are_refused() -> None:
    with pytest.raises(RequestInvalid, match="at least 100"):
        lower_bound([1.0] * 99, [0.0] * 200)


def test_clopper_pearson_is_that_of_published_tables() -> None:
    """3 of 10 at 95 % two-sided: 0.0667 to 0.6525 (Clopper and Pearson 1934, as tabulated since)."""
    assert clopper_pearson(3, 10, 0.025) == pytest.approx((0.0667, 0.6525), abs=5e-5)
    assert clopper_pearson(0, 10, 0.05)[0] == 0.0
    assert clopper_pearson(10, 10, 0.05)[1] == 1.0


def test_the_likelihood_score_is_epsilon_at_most() -> None:
    assert likelihood_score([9], [2.0], [1], [0]) == pytest.approx(0.5)
    assert likelihood_score([-9], [2.0], [1], [0]) == pytest.approx(-0.5)
