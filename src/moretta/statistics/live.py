"""The live counters of one watching session: who came, is there, stayed long and crossed, over one day.

Belongs here: the caps on what one visit adds to live counters, and a day's counters. Does not belong here: when a tick is due,
and what is spent (see `keeper`).

A visit that goes on over midnight adds nothing to the new day, so that live counters cost it the budget of one day only.

Who is there is not a running total of comings less goings: its noise would be that of a day's tree, and an event that is missed
would count until midnight. It is a count at each tick, and a visit is in at most `MOST_TICKS` of those for each zone.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from moretta.core.intervals import half_width
from moretta.core.site import Site
from moretta.core.statistics import (
    LIVE,
    LONGEST_VISIT_S,
    MEASURES,
    MOST_CROSSINGS,
    MOST_TICKS,
    LiveEvent,
    Measure,
    Subject,
    Table,
)
from moretta.statistics.continual import TreeCounter
from moretta.statistics.noise import Measurement, Mechanism
from moretta.statistics.tables import laid_out

# An event that is handed in later than this, by the keeper's clock, adds nothing any more: a worker's answer waits for seconds.
_LATEST_S = 120.0
# A visit's events are less than the longest visit apart, and none counts later than `_LATEST_S`: so long after the first one,
# whatever else of that visit comes is too late, and what it added can be forgotten.
_REMEMBERED_S = LONGEST_VISIT_S + _LATEST_S
# Forgetting looks at every visit of half an hour, so not at every event.
_TIDY_S = 60.0


@dataclass(slots=True)
class _Added:
    """What one visit has added so far; `zones` in the order of entering."""

    camera: str
    first_s: float
    day: date
    zones: dict[str, set[tuple[Measure, int]]] = field(default_factory=dict)
    crossings: int = 0


class LiveCaps:
    """Lets through what the caps allow: for each visit one coming, one going and one long stay in each of its first zones, and
    its first crossings.

    What becomes of an event depends on the clock and on its own visit's events, never on another visit.
    """

    def __init__(self, site: Site) -> None:
        self._most_zones = site.privacy.most_zones
        self._places = {measure: frozenset(site.places_of(measure)) for measure in LIVE}
        self._added: dict[int, _Added] = {}
        self._tidied_s = -math.inf

    def admit(self, event: LiveEvent, now_s: float, day: date) -> bool:
        """Whether the event may be counted on `day`; if so, it is remembered as counted."""
        self._forget(now_s)
        if event.place not in self._places.get(event.measure, ()) or not now_s - event.time_s <= _LATEST_S:
            return False
        added = self._of(event, now_s, day)
        if added is None:
            return False
        if MEASURES[event.measure].subject is Subject.LINE:
            return self._crossed(added, event)
        return self._in_zone(added, event)

    def present(self, visit_id: int) -> Iterator[str]:
        """The zones into which the visit came and which it has not left."""
        added = self._added.get(visit_id)
        for zone, done in added.zones.items() if added else ():
            if (Measure.PRESENT, 1) in done and (Measure.PRESENT, -1) not in done:
                yield zone

    def _of(self, event: LiveEvent, now_s: float, day: date) -> _Added | None:
        camera = event.place.partition("/")[0]
        added = self._added.get(event.visit_id)
        if added is None:
            added = self._added[event.visit_id] = _Added(camera, max(now_s, event.time_s), day)
        return added if added.day == day and added.camera == camera else None

    def _crossed(self, added: _Added, event: LiveEvent) -> bool:
        if event.step != 1 or event.cell not in (0, 1) or added.crossings == MOST_CROSSINGS:
            return False
        added.crossings += 1
        return True

    def _in_zone(self, added: _Added, event: LiveEvent) -> bool:
        if event.place not in added.zones and len(added.zones) == self._most_zones:
            return False
        done = added.zones.setdefault(event.place, set())
        step = (event.measure, event.step)
        leaves = step == (Measure.PRESENT, -1)
        if event.cell != 0 or step in done or (event.step != 1 and not leaves):
            return False
        if leaves and (Measure.PRESENT, 1) not in done:
            return False
        done.add(step)
        return True

    def _forget(self, now_s: float) -> None:
        if now_s - self._tidied_s >= _TIDY_S:
            self._tidied_s = now_s
            before_s = now_s - _REMEMBERED_S
            self._added = {visit_id: added for visit_id, added in self._added.items() if added.first_s >= before_s}


class DayCounters:
    """The counters of one day. No noise is drawn before the first `tick`, which is to come after the charge was spent."""

    def __init__(self, site: Site, steps: int) -> None:
        self._site, self._steps, self._started = site, steps, False
        self._measures = [measure for measure in LIVE if site.live_epsilon_of(measure) > 0]
        self._places = {measure: site.places_of(measure) for measure in self._measures}
        self._pending = {measure: self._zeros(measure) for measure in self._measures}
        self._counters: dict[Measure, TreeCounter] = {}
        self._presence: Measurement | None = None
        # By visit and zone, in how many ticks it was.
        self._present: dict[tuple[int, str], int] = {}

    @property
    def started(self) -> bool:
        """Whether noise was drawn."""
        return self._started

    def add(self, event: LiveEvent) -> None:
        """Count an event that the caps let through; a measure that is not released is left out."""
        if event.measure is Measure.PRESENT:
            if event.step == 1:
                self._present[event.visit_id, event.place] = 0
            else:
                self._present.pop((event.visit_id, event.place), None)
        elif event.measure in self._pending:
            cells = len(MEASURES[event.measure].cells)
            at = self._places[event.measure].index(event.place) * cells + event.cell
            self._pending[event.measure][at] += event.step

    def tick(self, mechanism: Mechanism) -> tuple[Table, ...]:
        """Close the step: what was added since the last one goes into the totals, and noisy totals come out."""
        self._started = True
        tables: list[Table] = []
        for measure in self._measures:
            if measure is Measure.PRESENT:
                values, scale, width = self._count_present(mechanism)
            else:
                values, scale, width = self._add_up(mechanism, measure)
            tables += laid_out(self._site, measure, values, scale, width)
        return tuple(tables)

    def _count_present(self, mechanism: Mechanism) -> tuple[Sequence[int], float, int]:
        if self._presence is None:
            sensitivity = self._site.sensitivity(Measure.PRESENT)
            self._presence = mechanism.measurement(sensitivity, self._site.live_epsilon_of(Measure.PRESENT))
        people = dict.fromkeys(self._places[Measure.PRESENT], 0)
        for _, zone in self._present:
            people[zone] += 1
        # In its last tick a visit is forgotten: a going that never comes cannot fill the memory.
        self._present = {key: ticks + 1 for key, ticks in self._present.items() if ticks + 1 < MOST_TICKS}
        values = self._presence.release(list(people.values()))
        return values, self._presence.scale, half_width([self._presence.scale])

    def _add_up(self, mechanism: Mechanism, measure: Measure) -> tuple[Sequence[int], float, int]:
        counter = self._counters.get(measure) or self._counter(mechanism, measure)
        self._counters[measure] = counter
        values = counter.add(self._pending[measure])
        self._pending[measure] = self._zeros(measure)
        return values, counter.scale, counter.half_width()

    def _counter(self, mechanism: Mechanism, measure: Measure) -> TreeCounter:
        return TreeCounter(
            mechanism,
            cells=len(self._pending[measure]),
            steps=self._steps,
            sensitivity=self._site.sensitivity(measure),
            epsilon=self._site.live_epsilon_of(measure),
        )

    def _zeros(self, measure: Measure) -> list[int]:
        return [0] * (len(self._places[measure]) * len(MEASURES[measure].cells))
