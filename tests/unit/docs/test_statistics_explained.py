"""The explanation of the guarantee says of each measure what the program enforces."""

from pathlib import Path

import pytest

from moretta.core.statistics import LONGEST_VISIT_S, MEASURES, Measure, Subject

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "explanation" / "statistics.md").read_text()


@pytest.mark.parametrize("measure", Measure)
def test_the_cap_of_each_measure_is_the_enforced_one(measure: Measure) -> None:
    terms = MEASURES[measure]
    of = "zone" if terms.subject is Subject.ZONE else "site"
    assert f"| {measure} | {of} | {terms.cap} |" in PAGE


def test_the_longest_visit_is_the_enforced_one() -> None:
    assert f"cut after {LONGEST_VISIT_S:g} s" in PAGE
