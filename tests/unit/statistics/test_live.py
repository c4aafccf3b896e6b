"""What one visit may add to live figures, and what they hold."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.noises import NoNoise
from tests.watched_site import MIDNIGHT_S, a_site

from moretta.core.site import PrivacyPlan, Site
from moretta.core.statistics import LIVE, LiveEvent, Measure, Table
from moretta.statistics.live import DayCounters, LiveCaps

DAY, NEXT = date(2023, 11, 20), date(2023, 11, 21)
STEPS = 8


def _event(visit_id: int, measure: Measure, place: str = "door/a", cell: int = 0, step: int = 1) -> LiveEvent:
    return LiveEvent(visit_id, MIDNIGHT_S, measure, place, cell, step)


def _ticks(site: Site, moments: list[list[LiveEvent]]) -> tuple[list[tuple[Table, ...]], DayCounters]:
    caps, counters, noise = LiveCaps(site), DayCounters(site, STEPS), NoNoise()
    figures = []
    for number, events in enumerate(moments):
        for event in events:
            if caps.admit(event, MIDNIGHT_S + 60.0 * number, DAY):
                counters.add(event)
        figures.append(counters.tick(noise))
    return figures, counters


_events = st.builds(
    LiveEvent,
    st.integers(0, 3),
    st.just(MIDNIGHT_S),
    st.sampled_from(LIVE),
    st.sampled_from(["door/a", "door/b", "door/c", "door/in", "door/out", "shelf/all", "nowhere/a"]),
    st.integers(-1, 2),
    st.sampled_from([1, 1, -1, 5]),
)


@given(st.lists(st.lists(_events, max_size=12), min_size=STEPS, max_size=STEPS), st.integers(0, 3))
def test_leaving_out_a_visit_changes_no_live_measure_by_more_than_its_sensitivity(
    moments: list[list[LiveEvent]], left_out: int
) -> None:
    """What each step adds, over all steps and places; of who is present, the figures themselves."""
    site = a_site()
    everybody, _ = _ticks(site, moments)
    others, _ = _ticks(site, [[event for event in events if event.visit_id != left_out] for events in moments])
    for measure in LIVE:
        distance = 0
        before = [0] * 99
        for one, other in zip(everybody, others, strict=True):
            now = [
                first - second
                for table, same in zip(one, other, strict=True)
                if table.measure is measure
                for first, second in zip(table.values, same.values, strict=True)
            ]
            running = measure is not Measure.PRESENT
            distance += sum(abs(value - before[at] * running) for at, value in enumerate(now))
            before = now
        assert distance <= site.sensitivity(measure), measure


def _value(figures: tuple[Table, ...], measure: Measure, place: str = "door/a") -> int:
    return next(table.values[0] for table in figures if table.measure is measure and table.place == place)


def test_totals_go_up_and_who_left_is_not_present_any_more() -> None:
    come = [_event(1, Measure.PASSERS), _event(1, Measure.PRESENT)]
    figures, _ = _ticks(a_site(), [come, [], [_event(1, Measure.PRESENT, step=-1)]])
    assert [_value(tick, Measure.PASSERS) for tick in figures] == [1, 1, 1]
    assert [_value(tick, Measure.PRESENT) for tick in figures] == [1, 1, 0]


def test_a_visit_is_seen_present_by_five_ticks_only() -> None:
    figures, _ = _ticks(a_site(), [[_event(1, Measure.PRESENT)], *[[]] * 6])
    assert [_value(tick, Measure.PRESENT) for tick in figures] == [1, 1, 1, 1, 1, 0, 0]


def test_the_sensitivity_of_who_is_present_is_reached() -> None:
    site = a_site()
    both = [_event(1, Measure.PRESENT, zone) for zone in ("door/a", "door/b", "door/c")]
    figures, _ = _ticks(site, [both, *[[]] * 6])
    total = sum(table.values[0] for tick in figures for table in tick if table.measure is Measure.PRESENT)
    assert total == site.sensitivity(Measure.PRESENT) == 10


def test_who_comes_back_into_a_zone_is_counted_once() -> None:
    come, go = _event(1, Measure.PRESENT), _event(1, Measure.PRESENT, step=-1)
    figures, _ = _ticks(a_site(), [[come, go, come], [come]])
    assert [_value(tick, Measure.PRESENT) for tick in figures] == [0, 0]


def test_a_visit_crosses_lines_twice_only_over_all_lines() -> None:
    crossings = [
        _event(1, Measure.FLOW, place, cell) for place, cell in (("door/in", 0), ("door/out", 1), ("door/in", 1))
    ]
    figures, _ = _ticks(a_site(), [crossings])
    flow = {table.place: table.values for table in figures[0] if table.measure is Measure.FLOW}
    assert flow == {"door/in": (1, 0), "door/out": (0, 1), "shelf/aisle": (0, 0)}


def test_a_visit_from_yesterday_adds_nothing_today() -> None:
    caps = LiveCaps(a_site())
    assert caps.admit(_event(1, Measure.PASSERS), MIDNIGHT_S, DAY)
    assert not caps.admit(_event(1, Measure.LONG_STAYS), MIDNIGHT_S + 1, NEXT)


def _late(visit_id: int, measure: Measure, time_s: float) -> LiveEvent:
    return LiveEvent(visit_id, time_s, measure, "door/a")


def test_a_visit_that_was_forgotten_adds_nothing_again() -> None:
    """Its last event is half an hour after its first at the most, and counts two minutes later at the most."""
    caps = LiveCaps(a_site())
    assert caps.admit(_late(5, Measure.PASSERS, MIDNIGHT_S), MIDNIGHT_S, DAY)
    for minute in range(1, 60):
        now_s = MIDNIGHT_S + 60 * minute
        caps.admit(_late(100 + minute, Measure.PASSERS, now_s), now_s, DAY)
        assert not caps.admit(_late(5, Measure.PASSERS, MIDNIGHT_S + min(60 * minute, 1799)), now_s, DAY)


def test_a_picture_from_before_the_clock_does_not_make_its_visits_remembered_for_too_short() -> None:
    caps = LiveCaps(a_site())
    assert caps.admit(_late(5, Measure.PASSERS, MIDNIGHT_S + 600), MIDNIGHT_S, DAY)
    assert not caps.admit(_late(5, Measure.PASSERS, MIDNIGHT_S + 2390), MIDNIGHT_S + 2500, DAY)


@pytest.mark.parametrize("leap_s", [0.0, 100.0, 2000.0])
def test_no_visit_decides_whether_another_counts_when_the_clock_leaps(leap_s: float) -> None:
    """A machine that slept, or a clock that was set: visits before a second camera's picture that waited meanwhile."""
    counted = []
    for one_more in (True, False):
        caps = LiveCaps(a_site())
        if one_more:
            caps.admit(_late(50, Measure.PASSERS, MIDNIGHT_S), MIDNIGHT_S, DAY)
        now_s = MIDNIGHT_S + leap_s
        counted.append([caps.admit(_late(one, Measure.PASSERS, MIDNIGHT_S + 1), now_s, DAY) for one in range(50)])
    assert counted[0] == counted[1]


def test_a_measure_without_a_share_is_not_released() -> None:
    site = a_site(PrivacyPlan(live_weights=((Measure.PRESENT, 1.0),)))
    figures, _ = _ticks(site, [[_event(1, Measure.PASSERS)]])
    assert {table.measure for table in figures[0]} == {Measure.PRESENT}
    assert [table.scale for table in figures[0]] == pytest.approx([10.0] * 4)


def test_no_noise_is_drawn_before_the_first_tick() -> None:
    assert not DayCounters(a_site(), STEPS).started
