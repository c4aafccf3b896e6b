"""The made-up crowd: the same for the same seed, as busy as asked, and every measure has something to count."""

from datetime import UTC, datetime

import pytest

from moretta.core.site import Line, Site, Target, View, Zone
from moretta.core.statistics import Measure, Visit
from moretta.statistics.simulation import Crowd
from moretta.statistics.visits import VisitMeter

NOON = datetime(2026, 11, 25, 11, 30, tzinfo=UTC).timestamp()


def site(*cameras: str) -> Site:
    zones = (Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1))), Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1))))
    line = Line("middle", (0.5, 0), (0.5, 1))
    return Site("shop", tuple(View(camera, zones, (line,), Target("screen")) for camera in cameras))


def test_the_same_seed_gives_the_same_crowd_and_another_one_another() -> None:
    scenes = [list(Crowd(site("door"), 200, seed).scenes(NOON, NOON + 300)) for seed in (1, 1, 2)]
    assert scenes[0] == scenes[1] != scenes[2]
    assert len(scenes[0]) == 1500


def test_cameras_have_crowds_of_their_own_in_one_order_of_time() -> None:
    scenes = list(Crowd(site("door", "till"), 300).scenes(NOON, NOON + 120))
    assert [scene.time_s for scene in scenes] == sorted(scene.time_s for scene in scenes)
    door, till = ([scene.sightings for scene in scenes if scene.camera == camera] for camera in ("door", "till"))
    assert len(door) == len(till) == 600 and door != till


def test_an_hour_has_about_as_many_visits_as_asked_and_each_measure_has_something_to_count() -> None:
    meter = VisitMeter(site("door").views[0], loitering_s=60.0)
    visits: list[Visit] = []
    live: set[Measure] = set()
    for scene in Crowd(site("door"), 240).scenes(NOON, NOON + 3600):
        step = meter.observe(scene.time_s, scene.sightings, 4 / 3)
        visits.extend(step.visits)
        live.update(event.measure for event in step.events)
    # Poisson with a mean of 240 and companions: five standard deviations either way, false alarm below 1e-5; the seed is fixed.
    assert len(visits) == pytest.approx(240, abs=90)
    assert live == {Measure.PASSERS, Measure.PRESENT, Measure.LONG_STAYS, Measure.FLOW}
    stays = [stay for visit in visits for stay in visit.stays]
    assert {stay.is_visit for stay in stays} == {True, False}
    assert any(stay.attention_s > 1 for stay in stays) and any(stay.attention_s == 0 for stay in stays)
    assert any(visit.companions for visit in visits) and not all(visit.companions for visit in visits)
    assert {forward for visit in visits for _, forward in visit.crossings} == {True, False}
    ages = [visit.age for visit in visits if visit.age is not None]
    assert min(ages) < 18 < 60 < max(ages)
    assert {visit.female for visit in visits} == {0.0, 1.0}
