"""Alarms ring where even the low end of a released figure is over the threshold, once, and never for less."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

from moretta.core.site import Alarms, Line, Site, View, Zone
from moretta.core.statistics import Alarm, AlarmKind, LiveFigures, Measure, Release, ReleasedTable, Table
from moretta.use_cases.statistics import AlarmWatch, alarms_of

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Days:
    """Flows of the same hour on other days."""

    def __init__(self, *flows: int) -> None:
        self._flows = flows

    def tables(self, site: str, measure: Measure, first: datetime, last: datetime) -> list[ReleasedTable]:
        day = (NOON - first).days
        return [before(self._flows[day - 1], -day)] if 1 <= day <= len(self._flows) else []


def before(crossings: int, day: int) -> ReleasedTable:
    start = NOON + timedelta(days=day)
    return ReleasedTable(start, start.date(), "door/line", ways(crossings), 2.0, 6.0, 0.95, 3600.0, 10.0)


def ways(crossings: int) -> tuple[int, int]:
    return crossings - crossings // 2, crossings // 2


def flow(crossings: int) -> Release:
    table = Table("door/line", Measure.FLOW, ways(crossings), 2.0, 6.0)
    return Release("r0", "shop", NOON.date(), NOON, 3600, "s/1", "laplace", 1.0, (table,), 3600.0)


def watch(alarms: Alarms, *flows: int) -> AlarmWatch:
    whole = Zone("all", ((0, 0), (1, 0), (1, 1)))
    line = Line("line", (0.5, 0), (0.5, 1))
    return AlarmWatch(Site("shop", (View("door", (whole,), (line,)),), alarms=alarms), Days(*flows))  # type: ignore[arg-type]


def live(measure: Measure, value: int, minute: int = 0) -> LiveFigures:
    table = Table("door/all", measure, (value,), 3.0, 9.0)
    return LiveFigures("shop", NOON.date(), NOON + minute * MINUTE, "s", (table,))


def kinds(found: list[Alarm]) -> list[tuple[AlarmKind, int]]:
    return [(one.kind, one.value) for one in found]


def test_crowding_rings_when_the_low_end_is_over_the_threshold_and_once_until_it_is_over() -> None:
    one = watch(Alarms(crowding=30))
    assert one.live(live(Measure.PRESENT, 39)) == []
    assert kinds(one.live(live(Measure.PRESENT, 40, 1))) == [(AlarmKind.CROWDING, 40)]
    assert one.live(live(Measure.PRESENT, 50, 2)) == []
    assert one.live(live(Measure.PRESENT, 20, 3)) == []
    assert kinds(one.live(live(Measure.PRESENT, 60, 4))) == [(AlarmKind.CROWDING, 60)]


def test_loitering_counts_the_last_hour_of_a_running_total() -> None:
    one = watch(Alarms(loitering=20))
    assert one.live(live(Measure.LONG_STAYS, 25)) == []
    # 38 in an hour, each end off by 9 at most: 20 at the least, which is not over the threshold; 39 is.
    assert one.live(live(Measure.LONG_STAYS, 63, 30)) == []
    assert kinds(one.live(live(Measure.LONG_STAYS, 64, 40))) == [(AlarmKind.LOITERING, 39)]
    # An hour later the first total is forgotten.
    assert one.live(live(Measure.LONG_STAYS, 66, 95)) == []


def test_flow_rings_where_it_is_unlike_the_same_hour_of_other_days() -> None:
    days = (100, 110, 90, 105, 95)
    assert watch(Alarms(flow=3), *days).bucket(flow(115)) == []
    # A spread of 7.07 days makes 21.2 the limit; both ways' noise of scale 2 is within 8 in 95 of 100.
    assert watch(Alarms(flow=3), *days).bucket(flow(129)) == []
    assert len(watch(Alarms(flow=3), *days).bucket(flow(130))) == 1
    (much,) = watch(Alarms(flow=3), *days).bucket(flow(160))
    (little,) = watch(Alarms(flow=3), *days).bucket(flow(40))
    assert (much.kind, much.value, little.value, much.place) == (AlarmKind.FLOW, 160, 40, "door/line")


def test_noise_alone_is_no_unusual_flow() -> None:
    """Five quiet days that chance made alike, and a sixth that noise moved by 12, as it does one hour in a hundred."""
    assert watch(Alarms(flow=3), 5, 5, 5, 5, 5).bucket(flow(17)) == []


def test_totals_of_two_of_the_sites_days_are_not_compared() -> None:
    """Midnight in Rome is 23:00 in Greenwich: the total fell then, not an hour later."""
    one = watch(Alarms(loitering=20))
    assert one.live(dataclasses.replace(live(Measure.LONG_STAYS, 500), time=_at(22, 50), day=date(2026, 11, 25))) != []
    new_day = [
        dataclasses.replace(live(Measure.LONG_STAYS, value), time=_at(*at), day=date(2026, 11, 26))
        for value, at in ((0, (23, 0)), (60, (23, 50)), (60, (24, 5)))
    ]
    assert [kinds(one.live(figures)) for figures in new_day] == [[], [(AlarmKind.LOITERING, 60)], []]


def _at(hour: int, minute: int) -> datetime:
    return NOON.replace(hour=0) + timedelta(hours=hour, minutes=minute)


def test_without_enough_days_nothing_is_usual() -> None:
    assert watch(Alarms(flow=3), 100, 110, 90).bucket(flow(500)) == []


def test_what_the_site_does_not_ask_for_never_rings() -> None:
    made = [live(Measure.PRESENT, 10_000), live(Measure.LONG_STAYS, 10_000), flow(10_000), None]
    assert alarms_of(watch(Alarms(), 1, 2, 1, 2, 1), made) == []
    rung = alarms_of(watch(Alarms(crowding=1, loitering=1, flow=2), 1, 2, 1, 2, 1), made)
    assert [one.kind for one in rung] == [AlarmKind.CROWDING, AlarmKind.LOITERING, AlarmKind.FLOW]
