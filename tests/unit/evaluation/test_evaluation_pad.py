"""Error rates follow ISO/IEC 30107-3, and calibration figures have their known values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.evaluation.pad import (
    apcer,
    auc,
    balanced_weights,
    bootstrap_interval,
    bpcer,
    bpcer_at_apcer,
    cllr,
    expected_calibration_error,
    reliability,
    threshold_at_apcer,
    worst_apcer,
)

GENUINE = np.array([4.0, 6.0, 8.0, 9.0])
SPECIES = {"print": np.array([1.0, 2.0, 3.0, 5.0]), "screen": np.array([0.0, 1.0, 2.0, 7.0])}


def test_error_rates_count_accepted_attacks_and_rejected_genuine() -> None:
    assert apcer(SPECIES["print"], 5.0) == 0.25
    assert bpcer(GENUINE, 6.0) == 0.25
    assert worst_apcer(SPECIES, 3.0) == 0.5


def test_threshold_keeps_every_species_within_the_target() -> None:
    assert worst_apcer(SPECIES, threshold_at_apcer(SPECIES, 0.25)) == 0.25
    assert worst_apcer(SPECIES, threshold_at_apcer(SPECIES, 0.0)) == 0.0
    assert bpcer_at_apcer(GENUINE, SPECIES, 0.0) == 0.5
    assert bpcer_at_apcer(GENUINE, SPECIES, 1.0) == 0.0


def test_threshold_needs_attacks() -> None:
    with pytest.raises(ValueError, match="at least one attack"):
        threshold_at_apcer({"print": np.array([])}, 0.05)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_auc_is_the_share_of_pairs_in_order(genuine: list[int], attacks: list[int]) -> None:
    pairs = [1.0 if g > a else 0.5 if g == a else 0.0 for g in genuine for a in attacks]
    assert auc(np.array(genuine, float), np.array(attacks, float)) == pytest.approx(np.mean(pairs))


def test_cllr_of_no_information_is_one_bit_and_of_wrong_certainty_more() -> None:
    assert cllr(np.zeros(3), np.zeros(5)) == pytest.approx(1.0)
    assert cllr(np.full(3, 20.0), np.full(3, -20.0)) == pytest.approx(0.0, abs=1e-6)
    assert cllr(np.full(3, -5.0), np.full(3, 5.0)) > 5


def test_calibration_error_is_zero_for_honest_and_large_for_boastful_probabilities() -> None:
    genuine = np.array([True, False] * 50)
    ones = np.ones(100)
    assert expected_calibration_error(reliability(np.full(100, 0.5), genuine, ones)) == pytest.approx(0.0)
    assert expected_calibration_error(reliability(np.full(100, 0.95), genuine, ones)) == pytest.approx(0.45)


def test_balanced_weights_give_half_to_genuine_and_equal_shares_to_species() -> None:
    groups = ["genuine"] * 2 + ["print"] * 5 + ["swap"]
    weights = balanced_weights(groups)
    assert weights[:2].sum() == pytest.approx(0.5)
    assert weights[2:7].sum() == pytest.approx(0.25)
    assert weights[7] == pytest.approx(0.25)


def test_bootstrap_draws_people_not_items() -> None:
    rng = np.random.default_rng(0)
    person = rng.normal(0, 1, 20)
    values = np.repeat(person, 50) + rng.normal(0, 0.1, 1000)
    units = [str(i) for i in np.repeat(np.arange(20), 50)]
    low, high = bootstrap_interval(units, lambda chosen: float(values[chosen].mean()))
    assert high - low > 0.5  # drawing items would give about 0.12
    assert low < values.mean() < high


def test_bootstrap_without_both_classes_gives_no_interval() -> None:
    def never(_: np.ndarray) -> float:
        raise ValueError("one class only")

    assert np.isnan(bootstrap_interval(["a", "b"], never, draws=20)).all()
