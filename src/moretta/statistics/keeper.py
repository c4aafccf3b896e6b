"""What the watching process keeps of a site between a visit and its release, and the only way out of it.

Belongs here: which bucket a visit counts in, what is due when, and making each release once. Does not belong here: spending (the
door spends a plan's charge durably *before* it asks for the release), storing, sightings.

    k = Keeper(site, session, OpenDpLaplace(), started_s=now)
    k.count(event); k.finished(visit)            # as they come
    for plan in k.tick(now): spend(plan.charge); k.make(plan)

The order of what is due follows from the clock alone, never from what was seen: a bucket without a visit is released like any
other.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

from moretta.core.errors import NotFound
from moretta.core.intervals import half_width
from moretta.core.site import Site
from moretta.core.statistics import TABLED, Charge, LiveEvent, LiveFigures, Measure, Release, Table, Visit
from moretta.statistics.live import DayCounters, LiveCaps
from moretta.statistics.noise import Mechanism
from moretta.statistics.tables import PAIRABLE_S, Tally, flattened, laid_out

TICK_S = 60.0
# A track's end is noticed seconds after it (see `visits.GONE_AFTER_S`), and a worker's answer may wait behind other cameras.
GRACE_S = 30.0
# So many buckets wait for a door that does not ask, and so many releases for one that asks again: a day of half hours.
MOST_WAITING = 48
# Forgetting looks at every visit of half an hour, so not at every tick.
_TIDY_S = 60.0
# Coverage is told in whole minutes: ticks come late by as long as a picture took to look at, and that depends on who is on it.
_COVERAGE_STEP_S = 60
# Between two ticks that are further apart nothing was watched: the process was stopped, or the clock was set forward.
_MOST_APART_S = 300.0


class Purpose(StrEnum):
    """What a plan is for."""

    TABLES = "tables"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Plan:
    """Something that is due. `charge` is to be spent before it is made; None where an earlier plan's charge covers it.

    `release_id` names what will be made of it, and `time` is the bucket's start or the tick.
    """

    purpose: Purpose
    release_id: str
    day: date
    time: datetime
    charge: Charge | None


@dataclass(slots=True)
class _Bucket:
    tally: Tally
    covered_s: float = 0.0
    watched: bool = False


class Keeper:
    """Holds true figures in memory and gives out noisy ones. One for each life of the watching process; not safe for threads.

    Args:
        session: the random id of this life; what it spends is kept apart from other sessions' by it.
        started_s: the clock at the start, in seconds since 1970 as all times here.
        tick_s: how often live counters are released.
        grace_s: how long after its end a bucket waits for visits that ended in it.
    """

    def __init__(
        self,
        site: Site,
        session: str,
        mechanism: Mechanism,
        *,
        started_s: float,
        tick_s: float = TICK_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self._site, self._session, self._mechanism = site, session, mechanism
        self._tick_s, self._grace_s = tick_s, grace_s
        self._now_s = self._tidied_s = started_s
        self._closed = self._watched = False
        self._open: OrderedDict[datetime, _Bucket] = OrderedDict({site.bucket(started_s): _Bucket(Tally(site))})
        self._caps = LiveCaps(site)
        self._begin_day(site.day(started_s))
        self._releases: OrderedDict[str, Release] = OrderedDict()
        self._figures: LiveFigures | None = None
        self._figures_id = ""

    def count(self, event: LiveEvent) -> None:
        """Add to the live counters, as far as the visit's caps allow."""
        if self._caps.admit(event, self._now_s, self._day):
            self._counters.add(event)

    def finished(self, visit: Visit) -> None:
        """Count a visit in the bucket in which it ended; if that is released or not known here, in the oldest open one."""
        for zone in list(self._caps.present(visit.visit_id)):
            self.count(LiveEvent(visit.visit_id, visit.end_s, Measure.PRESENT, zone, step=-1))
        if any(visit.visit_id in bucket.tally for bucket in self._open.values()):
            return
        self._bucket_of(visit.end_s).tally.add(visit)

    def tick(self, now_s: float, watched: float = 1.0) -> tuple[Plan, ...]:
        """What is due at `now_s`, oldest first; a plan that is not made is due again.

        A clock that is set back stands still here until it has caught up. Of live ticks only the last one is due.

        Args:
            watched: the share, 0 to 1, of the site's cameras that gave pictures since the last tick.
        """
        passed_s = now_s - self._now_s
        current = next(reversed(self._open.values()))
        current.watched |= watched > 0
        self._watched |= watched > 0
        if passed_s > 0:
            current.covered_s += passed_s * watched if passed_s <= _MOST_APART_S else 0.0
            self._now_s = now_s
        self._open.setdefault(self._site.bucket(self._now_s), _Bucket(Tally(self._site)))
        while len(self._open) > MOST_WAITING:
            self._open.popitem(last=False)
        if self._now_s - self._tidied_s >= _TIDY_S:
            self._tidied_s = self._now_s
            for bucket in self._open.values():
                bucket.tally.forget(self._now_s - PAIRABLE_S)
        if self._site.day(self._now_s) != self._day:
            self._begin_day(self._site.day(self._now_s))
        return (*self._due_tables(), *self._due_live())

    def close(self, now_s: float, watched: float = 1.0) -> tuple[Plan, ...]:
        """As `tick`, when watching ends and every visit was handed in: buckets are due that are not over yet, too."""
        self._closed = True
        return self.tick(now_s, watched)

    def make(self, plan: Plan) -> Release | LiveFigures:
        """The release of a plan whose charge has been spent. The same plan again gives the same object: noise is drawn once.

        What true figures went into it are gone afterwards.

        Raises:
            NotFound: the plan is not due, or its release was made too long ago to be still held here.
        """
        if plan.purpose is Purpose.LIVE:
            return self._make_live(plan)
        made = self._releases.get(plan.release_id)
        if made is not None:
            return made
        if plan not in self._due_tables():
            raise NotFound("expected a plan that is due, or one whose release is still held; ask for what is due")
        made = self._releases[plan.release_id] = self._release(plan, self._open[plan.time])
        del self._open[plan.time]
        while len(self._releases) > MOST_WAITING:
            self._releases.popitem(last=False)
        return made

    def _due_tables(self) -> list[Plan]:
        if not self._site.bucket_epsilon:
            return []
        due_s = self._now_s - self._site.bucket_s - self._grace_s
        over = {start: bucket for start, bucket in self._open.items() if self._closed or start.timestamp() <= due_s}
        # Without a picture there is nothing to tell, and nothing worth its price: cameras say so, never who was before them.
        return [self._tables_plan(start) for start, bucket in over.items() if bucket.watched]

    def _tables_plan(self, start: datetime) -> Plan:
        stamp = f"{start:%Y%m%dT%H%M%SZ}"
        day = self._site.day(start.timestamp())
        spent = self._site.bucket_epsilon
        charge = Charge(self._site.name, day, f"{self._session}/{stamp}", spent, str(Purpose.TABLES))
        return Plan(Purpose.TABLES, f"{self._session}-{stamp}", day, start, charge)

    def _due_live(self) -> list[Plan]:
        if not (self._watched and self._site.live_epsilon) or self._tick_number() <= self._made_tick:
            return []
        return [self._live_plan(self._tick_number())]

    def _live_plan(self, number: int) -> Plan:
        time = datetime.fromtimestamp(self._day_start_s + number * self._tick_s, UTC)
        charge = Charge(self._site.name, self._day, self._session, self._site.live_epsilon, str(Purpose.LIVE))
        release_id = f"{self._session}-live-{self._day:%Y%m%d}-{number}"
        return Plan(Purpose.LIVE, release_id, self._day, time, None if self._counters.started else charge)

    def _make_live(self, plan: Plan) -> LiveFigures:
        if self._figures is not None and self._figures_id == plan.release_id:
            return self._figures
        due = {due.release_id for due in self._due_live()}
        if plan.release_id not in due or (plan.charge is None and not self._counters.started):
            raise NotFound("expected the live tick that is due; ask for what is due")
        self._figures = LiveFigures(
            self._site.name, self._day, plan.time, self._session, self._counters.tick(self._mechanism)
        )
        self._figures_id, self._made_tick = plan.release_id, self._tick_number()
        return self._figures

    def _release(self, plan: Plan, bucket: _Bucket) -> Release:
        true = bucket.tally.tables()
        tables: list[Table] = []
        for measure in TABLED:
            epsilon = self._site.epsilon_of(measure)
            if not epsilon:
                continue
            noise = self._mechanism.measurement(self._site.sensitivity(measure), epsilon)
            values = noise.release(flattened(self._site, measure, true))
            tables += laid_out(self._site, measure, values, noise.scale, half_width([noise.scale]))
        return Release(
            plan.release_id,
            self._site.name,
            plan.day,
            plan.time,
            self._site.bucket_s,
            f"{self._session}/{plan.time:%Y%m%dT%H%M%SZ}",
            self._mechanism.name,
            self._site.bucket_epsilon,
            tuple(tables),
            min(_whole_minutes(bucket.covered_s), float(self._site.bucket_s)),
            self._site.privacy.least_cell,
        )

    def _bucket_of(self, end_s: float) -> _Bucket:
        own = self._open.get(self._site.bucket(end_s))
        return own or next(iter(self._open.values()))

    def _tick_number(self) -> int:
        return int((self._now_s - self._day_start_s) // self._tick_s)

    def _begin_day(self, day: date) -> None:
        self._day, self._day_start_s = day, self._site.day_bounds(day)[0].timestamp()
        self._counters = DayCounters(self._site, ticks_of(self._site, day, self._tick_s))
        self._made_tick = -1


def ticks_of(site: Site, day: date, tick_s: float = TICK_S) -> int:
    """How many live ticks the site's `day` has at most."""
    first, last = site.day_bounds(day)
    return math.ceil((last - first).total_seconds() / tick_s)


def _whole_minutes(seconds: float) -> float:
    return float(_COVERAGE_STEP_S * round(seconds / _COVERAGE_STEP_S))
