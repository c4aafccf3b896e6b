"""Who is to be called: crowding, loitering and unusual flow, read off figures that were released anyway.

Belongs here: the rules. Does not belong here: who is told (the doors), making figures.

An alarm is post-processing of noisy figures: it spends nothing and says nothing about anybody that they do not. Its price is
that it comes with the figures (a live tick later at most; flow, when its bucket is over), and that it needs a crowd to stand
out of the noise: each rule asks that even the end of the interval that is nearer to the threshold is over it. At a place that
never goes over the threshold, noise does so in one figure of forty at most (95 % intervals, one side; of flow, where too little
rings as well as too much, one of twenty), which at a figure a minute can still be several times a day.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from statistics import fmean, pstdev

from moretta.core.intervals import half_width
from moretta.core.site import Site
from moretta.core.statistics import Alarm, AlarmKind, LiveFigures, Measure, Release, ReleaseStore, Table

_HOUR = timedelta(hours=1)
# The same hour of so many days before: a week is the shortest time in which each day of the week was there once.
FLOW_DAYS = 14
# With fewer days there is no telling what is usual.
LEAST_FLOW_DAYS = 4


class AlarmWatch:
    """Reads one session's figures in the order of time. Each alarm is given once until its cause was gone."""

    def __init__(self, site: Site, releases: ReleaseStore) -> None:
        self._site, self._releases = site, releases
        self._long_stays: dict[str, deque[tuple[datetime, int, float]]] = {}
        self._day: date | None = None
        self._ringing: set[tuple[AlarmKind, str]] = set()

    def live(self, figures: LiveFigures) -> list[Alarm]:
        """What the live counters call for: too many people at once, or too many that stay too long."""
        found: list[Alarm] = []
        if figures.day != self._day:
            # Totals begin anew with the site's day.
            self._day, self._long_stays = figures.day, {}
        for table in figures.tables:
            if table.measure is Measure.PRESENT and self._site.alarms.crowding is not None:
                found += self._rings(
                    AlarmKind.CROWDING,
                    figures.time,
                    table.place,
                    table.values[0],
                    table.half_width,
                    self._site.alarms.crowding,
                )
            if table.measure is Measure.LONG_STAYS and self._site.alarms.loitering is not None:
                recent, width = self._within_an_hour(figures.time, table)
                found += self._rings(
                    AlarmKind.LOITERING, figures.time, table.place, recent, width, self._site.alarms.loitering
                )
        return found

    def bucket(self, release: Release) -> list[Alarm]:
        """What a bucket's flow calls for: crossings unlike those of the same time on other days."""
        if self._site.alarms.flow is None:
            return []
        found: list[Alarm] = []
        for table in release.tables:
            if table.measure is Measure.FLOW:
                found += self._unusual(release, table, self._site.alarms.flow)
        return found

    def _within_an_hour(self, now: datetime, table: Table) -> tuple[int, float]:
        """Long stays of the last hour, as the difference of two running totals of one day."""
        past = self._long_stays.setdefault(table.place, deque())
        past.append((now, table.values[0], table.half_width))
        while now - past[0][0] > _HOUR:
            past.popleft()
        if len(past) == 1:
            return table.values[0], table.half_width
        # Either end may be off: the sum of both widths holds with at least the sum of the confidences less one.
        return table.values[0] - past[0][1], table.half_width + past[0][2]

    def _unusual(self, release: Release, table: Table, deviations: float) -> list[Alarm]:
        before = self._same_time_before(release, table.place)
        if len(before) < LEAST_FLOW_DAYS:
            return []
        now, usual = sum(table.values), fmean(before)
        # The noise of both ways together, of variance 2 * scale^2 each; a spread of days below it would be chance.
        spread = max(pstdev(before), math.sqrt(2 * len(table.values)) * table.scale)
        width = half_width([table.scale] * len(table.values))
        return self._rings(
            AlarmKind.FLOW, release.bucket, table.place, abs(now - usual), width, deviations * spread, told=now
        )

    def _same_time_before(self, release: Release, place: str) -> list[int]:
        totals: dict[datetime, int] = {}
        for day in range(1, FLOW_DAYS + 1):
            start = release.bucket - timedelta(days=day)
            for table in self._releases.tables(release.site, Measure.FLOW, start, start + timedelta(seconds=1)):
                if table.place == place:
                    totals[start] = totals.get(start, 0) + sum(table.values)
        return list(totals.values())

    def _rings(
        self,
        kind: AlarmKind,
        time: datetime,
        place: str,
        value: float,
        width: float,
        threshold: float,
        told: int | None = None,
    ) -> list[Alarm]:
        key = (kind, place)
        if value - width <= threshold:
            self._ringing.discard(key)
            return []
        if key in self._ringing:
            return []
        self._ringing.add(key)
        return [Alarm(self._site.name, time, kind, place, round(value) if told is None else told, threshold)]


def alarms_of(watch: AlarmWatch, made: Iterable[Release | LiveFigures | None]) -> Sequence[Alarm]:
    """What these releases call for, in their order."""
    found: list[Alarm] = []
    for one in made:
        if isinstance(one, Release):
            found += watch.bucket(one)
        elif one is not None:
            found += watch.live(one)
    return found
