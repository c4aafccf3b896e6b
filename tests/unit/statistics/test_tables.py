"""What one visit may add to the true tables, and what the tables hold."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.watched_site import MIDNIGHT_S, a_site, a_visit

from moretta.core.site import PrivacyPlan, Site
from moretta.core.statistics import MEASURES, TABLED, Measure, Stay, Visit
from moretta.statistics.tables import Tables, Tally, flattened, tables_of

ZONES = ["door/a", "door/b", "door/c", "shelf/all", "door/unknown"]
LINES = ["door/in", "door/out", "shelf/aisle", "door/unknown"]
MOST_VISITS = 9


def _distance(site: Site, measure: Measure, one: Tables, other: Tables) -> int:
    pairs = zip(flattened(site, measure, one), flattened(site, measure, other), strict=True)
    return sum(abs(first - second) for first, second in pairs)


_seconds = st.one_of(
    st.floats(-5, 4000), st.sampled_from([0.0, 299.5, 300.0, 300.5, math.inf, math.nan]), st.integers(0, 400).map(float)
)
_moments = st.one_of(st.floats(0, 900), st.integers(0, 900).map(float)).map(lambda passed: MIDNIGHT_S + passed)
_stay = st.builds(Stay, st.sampled_from(ZONES), _moments, _seconds, _seconds, st.booleans())
_companion = st.tuples(st.sampled_from(ZONES), st.integers(0, MOST_VISITS - 1), st.integers(0, 5).map(float))


@st.composite
def _streams(draw: st.DrawFn) -> list[Visit]:
    """Visits in the order of being handed in, of any camera, with more stays, crossings and companions than they may add."""
    ids = draw(st.permutations(range(draw(st.integers(1, MOST_VISITS)))))
    return [
        Visit(
            visit_id,
            draw(st.sampled_from(["door", "door", "door", "shelf"])),
            MIDNIGHT_S,
            draw(_moments),
            tuple(draw(st.lists(_stay, max_size=5))),
            tuple(draw(st.lists(st.tuples(st.sampled_from(LINES), st.booleans()), max_size=5))),
            tuple(draw(st.lists(_companion, max_size=12))),
            draw(st.none() | st.floats(0, 120)),
            draw(st.none() | st.floats(0, 1)),
        )
        for visit_id in ids
    ]


@given(_streams(), st.integers(0, MOST_VISITS - 1), st.integers(1, 4))
def test_leaving_out_any_one_visit_changes_no_measure_by_more_than_its_sensitivity(
    visits: list[Visit], left_out: int, most_zones: int
) -> None:
    site = a_site(PrivacyPlan(most_zones=most_zones))
    left_out %= len(visits)
    everybody = tables_of(site, visits)
    others = tables_of(site, visits[:left_out] + visits[left_out + 1 :])
    for measure in TABLED:
        assert _distance(site, measure, everybody, others) <= site.sensitivity(measure), measure


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=60), st.integers(0, 11))
def test_leaving_out_a_visit_of_any_web_of_pairs_changes_each_zone_by_at_most_three_pairs(
    pairs: list[tuple[int, int]], left_out: int
) -> None:
    site = a_site()
    visits = [
        a_visit(
            number,
            zones=("door/a", "door/b"),
            companions=tuple(
                (zone, one if other == number else other, float(since))
                for since, (one, other) in enumerate(pairs)
                if number in (one, other) and one != other
                for zone in ("door/a", "door/b")
            ),
        )
        for number in range(12)
    ]
    everybody = tables_of(site, visits)[Measure.PROXIMITY]
    others = tables_of(site, [visit for visit in visits if visit.visit_id != left_out])[Measure.PROXIMITY]
    for zone in ("door/a", "door/b", "door/c"):
        assert 0 <= everybody[zone][0] - others[zone][0] <= 3


@pytest.mark.parametrize("measure", TABLED)
def test_the_sensitivity_is_reached_so_noise_is_not_larger_than_it_has_to_be(measure: Measure) -> None:
    site = a_site()
    # A zone with one more person is crowded at two: one other person in each is enough.
    zones = ("door/a", "door/b")
    others = (
        [a_visit(number, zones=zones, dwell_s=300.0) for number in range(3)] if measure is Measure.PROXIMITY else []
    )
    if measure is Measure.CROWDING:
        others = [a_visit(0, zones=zones, dwell_s=300.0)]
    whole = a_visit(
        9,
        zones=zones,
        dwell_s=900.0 if measure is not Measure.CROWDING else 300.0,
        attention_s=900.0,
        crossings=(("door/in", True), ("door/out", False), ("door/in", True)),
        companions=tuple((zone, other.visit_id, MIDNIGHT_S) for other in others for zone in zones),
    )
    distance = _distance(site, measure, tables_of(site, [*others, whole]), tables_of(site, others))
    assert distance == site.sensitivity(measure)


def test_a_visit_counts_in_its_first_zones_only() -> None:
    tables = tables_of(a_site(), [a_visit(1, zones=("door/c", "door/a", "door/b"))])
    assert {place: cells[0] for place, cells in tables[Measure.PASSERS].items()} == {
        "door/a": 1,
        "door/b": 0,
        "door/c": 1,
        "shelf/all": 0,
    }


def test_each_measure_has_what_the_visit_did() -> None:
    tables = tables_of(
        a_site(), [a_visit(1, dwell_s=40.4, attention_s=7.6, crossings=(("door/in", False),), age=18.0, female=0.2)]
    )
    found = {measure: tables[measure].get("door/a") for measure in TABLED if measure is not Measure.FLOW}
    assert found == {
        Measure.PASSERS: [1],
        Measure.VISITS: [1],
        Measure.DWELL: [0, 0, 0, 1, 0, 0, 0],
        Measure.DWELL_TIME: [40],
        Measure.ATTENTION: [1],
        Measure.ATTENTION_TIME: [8],
        Measure.PROXIMITY: [0],
        Measure.CROWDING: [0],
        Measure.AGE: [0, 1, 0, 0, 0, 0],
        Measure.GENDER: [0, 1, 0],
    }
    assert tables[Measure.FLOW]["door/in"] == [0, 1]


def test_people_without_an_estimate_are_counted_as_unknown() -> None:
    tables = tables_of(a_site(), [a_visit(1, age=None, female=None)])
    assert tables[Measure.AGE]["door/a"][-1] == tables[Measure.GENDER]["door/a"][-1] == 1


def test_a_zone_is_crowded_while_enough_people_are_in_it() -> None:
    visits = [a_visit(1, dwell_s=100.0), a_visit(2, dwell_s=60.0), a_visit(3, dwell_s=20.0, zones=("door/b",))]
    tables = tables_of(a_site(), visits)
    assert tables[Measure.CROWDING]["door/a"] == [60]
    assert tables[Measure.CROWDING]["door/b"] == [0]


def test_a_pair_counts_once_and_only_if_both_visits_are_of_the_bucket() -> None:
    pair = a_visit(1, companions=(("door/a", 2, 5.0),)), a_visit(2, companions=(("door/a", 1, 5.0), ("door/a", 7, 6.0)))
    assert tables_of(a_site(), pair)[Measure.PROXIMITY]["door/a"] == [1]


def test_who_ended_too_long_ago_is_forgotten_and_pairs_with_nobody() -> None:
    tally = Tally(a_site())
    tally.add(a_visit(1, end_s=MIDNIGHT_S))
    tally.forget(MIDNIGHT_S + 1)
    tally.add(a_visit(2, companions=(("door/a", 1, 5.0),)))
    assert tally.tables()[Measure.PROXIMITY]["door/a"] == [0]
    assert tally.tables()[Measure.PASSERS]["door/a"] == [2]


def test_every_table_has_the_cells_that_its_measure_names() -> None:
    for measure, places in tables_of(a_site(), []).items():
        assert {len(cells) for cells in places.values()} == {len(MEASURES[measure].cells)}
