"""How privacy losses add up."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.accounting import composed, laplace_rho, spent, zcdp_epsilon
from moretta.core.errors import RequestInvalid
from moretta.core.statistics import Charge


def _charges(*spends: tuple[str | None, float]) -> list[Charge]:
    return [Charge("shop", date(2026, 1, 1), partition, epsilon, "test") for partition, epsilon in spends]


@pytest.mark.parametrize(("rho", "epsilon"), [(0.01, 0.753), (0.05, 1.712), (0.125, 2.753), (0.5, 5.757)])
def test_zcdp_gives_the_epsilon_of_the_published_vectors(rho: float, epsilon: float) -> None:
    assert zcdp_epsilon(rho, 1e-6) == pytest.approx(epsilon, abs=5e-4)


@pytest.mark.parametrize(("rho", "delta"), [(-0.1, 1e-6), (0.1, 0.0), (0.1, 1.0)])
def test_what_is_no_zcdp_is_refused(rho: float, delta: float) -> None:
    with pytest.raises(RequestInvalid, match="rho"):
        zcdp_epsilon(rho, delta)


def test_a_pure_loss_is_half_its_square_in_zcdp() -> None:
    assert laplace_rho(0.5) == 0.125


def test_releases_about_the_same_visits_add_up() -> None:
    assert composed([0.1] * 10) == 1.0


def test_buckets_of_one_session_are_disjoint_and_its_live_counters_are_on_top() -> None:
    assert spent(_charges(("s", 1.0), ("s/1", 0.5), ("s/2", 0.75), ("s/3", 0.5))) == 1.75


def test_a_restart_does_not_give_budget_back_to_who_was_there_before_and_after() -> None:
    assert spent(_charges(("s", 1.0), ("s/1", 0.5), ("t", 0.25), ("t/1", 1.0))) == 2.75
    assert spent(_charges(("s", 1.0), ("s/1", 0.5), ("t", 0.25), ("t/2", 1.0))) == 2.25


def test_two_charges_on_the_same_bucket_add_up() -> None:
    assert spent(_charges(("s/1", 0.5), ("s/1", 0.5), ("s/2", 0.75))) == 1.0


def test_a_recording_that_is_watched_again_pays_again_whatever_buckets_it_falls_into() -> None:
    assert spent(_charges(("wr_a/1", 0.5), ("wr_a/2", 0.75), ("wr_b/3", 0.5))) == 1.25
    assert spent(_charges(("wr_a/1", 0.5), ("s/1", 0.25), ("s/2", 1.0))) == 1.5


def test_what_is_spent_on_everybody_adds_to_all() -> None:
    assert spent(_charges((None, 0.25), ("s/1", 0.5), (None, 0.25))) == 1.0


def test_nothing_spent_is_nothing() -> None:
    assert spent([]) == 0.0


_partitions = st.sampled_from([None, "s", "t", "s/1", "s/2", "t/1"])


@given(st.lists(st.tuples(_partitions, st.floats(0, 2)), max_size=20))
def test_no_visit_costs_more_than_what_is_said_to_be_spent(spends: list[tuple[str | None, float]]) -> None:
    """A visit ends in one bucket; a stay that a restart cut is of two sessions: its cost is what covers it, added up."""
    costs = [
        sum(epsilon for partition, epsilon in spends if partition in (None, "s", "t", f"s/{bucket}", f"t/{bucket}"))
        for bucket in ("1", "2")
    ]
    assert spent(_charges(*spends)) == pytest.approx(max(costs))
