"""When something is due, in which bucket a visit counts, and that each release is made once."""

import dataclasses
from datetime import UTC, date, datetime

import pytest
from tests.noises import NoNoise
from tests.watched_site import MIDNIGHT_S, a_site, a_visit

from moretta.core.errors import NotFound
from moretta.core.site import PrivacyPlan, Site
from moretta.core.statistics import TABLED, LiveEvent, LiveFigures, Measure, Release
from moretta.statistics.keeper import MOST_WAITING, Keeper, Plan, Purpose

HOUR_S = 3600.0


def _keeper(site: Site | None = None, noise: NoNoise | None = None, started_s: float = MIDNIGHT_S) -> Keeper:
    return Keeper(site or a_site(), "s1", noise or NoNoise(), started_s=started_s)


def _tables(plans: tuple[Plan, ...]) -> list[Plan]:
    return [plan for plan in plans if plan.purpose is Purpose.TABLES]


def _live(plans: tuple[Plan, ...]) -> Plan:
    return next(plan for plan in plans if plan.purpose is Purpose.LIVE)


def _release(keeper: Keeper, plan: Plan) -> Release:
    made = keeper.make(plan)
    assert isinstance(made, Release)
    return made


def _figures(keeper: Keeper, plan: Plan) -> LiveFigures:
    made = keeper.make(plan)
    assert isinstance(made, LiveFigures)
    return made


def _passers(made: Release | LiveFigures, place: str = "door/a") -> int:
    return next(table.values[0] for table in made.tables if (table.place, table.measure) == (place, Measure.PASSERS))


def test_a_bucket_is_due_once_it_is_over_and_late_visits_had_their_time() -> None:
    keeper = _keeper()
    assert _tables(keeper.tick(MIDNIGHT_S + HOUR_S)) == []
    (plan,) = _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))
    assert plan.time == datetime(2023, 11, 20, tzinfo=UTC)
    assert plan.charge is not None
    assert (plan.charge.partition, plan.charge.epsilon) == ("s1/20231120T000000Z", 1.0)
    assert plan.charge.day == date(2023, 11, 20)


def test_a_bucket_without_a_visit_is_released_like_any_other() -> None:
    keeper = _keeper()
    release = _release(keeper, _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))[0])
    measures = {table.measure for table in release.tables}
    assert measures == set(TABLED)
    assert all(not any(table.values) for table in release.tables)


def test_the_same_plan_gives_the_same_release_and_noise_is_drawn_once() -> None:
    noise = NoNoise()
    keeper = _keeper(noise=noise)
    (plan,) = _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))
    release = keeper.make(plan)
    drawn = len(noise.draws)
    assert drawn == len(TABLED)
    assert keeper.make(plan) is release
    assert keeper.make(dataclasses.replace(plan)) is release
    assert len(noise.draws) == drawn
    assert _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 31)) == []


def test_a_visit_counts_in_the_bucket_in_which_it_ended() -> None:
    keeper = _keeper()
    keeper.tick(MIDNIGHT_S + HOUR_S + 10)
    keeper.finished(a_visit(1, end_s=MIDNIGHT_S + HOUR_S - 1))
    keeper.finished(a_visit(2, end_s=MIDNIGHT_S + HOUR_S + 1))
    keeper.finished(a_visit(3, end_s=MIDNIGHT_S + HOUR_S + 2))
    first, second = _tables(keeper.tick(MIDNIGHT_S + 2 * HOUR_S + 30))
    assert (_passers(_release(keeper, first)), _passers(_release(keeper, second))) == (1, 2)


def test_a_visit_that_comes_after_its_bucket_was_released_counts_in_the_next_one() -> None:
    keeper = _keeper()
    keeper.make(_tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))[0])
    keeper.finished(a_visit(1, end_s=MIDNIGHT_S + 5))
    (plan,) = _tables(keeper.tick(MIDNIGHT_S + 2 * HOUR_S + 30))
    assert _passers(_release(keeper, plan)) == 1


def test_a_visit_that_is_handed_in_twice_counts_once() -> None:
    keeper = _keeper()
    keeper.finished(a_visit(1))
    keeper.finished(a_visit(1))
    assert _passers(_release(keeper, _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))[0])) == 1


def test_a_plan_that_is_not_due_is_refused() -> None:
    keeper = _keeper()
    (plan,) = _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))
    later = dataclasses.replace(plan, release_id="s1-other", time=datetime(2023, 11, 20, 1, tzinfo=UTC))
    with pytest.raises(NotFound, match="due"):
        keeper.make(later)
    with pytest.raises(NotFound, match="due"):
        keeper.make(dataclasses.replace(plan, charge=None))


def test_the_release_says_what_it_cost_and_how_much_of_the_bucket_was_watched() -> None:
    keeper = _keeper(started_s=MIDNIGHT_S + 1800)
    for minute in range(1, 31):
        keeper.tick(MIDNIGHT_S + 1800 + 60 * minute, watched=1.0 if minute <= 20 else 0.5)
    release = _release(keeper, _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 60))[0])
    assert release.covered_s == 20 * 60 + 10 * 30
    assert (release.epsilon, release.bucket_s, release.site) == (1.0, 3600, "shop")
    assert release.mechanism == "no-noise-for-tests-only"


@pytest.mark.parametrize("late_s", [0.0, 0.0123, 0.4])
def test_how_long_a_picture_took_to_look_at_is_not_told_by_the_coverage(late_s: float) -> None:
    """Ticks wait for the picture that is looked at, and one with a face takes longer."""
    keeper = _keeper(started_s=MIDNIGHT_S + 60)
    for second in range(120, int(HOUR_S) + 60, 60):
        keeper.tick(MIDNIGHT_S + second + late_s)
    release = _release(keeper, _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30 + late_s))[0])
    assert release.covered_s == 3540


def test_measures_share_the_buckets_epsilon_and_no_more() -> None:
    noise = NoNoise()
    keeper = _keeper(noise=noise)
    keeper.make(_tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))[0])
    assert sum(epsilon for _, epsilon in noise.asked) == pytest.approx(1.0)


def test_live_measures_share_the_days_epsilon_and_no_more() -> None:
    noise = NoNoise()
    keeper = _keeper(noise=noise)
    keeper.make(_live(keeper.tick(MIDNIGHT_S + 60)))
    keeper.make(_live(keeper.tick(MIDNIGHT_S + 120)))
    assert sum(epsilon for _, epsilon in noise.asked) == pytest.approx(1.0)


def test_live_figures_cost_once_a_day_and_every_tick_is_made_once() -> None:
    keeper = _keeper()
    keeper.count(LiveEvent(1, MIDNIGHT_S, Measure.PASSERS, "door/a"))
    first = _live(keeper.tick(MIDNIGHT_S + 60))
    assert first.charge is not None
    assert (first.charge.partition, first.charge.epsilon) == ("s1", 1.0)
    figures = _figures(keeper, first)
    assert _passers(figures) == 1
    assert keeper.make(first) is figures
    assert keeper.tick(MIDNIGHT_S + 61) == ()
    second = _live(keeper.tick(MIDNIGHT_S + 120))
    assert second.charge is None
    assert _passers(_figures(keeper, second)) == 1
    with pytest.raises(NotFound, match="due"):
        keeper.make(first)


def test_what_came_before_the_charge_was_spent_is_in_the_first_figures() -> None:
    keeper = _keeper()
    keeper.count(LiveEvent(1, MIDNIGHT_S, Measure.PASSERS, "door/a"))
    keeper.tick(MIDNIGHT_S + 60)
    keeper.count(LiveEvent(2, MIDNIGHT_S, Measure.PASSERS, "door/a"))
    assert _passers(_figures(keeper, _live(keeper.tick(MIDNIGHT_S + 120)))) == 2


def test_a_tick_whose_charge_was_left_off_is_not_made_before_the_charged_one() -> None:
    keeper = _keeper()
    plan = _live(keeper.tick(MIDNIGHT_S + 60))
    with pytest.raises(NotFound, match="due"):
        keeper.make(dataclasses.replace(plan, charge=None))


def test_a_new_day_begins_with_new_counters_and_a_new_charge() -> None:
    keeper = _keeper(started_s=MIDNIGHT_S - 120)
    keeper.count(LiveEvent(1, MIDNIGHT_S, Measure.PASSERS, "door/a"))
    assert _passers(_figures(keeper, _live(keeper.tick(MIDNIGHT_S - 60)))) == 1
    keeper.count(LiveEvent(2, MIDNIGHT_S, Measure.PASSERS, "door/a"))
    plan = _live(keeper.tick(MIDNIGHT_S))
    assert plan.charge is not None
    assert plan.charge.day == date(2023, 11, 20)
    keeper.count(LiveEvent(2, MIDNIGHT_S, Measure.LONG_STAYS, "door/a"))
    keeper.count(LiveEvent(3, MIDNIGHT_S, Measure.PASSERS, "door/a"))
    figures = _figures(keeper, plan)
    assert _passers(figures) == 1
    assert all(not any(table.values) for table in figures.tables if table.measure is Measure.LONG_STAYS)


def test_a_bucket_is_of_the_sites_own_day() -> None:
    site = a_site(timezone="Asia/Kolkata")
    keeper = _keeper(site, started_s=MIDNIGHT_S - 5.5 * HOUR_S)
    (plan,) = _tables(keeper.tick(MIDNIGHT_S - 4.4 * HOUR_S))
    assert plan.day == date(2023, 11, 20)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_every_minute_of_a_day_of_23_or_25_hours_has_its_tick(day: date) -> None:
    site = a_site(timezone="Europe/Rome", privacy=PrivacyPlan(bucket_epsilon=0))
    first, last = site.day_bounds(day)
    keeper = _keeper(site, started_s=first.timestamp())
    made = 0
    for minute in range(int((last - first).total_seconds()) // 60):
        keeper.make(_live(keeper.tick(first.timestamp() + 60 * minute)))
        made += 1
    assert made in (23 * 60, 25 * 60)


def test_a_clock_that_is_set_back_releases_nothing_twice() -> None:
    keeper = _keeper()
    (plan,) = _tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))
    release = _release(keeper, plan)
    keeper.finished(a_visit(1, end_s=MIDNIGHT_S + HOUR_S + 10))
    assert _tables(keeper.tick(MIDNIGHT_S + 10)) == []
    keeper.finished(a_visit(2, end_s=MIDNIGHT_S + 10))
    assert keeper.make(plan) is release
    (following,) = _tables(keeper.tick(MIDNIGHT_S + 2 * HOUR_S + 30))
    assert _passers(_release(keeper, following)) == 2


def test_a_clock_that_leaps_ahead_does_not_count_the_leap_as_watched() -> None:
    keeper = _keeper()
    keeper.tick(MIDNIGHT_S + 60)
    (plan,) = _tables(keeper.tick(MIDNIGHT_S + 400 * HOUR_S))
    assert _release(keeper, plan).covered_s == 60


def test_what_nobody_asks_for_does_not_fill_the_memory() -> None:
    keeper = _keeper()
    for hour in range(MOST_WAITING + 10):
        plans = _tables(keeper.tick(MIDNIGHT_S + hour * HOUR_S))
    assert len(plans) < MOST_WAITING
    assert plans[0].time > datetime(2023, 11, 20, tzinfo=UTC)


def test_true_figures_are_gone_once_they_are_released() -> None:
    keeper = _keeper()
    keeper.finished(a_visit(1))
    keeper.make(_tables(keeper.tick(MIDNIGHT_S + HOUR_S + 30))[0])
    held = [bucket for bucket in keeper._open.values() if 1 in bucket.tally]
    assert held == []


def test_when_watching_ends_the_bucket_that_is_not_over_is_due_too() -> None:
    keeper = _keeper()
    keeper.finished(a_visit(1))
    (plan,) = _tables(keeper.close(MIDNIGHT_S + 700))
    assert _passers(_release(keeper, plan)) == 1


def test_a_visit_that_ends_without_leaving_its_zone_is_not_present_any_more() -> None:
    keeper = _keeper()
    keeper.count(LiveEvent(1, MIDNIGHT_S, Measure.PRESENT, "door/a"))
    keeper.finished(a_visit(1))
    figures = _figures(keeper, _live(keeper.tick(MIDNIGHT_S + 60)))
    assert all(not any(table.values) for table in figures.tables)


@pytest.mark.parametrize("spent", ["bucket_epsilon", "live_epsilon"])
def test_what_has_no_budget_is_never_due(spent: str) -> None:
    keeper = _keeper(a_site(PrivacyPlan(**{spent: 0.0})))
    purposes = {plan.purpose for plan in keeper.tick(MIDNIGHT_S + 2 * HOUR_S)}
    assert purposes == {Purpose.LIVE if spent == "bucket_epsilon" else Purpose.TABLES}


@pytest.mark.parametrize("named", ["weights", "live_weights"])
def test_what_the_site_cannot_measure_is_never_due_and_costs_nothing(named: str) -> None:
    privacy = PrivacyPlan(**{named: ((Measure.FLOW, 1.0),)})
    site = a_site(privacy)
    bare = dataclasses.replace(site, views=tuple(dataclasses.replace(view, lines=()) for view in site.views))
    purpose = Purpose.TABLES if named == "weights" else Purpose.LIVE
    for measured, due in ((site, True), (bare, False)):
        plans = _keeper(measured).close(MIDNIGHT_S + HOUR_S + 30)
        assert (purpose in {plan.purpose for plan in plans}) is due


def test_before_any_camera_gave_a_picture_nothing_is_due_and_nothing_is_charged() -> None:
    keeper = _keeper()
    assert keeper.tick(MIDNIGHT_S, watched=0.0) == ()
    assert keeper.tick(MIDNIGHT_S + HOUR_S + 60, watched=0.0) == ()
    (live,) = keeper.tick(MIDNIGHT_S + HOUR_S + 120, watched=0.5)
    assert live.charge is not None and live.charge.purpose == "live"
    (tables,) = _tables(keeper.tick(MIDNIGHT_S + 3 * HOUR_S, watched=0.0))
    assert tables.time.timestamp() == MIDNIGHT_S + HOUR_S
    assert _tables(_keeper().close(MIDNIGHT_S + 1, watched=0.0)) == []
