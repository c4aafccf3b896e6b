"""A day before a made-up shop, as visits and live events, and what a `Keeper` makes of it.

Belongs here: the stream that utility is measured on. Does not belong here: comparing, pages.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from moretta.core.site import Line, PrivacyPlan, Site, Target, View, Zone
from moretta.core.statistics import TABLED, LiveEvent, LiveFigures, Release, Visit
from moretta.statistics.keeper import Keeper
from moretta.statistics.noise import Measurement, Mechanism
from moretta.statistics.simulation import Crowd
from moretta.statistics.visits import VisitMeter

# Midnight in UTC of a Monday.
MIDNIGHT_S = 1_700_438_400.0
LEFT = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
RIGHT = ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))
ASPECT = 4 / 3


@dataclass(frozen=True, slots=True)
class Moment:
    """What one second brought."""

    time_s: float
    visits: tuple[Visit, ...]
    events: tuple[LiveEvent, ...]


class Exact:
    """`Mechanism` without noise: the truth, after clipping and caps."""

    name = "exact"

    def measurement(self, sensitivity: int, epsilon: float) -> Measurement:
        """As `Mechanism.measurement`, but private it is not."""
        return _Exact(sensitivity / epsilon)


@dataclass(frozen=True, slots=True)
class _Exact:
    scale: float

    def release(self, values: Sequence[int]) -> tuple[int, ...]:
        return tuple(values)


def shop(epsilon: float, **privacy: object) -> Site:
    """One camera with two zones, a line between them and a screen; `epsilon` for a bucket, and as much for a day's live figures.

    `privacy` overrides further terms of the `PrivacyPlan`.
    """
    view = View(
        "entrance",
        (Zone("left", LEFT, crowded_from=3), Zone("right", RIGHT, crowded_from=3)),
        (Line("middle", (0.5, 0.0), (0.5, 1.0)),),
        Target("screen"),
    )
    every = {"weights": tuple((measure, 1.0) for measure in TABLED)}
    return Site("shop", (view,), privacy=PrivacyPlan(epsilon, epsilon, 2 * epsilon, **{**every, **privacy}))


def day(people_per_hour: float, hours: tuple[int, int], frames_per_s: float, seed: int) -> list[Moment]:
    """The visits and events of a day from the hour `hours[0]` to `hours[1]`, a `Moment` for each second that brought any."""
    site = shop(1.0)
    start_s, end_s = (MIDNIGHT_S + 3600.0 * hour for hour in hours)
    meter = VisitMeter(site.views[0], site.alarms.loitering_s)
    moments = []
    for scene in Crowd(site, people_per_hour, seed, frames_per_s).scenes(start_s, end_s):
        step = meter.observe(scene.time_s, scene.sightings, ASPECT)
        if step.visits or step.events:
            moments.append(Moment(scene.time_s, step.visits, step.events))
    return [*moments, Moment(end_s, meter.finish().visits, ())]


def released(
    site: Site, moments: Sequence[Moment], mechanism: Mechanism, *, live: bool
) -> Iterator[Release | LiveFigures]:
    """All that a keeper gives out of the day, in order: the buckets, or the live figures of each minute."""
    privacy = replace(site.privacy, **{"bucket_epsilon" if live else "live_epsilon": 0.0})
    start_s = moments[0].time_s // 3600 * 3600
    keeper = Keeper(replace(site, privacy=privacy), "benchmark", mechanism, started_s=start_s)
    every_s = 60 if live else 900
    due_s = start_s + every_s
    for moment in moments:
        while due_s <= moment.time_s:
            yield from (keeper.make(plan) for plan in keeper.tick(due_s))
            due_s += every_s
        for event in moment.events if live else ():
            keeper.count(event)
        for visit in moment.visits:
            keeper.finished(visit)
    yield from (keeper.make(plan) for plan in keeper.close(due_s))
