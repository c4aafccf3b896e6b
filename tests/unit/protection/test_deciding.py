"""Scores become decisions: threshold, order, limit, bands."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.protection import Opened, OpenTerms
from moretta.protection.deciding import matches


def _matches(scores: list[float], terms: OpenTerms, shut: tuple[int, ...] = ()) -> list[Opened]:
    counted = np.array([at not in shut for at in range(len(scores))], np.bool_)
    return matches(np.array(scores), np.arange(10, 10 + len(scores), dtype=np.uint32), counted, terms)


def test_a_score_at_the_threshold_is_a_match() -> None:
    assert _matches([0.5, 0.4999], OpenTerms(0.5)) == [Opened(10, 1)]


def test_equal_scores_stand_in_the_order_of_their_rows_also_at_the_limit() -> None:
    found = _matches([0.7, 0.9, 0.7, 0.7, 0.1], OpenTerms(0.5, limit=3))
    assert [(match.row, match.rank) for match in found] == [(11, 1), (10, 2), (12, 3)]


def test_a_limit_of_none_tells_none() -> None:
    assert _matches([0.9], OpenTerms(0.5, limit=0)) == []


def test_a_band_counts_from_its_border_on() -> None:
    found = _matches([0.6, 0.8, 0.9], OpenTerms(0.5, bands=(0.7, 0.8)))
    assert [match.band for match in found] == [2, 2, 0]


def test_no_scores_give_no_matches() -> None:
    assert _matches([], OpenTerms(0.5)) == []


def test_a_threshold_that_is_no_number_matches_nothing() -> None:
    assert _matches([0.9], OpenTerms(float("nan"))) == []


@given(
    scores=st.lists(st.sampled_from([-1.0, 0.1, 0.3, 0.5, 0.5001, 0.9]), max_size=40),
    threshold=st.sampled_from([-2.0, 0.3, 0.5, 0.95]),
    limit=st.integers(0, 45),
    shut=st.lists(st.integers(0, 39)),
)
def test_the_matches_are_the_first_of_all_that_reach_the_threshold(
    scores: list[float], threshold: float, limit: int, shut: list[int]
) -> None:
    expected = sorted((-score, at + 10) for at, score in enumerate(scores) if score >= threshold and at not in shut)[
        :limit
    ]
    found = _matches(scores, OpenTerms(threshold, limit), tuple(shut))
    assert [match.row for match in found] == [row for _, row in expected]
    assert [match.rank for match in found] == list(range(1, len(expected) + 1))
