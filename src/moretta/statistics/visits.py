"""From the sightings of one camera to visits: what one track did, kept in memory until it is gone.

Belongs here: stays in zones, attention, crossings, companions, and when a visit begins and ends. Does not belong here: tables
and noise.

A visit is a track. Nothing here can tell that two tracks are one person, and nothing tries to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from moretta.core.site import Point, View, Zone
from moretta.core.statistics import LONGEST_VISIT_S, LiveEvent, Measure, Sighting, Stay, Visit
from moretta.core.values import TrackId
from moretta.statistics.attention import attentive
from moretta.statistics.geometry import inside, meets, side
from moretta.statistics.proximity import Companions

# A track that was not seen for so long is over: the tracker gives a face's id back to nobody after 1.5 s (`vision.track`).
GONE_AFTER_S = 2.0
# Seen in fewer frames, a face is more often a false detection than a person; the same bound as `use_cases.analyse` has.
LEAST_SIGHTINGS = 3
# More people at once than a camera can show as faces that are large enough to be measured.
MOST_TRACKS = 256


@dataclass(slots=True)
class _InZone:
    entered_s: float
    inside_s: float
    present: bool = True
    dwell_s: float = 0.0
    attention_s: float = 0.0
    overstayed: bool = False


@dataclass(slots=True)
class _Open:
    visit_id: int
    track_id: TrackId
    start_s: float
    last_s: float
    sightings: int = 0
    early: list[tuple[Sighting, float]] = field(default_factory=list)
    zones: dict[str, _InZone] = field(default_factory=dict)
    within: frozenset[str] = frozenset()
    sides: dict[str, int] = field(default_factory=dict)
    clear: dict[str, Point] = field(default_factory=dict)
    crossings: list[tuple[str, bool]] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    female: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Step:
    """What one frame brought: visits that are over, and what live counters add."""

    visits: tuple[Visit, ...]
    events: tuple[LiveEvent, ...]


class VisitMeter:
    """Follows the visits before one camera.

    Args:
        view: the camera's zones, lines and target.
        loitering_s: seconds in a zone from which a stay is a long one.
        first_visit_id: where this camera's visit ids begin; they count up by `id_step`, so that cameras of one session share
        none. id_step: how many cameras the session has.
    """

    def __init__(self, view: View, loitering_s: float, first_visit_id: int = 0, id_step: int = 1) -> None:
        self._view, self._loitering_s = view, loitering_s
        self._next_id, self._id_step = first_visit_id, id_step
        self._open: dict[TrackId, _Open] = {}
        self._companions = Companions()
        self._zones = {f"{view.camera}/{zone.name}": zone for zone in view.zones}
        self._lines = {f"{view.camera}/{line.name}": line for line in view.lines}
        self._events: list[LiveEvent] = []
        self._finished: list[Visit] = []
        self._now_s = -float("inf")

    @property
    def present(self) -> int:
        """How many tracks are open; for bounding memory, never to be released."""
        return len(self._open)

    def observe(self, time_s: float, sightings: Sequence[Sighting], aspect: float) -> Step:
        """Take one frame: all faces seen in it at `time_s` (seconds since 1970), `aspect` the picture's width over its height.

        A frame from before the last one (a camera's clock was set back) ends all visits: time within a visit only goes forward.
        """
        if time_s < self._now_s:
            self._end(list(self._open))
        self._now_s = time_s
        self._end(track for track, visit in self._open.items() if time_s - visit.last_s > GONE_AFTER_S)
        self._end(track for track, visit in self._open.items() if time_s - visit.start_s >= LONGEST_VISIT_S)
        for seen in sightings:
            visit = self._open.get(seen.track_id)
            if visit is None and len(self._open) >= MOST_TRACKS:
                continue
            self._see(visit or self._begin(seen), seen, aspect)
        self._stand_together(sightings, aspect)
        return self._step()

    def forget(self, tracks: Iterable[TrackId]) -> Step:
        """Drop these tracks' visits as if they had never been: people who show the opt-out marker."""
        for track in tracks:
            visit = self._open.pop(track, None)
            if visit is not None:
                self._companions.forget(visit.visit_id)
                self._left(visit, float("inf"))
        return self._step()

    def finish(self) -> Step:
        """End every visit: the camera is gone."""
        self._end(list(self._open))
        return self._step()

    def _step(self) -> Step:
        step = Step(tuple(self._finished), tuple(self._events))
        self._finished, self._events = [], []
        return step

    def _begin(self, seen: Sighting) -> _Open:
        visit = _Open(self._next_id, seen.track_id, seen.time_s, seen.time_s)
        self._next_id += self._id_step
        self._open[seen.track_id] = visit
        return visit

    def _see(self, visit: _Open, seen: Sighting, aspect: float) -> None:
        passed_s = min(seen.time_s - visit.last_s, GONE_AFTER_S)
        visit.sightings += 1
        visit.early.append((seen, passed_s))
        if visit.sightings >= LEAST_SIGHTINGS:
            # Once it is believed to be a face, what was seen of it before counts as well.
            for one, since_s in visit.early:
                self._in_zones(visit, one, since_s, aspect)
                self._over_lines(visit, (one.x, one.y))
            visit.early.clear()
        visit.last_s = seen.time_s
        if seen.age is not None:
            visit.ages.append(seen.age)
        if seen.female is not None:
            visit.female.append(seen.female)

    def _in_zones(self, visit: _Open, seen: Sighting, passed_s: float, aspect: float) -> None:
        within = frozenset(place for place, zone in self._zones.items() if inside(zone, (seen.x, seen.y)))
        looks = self._view.target is not None and attentive(self._view.target, seen, aspect)
        for place in sorted(within):
            stay = visit.zones.get(place)
            if stay is None:
                visit.zones[place] = _InZone(seen.time_s, seen.time_s)
                self._tell(visit, Measure.PASSERS, place)
                self._tell(visit, Measure.PRESENT, place)
                continue
            if place in visit.within:
                stay.dwell_s += passed_s
                stay.attention_s += passed_s * looks
            stay.inside_s = seen.time_s
            if stay.dwell_s >= self._loitering_s and not stay.overstayed:
                stay.overstayed = True
                self._tell(visit, Measure.LONG_STAYS, place)
        visit.within = within
        self._left(visit, seen.time_s - GONE_AFTER_S)

    def _left(self, visit: _Open, before_s: float) -> None:
        """Who was last in a zone before then has left it. A visit comes into a zone and leaves it once for the live counters, so
        that it adds 2 at most to who is present."""
        for place, stay in visit.zones.items():
            if stay.present and stay.inside_s < before_s:
                stay.present = False
                self._tell(visit, Measure.PRESENT, place, step=-1)

    def _over_lines(self, visit: _Open, point: Point) -> None:
        for place, line in self._lines.items():
            now, before = side(line, point), visit.sides.get(place)
            if now == 0:
                continue
            if before is not None and before != now and meets(line, visit.clear[place], point):
                forward = now == 1
                visit.crossings.append((place, forward))
                self._tell(visit, Measure.FLOW, place, cell=0 if forward else 1)
            visit.sides[place], visit.clear[place] = now, point

    def _stand_together(self, sightings: Sequence[Sighting], aspect: float) -> None:
        places = [
            (self._open[seen.track_id].visit_id, seen, self._open[seen.track_id].within)
            for seen in sightings
            if seen.track_id in self._open
        ]
        self._companions.observe(places, aspect)

    def _end(self, tracks: Iterable[TrackId]) -> None:
        for track in list(tracks):
            visit = self._open.pop(track)
            self._left(visit, float("inf"))
            companions = self._companions.leave(visit.visit_id)
            if visit.sightings < LEAST_SIGHTINGS:
                continue
            stays = tuple(self._stay(place, stay) for place, stay in visit.zones.items())
            self._finished.append(
                Visit(
                    visit.visit_id,
                    self._view.camera,
                    visit.start_s,
                    visit.last_s,
                    stays,
                    tuple(visit.crossings),
                    companions,
                    median(visit.ages) if visit.ages else None,
                    median(visit.female) if visit.female else None,
                )
            )

    def _stay(self, place: str, stay: _InZone) -> Stay:
        zone: Zone = self._zones[place]
        return Stay(place, stay.entered_s, stay.dwell_s, stay.attention_s, stay.dwell_s >= zone.least_stay_s)

    def _tell(self, visit: _Open, measure: Measure, place: str, *, cell: int = 0, step: int = 1) -> None:
        self._events.append(LiveEvent(visit.visit_id, self._now_s, measure, place, cell, step))
