"""The attackers on anonymised features find who is there to be found, and nobody where there is nobody."""

import numpy as np
import pytest
from training.anonymised import attacks
from training.anonymised.agreement import matched, same

PEOPLE, EACH = 6, 20


def drawn(apart: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    lot = np.random.default_rng(seed)
    owners = np.repeat(np.arange(PEOPLE), EACH)
    middles = np.random.default_rng(9).normal(0, apart, (PEOPLE, 5))
    return middles[owners] + lot.normal(0, 1, (len(owners), 5)), owners


@pytest.mark.parametrize("attack", [attacks.nearest, attacks.discriminant, attacks.logistic])
def test_people_apart_are_found_and_people_alike_are_not(attack) -> None:  # type: ignore[no-untyped-def]
    for apart, low, high in ((6.0, 0.9, 1.0), (0.0, 0.0, 0.35)):
        train, owners = drawn(apart)
        test, whose = drawn(apart, seed=1)
        assert low <= (attack(train, owners, test) == whose).mean() <= high


def test_warping_knows_a_movement_at_another_pace() -> None:
    at = np.linspace(0, 6, 20)
    train = [np.sin(at)[:, None], np.sign(np.sin(3 * at))[:, None]]
    test = [np.sin(at**1.05)[:, None], np.sign(np.sin(3 * at**1.05))[:, None]]
    assert attacks.warped(train, np.array([0, 1]), test).tolist() == [0, 1]


def test_a_probe_has_no_advantage_where_nothing_is_told() -> None:
    """Of 200 people; the bound is 4 standard errors of a fair coin."""
    lot = np.random.default_rng(3)
    labels = lot.random(200) > 0.5
    noise = lot.normal(0, 1, (200, 8))
    assert abs(attacks.advantage(noise, labels)[0]) < 4 * 0.5 / np.sqrt(200)
    told, (low, high) = attacks.advantage(noise + 4 * labels[:, None], labels)
    assert told > 0.45
    assert low <= told <= high


def test_the_interval_is_wider_where_few_people_decide() -> None:
    owners = np.repeat(np.arange(4), 50)
    low, high = attacks.interval((owners < 2).astype(float), owners)
    assert low <= 0.25
    assert high >= 0.75


def test_blinks_are_matched_once_each() -> None:
    assert matched((1.0, 2.0, 2.1), (2.05, 5.0)) == (1, 3, 2)
    assert matched((), ()) == (0, 0, 0)


def test_series_that_do_not_vary_have_no_correlation() -> None:
    assert np.isnan(same(np.ones(9), np.arange(9.0)))
    assert same(np.arange(9.0), np.array([*range(8), np.nan]) * 2) == pytest.approx(1)
