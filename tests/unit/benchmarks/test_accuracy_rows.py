"""The accuracy benchmark is honest: who could not run has no figures, and photos without a template count."""

import numpy as np
import pytest
from benchmarks.accuracy import AccuracyRow, accuracy_lines, misses

from moretta.evaluation.recognition.comparisons import all_pairs
from moretta.evaluation.recognition.report import PlainRates, plain_rates
from moretta.wiring.dataset import Templates


@pytest.fixture(scope="module")
def rates() -> PlainRates:
    """Of 100 people with two photos each, alike enough that none is missed."""
    rng = np.random.default_rng(0)
    pairs = all_pairs(np.repeat(np.arange(100), 2))
    scores = np.where(pairs.same, 0.9, rng.uniform(-0.3, 0.3, len(pairs.same))).astype(np.float32)
    return plain_rates(pairs.scores(scores), (1e-2, 1e-3, 1e-4), draws=20)


def test_a_contender_that_cannot_run_is_said_to_be_missing_and_gets_no_figures() -> None:
    lines = list(accuracy_lines([AccuracyRow("a peer", "something", failure="no wheel for this Python")]))
    assert lines[2] == "| a peer | could not be run: no wheel for this Python | | | | | |"
    assert len({line.count("|") for line in lines[:3]}) == 1


def test_a_rate_that_the_photos_do_not_support_is_left_empty(rates: PlainRates) -> None:
    row = list(accuracy_lines([AccuracyRow("us", "something", rates, 0.005, {1e-2: 0.0})]))[2]
    assert row.startswith("| us | 0.50% | 0.00% (0.00% to 0.00%) |  |  | ")


def test_a_photo_without_a_template_misses_all_its_comparisons(rates: PlainRates) -> None:
    nothing = np.empty((0, 2), np.float32)
    whole = Templates(nothing, np.repeat(np.arange(100), 2), {}, ())
    assert misses(rates, whole)[1e-2] == 0
    # A third photo of each of two people: two more genuine comparisons each, both missed.
    assert misses(rates, Templates(nothing, whole.subjects, {}, (0, 1)))[1e-2] == pytest.approx(4 / 104)
