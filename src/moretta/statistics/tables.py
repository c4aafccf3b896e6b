"""The true tables of one bucket, with every cap on what one visit may add enforced.

Belongs here: counting visits so that adding or removing any one of them changes the tables of a measure, over the whole site,
by at most `Site.sensitivity` (L1). Does not belong here: noise.

A visit is counted when it is handed in and then forgotten. What stays is sums; when a zone was how full; and for at most
`LONGEST_VISIT_S` and a bit, how many pairs each visit is part of.

Figures are integers from the first step on: a sum of floats could round a visit's share up past its cap.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from moretta.core.intervals import CONFIDENCE
from moretta.core.site import Site
from moretta.core.statistics import (
    AGE_EDGES,
    DWELL_CLIP_S,
    DWELL_EDGES_S,
    LONGEST_VISIT_S,
    MEASURES,
    MOST_CROSSINGS,
    MOST_PAIRS,
    TABLED,
    Measure,
    Stay,
    Table,
    Visit,
)

# Looked for at least so long is attention; the measure's title says so.
LEAST_ATTENTION_S = 1.0
# Pairs are of visits that were there at the same time, so their ends are at most the longest visit apart; the rest is for a
# tracker that notices an end late.
PAIRABLE_S = LONGEST_VISIT_S + 120.0

Tables = dict[Measure, dict[str, list[int]]]


@dataclass(slots=True)
class _Paired:
    """In how many pairs a visit is, for each zone in which it counts."""

    end_s: float
    pairs: dict[str, int]


class Tally:
    """The true tables of one bucket while it fills."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._zones = {f"{view.camera}/{zone.name}": zone for view in site.views for zone in view.zones}
        self._tables: Tables = {
            measure: {place: [0] * len(MEASURES[measure].cells) for place in site.places_of(measure)}
            for measure in TABLED
        }
        self._paired: dict[int, _Paired] = {}
        # How many more people are in the zone from that second on.
        self._changes: dict[str, dict[int, int]] = {place: defaultdict(int) for place in self._zones}

    def add(self, visit: Visit) -> None:
        """Count a visit, once; its figures of places that are not of its camera and site are left out."""
        if visit.visit_id in self._paired:
            return
        stays = self._counted(visit)
        for stay in stays:
            self._stay(stay)
            for measure, cell in ((Measure.AGE, _age_cell(visit.age)), (Measure.GENDER, _gender_cell(visit.female))):
                self._add(measure, stay.zone, cell)
        for line, forward in visit.crossings[:MOST_CROSSINGS]:
            if line in self._tables[Measure.FLOW] and line.startswith(f"{visit.camera}/"):
                self._add(Measure.FLOW, line, 0 if forward else 1)
        self._pair(visit, [stay.zone for stay in stays])

    def __contains__(self, visit_id: int) -> bool:
        return visit_id in self._paired

    def forget(self, before_s: float) -> None:
        """Forget the pairs of visits that ended before then. To be called by the clock only, never by what was seen: otherwise
        one visit could change the pairs of others."""
        self._paired = {visit_id: paired for visit_id, paired in self._paired.items() if paired.end_s >= before_s}

    def tables(self) -> Tables:
        """The figures of all places, by measure; a copy."""
        tables = {
            measure: {place: list(cells) for place, cells in places.items()} for measure, places in self._tables.items()
        }
        for place, changes in self._changes.items():
            tables[Measure.CROWDING][place] = [_crowded_s(changes, self._zones[place].crowded_from)]
        return tables

    def _counted(self, visit: Visit) -> list[Stay]:
        """The visit's first stay in each of the first `most_zones` zones that it entered."""
        first: dict[str, Stay] = {}
        for stay in visit.stays:
            if stay.zone in self._zones and stay.zone.startswith(f"{visit.camera}/"):
                first.setdefault(stay.zone, stay)
        return list(first.values())[: self._site.privacy.most_zones]

    def _stay(self, stay: Stay) -> None:
        self._add(Measure.PASSERS, stay.zone)
        if stay.is_visit:
            self._add(Measure.VISITS, stay.zone)
        self._add(Measure.DWELL, stay.zone, bisect_right(DWELL_EDGES_S, stay.dwell_s))
        dwell_s = _clipped(stay.dwell_s)
        self._add(Measure.DWELL_TIME, stay.zone, step=dwell_s)
        if stay.zone in self._tables[Measure.ATTENTION]:
            if stay.attention_s >= LEAST_ATTENTION_S:
                self._add(Measure.ATTENTION, stay.zone)
            self._add(Measure.ATTENTION_TIME, stay.zone, step=_clipped(stay.attention_s))
        if dwell_s and math.isfinite(stay.entered_s):
            entered = math.floor(stay.entered_s)
            self._changes[stay.zone][entered] += 1
            self._changes[stay.zone][entered + dwell_s] -= 1

    def _pair(self, visit: Visit, zones: list[str]) -> None:
        """Edge addition: a pair counts if both are in fewer than `MOST_PAIRS` pairs of that zone so far.

        Pairs are taken in the order in which the later of the two is handed in, then by since when; neither order changes for
        the others when a visit is left out. Then the number of pairs of a zone changes by at most `MOST_PAIRS`, and only in
        zones in which that visit counts.

        Source: Day, Li and Lyu, Publishing graph degree distribution with node differential privacy, SIGMOD 2016, section 4.
        """
        own = _Paired(visit.end_s, dict.fromkeys(zones, 0))
        taken: set[tuple[str, int]] = set()
        for _, other_id, zone in sorted((since_s, other_id, zone) for zone, other_id, since_s in visit.companions):
            other = self._paired.get(other_id)
            if other is None or (zone, other_id) in taken:
                continue
            taken.add((zone, other_id))
            if own.pairs.get(zone, MOST_PAIRS) < MOST_PAIRS and other.pairs.get(zone, MOST_PAIRS) < MOST_PAIRS:
                own.pairs[zone] += 1
                other.pairs[zone] += 1
                self._add(Measure.PROXIMITY, zone)
        self._paired[visit.visit_id] = own

    def _add(self, measure: Measure, place: str, cell: int = 0, step: int = 1) -> None:
        self._tables[measure][place][cell] += step


def tables_of(site: Site, visits: Iterable[Visit]) -> Tables:
    """The true tables of a bucket of which these are the visits, in the order of being handed in."""
    tally = Tally(site)
    for visit in visits:
        tally.add(visit)
    return tally.tables()


def flattened(site: Site, measure: Measure, tables: Tables) -> list[int]:
    """All figures of `measure` in the order of `Site.places_of`, cell after cell."""
    return [value for place in site.places_of(measure) for value in tables[measure][place]]


def laid_out(site: Site, measure: Measure, values: Sequence[int], scale: float, width: float) -> Iterator[Table]:
    """Noisy figures in the order of `flattened` as one table for each place; `scale` and `width` as of `Table`."""
    cells = len(MEASURES[measure].cells)
    for number, place in enumerate(site.places_of(measure)):
        own = tuple(values[number * cells : (number + 1) * cells])
        yield Table(place, measure, own, scale, float(width), CONFIDENCE)


def _clipped(seconds: float) -> int:
    return round(min(seconds, DWELL_CLIP_S)) if seconds > 0 else 0


def _age_cell(age: float | None) -> int:
    return len(AGE_EDGES) + 1 if age is None else bisect_right(AGE_EDGES, age)


def _gender_cell(female: float | None) -> int:
    return 2 if female is None else int(female < 0.5)


def _crowded_s(changes: dict[int, int], crowded_from: int) -> int:
    return sum(end - start for start, end, people in _spans(changes) if people >= crowded_from)


def _spans(changes: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    """From when to when how many people were there."""
    people, before = 0, 0
    for second in sorted(changes):
        if people:
            yield before, second, people
        people, before = people + changes[second], second
