"""From sightings to visits: stays, attention, crossings, companions, and what live counters are told."""

from collections import Counter
from collections.abc import Iterable

import pytest

from moretta.core.site import Line, Target, View, Zone
from moretta.core.statistics import LONGEST_VISIT_S, LiveEvent, Measure, Sighting, Visit
from moretta.core.values import TrackId
from moretta.statistics.attention import attentive
from moretta.statistics.geometry import inside
from moretta.statistics.visits import MOST_TRACKS, VisitMeter

ASPECT = 4 / 3
WHOLE = Zone("whole", ((0, 0), (1, 0), (1, 1), (0, 1)))
LEFT = Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)), least_stay_s=2.0)
DOOR = Line("door", (0.5, 0.0), (0.5, 1.0))


def seen(track: int, time_s: float, x: float = 0.5, y: float = 0.5, **more: float) -> Sighting:
    values = {"size": 0.2, "yaw": 0.0, "pitch": 0.0, **more}
    return Sighting(TrackId(track), time_s, x, y, **values)


def watched(
    meter: VisitMeter, frames: Iterable[tuple[float, list[Sighting]]], *, end: bool = True
) -> tuple[list[Visit], list[LiveEvent]]:
    visits: list[Visit] = []
    events: list[LiveEvent] = []
    steps = [meter.observe(time_s, sightings, ASPECT) for time_s, sightings in frames]
    for step in [*steps, *([meter.finish()] if end else [])]:
        visits.extend(step.visits)
        events.extend(step.events)
    return visits, events


def walk(track: int, xs: list[float], start_s: float = 0.0, every_s: float = 0.2) -> list[tuple[float, list[Sighting]]]:
    return [(start_s + n * every_s, [seen(track, start_s + n * every_s, x)]) for n, x in enumerate(xs)]


def meter(*zones: Zone, target: Target | None = None, lines: tuple[Line, ...] = ()) -> VisitMeter:
    return VisitMeter(View("shop", zones or (WHOLE,), lines, target), loitering_s=3.0)


def told(events: list[LiveEvent], measure: Measure) -> list[tuple[str, int, int]]:
    return [(event.place, event.cell, event.step) for event in events if event.measure is measure]


def test_a_point_is_inside_a_zone_that_is_not_convex_only_where_it_is_inside() -> None:
    horseshoe = Zone("u", ((0, 0), (0.3, 0), (0.3, 0.7), (0.7, 0.7), (0.7, 0), (1, 0), (1, 1), (0, 1)))
    assert inside(horseshoe, (0.15, 0.2)) and inside(horseshoe, (0.85, 0.2)) and inside(horseshoe, (0.5, 0.85))
    assert not inside(horseshoe, (0.5, 0.2))


def test_a_track_that_ends_is_one_visit_with_its_stays_in_the_order_of_entering() -> None:
    visits, events = watched(meter(WHOLE, LEFT), walk(1, [0.8] * 10 + [0.2] * 15))
    (visit,) = visits
    assert [stay.zone for stay in visit.stays] == ["shop/whole", "shop/left"]
    whole, left = visit.stays
    assert whole.dwell_s == pytest.approx(24 * 0.2) and whole.is_visit
    assert left.dwell_s == pytest.approx(14 * 0.2) and left.is_visit
    assert told(events, Measure.PASSERS) == [("shop/whole", 0, 1), ("shop/left", 0, 1)]
    assert Counter(told(events, Measure.PRESENT)) == Counter(
        {("shop/whole", 0, 1): 1, ("shop/whole", 0, -1): 1, ("shop/left", 0, 1): 1, ("shop/left", 0, -1): 1}
    )
    assert told(events, Measure.LONG_STAYS) == [("shop/whole", 0, 1)]


def test_a_short_stay_is_a_passer_and_no_visit() -> None:
    ((visit,), _) = watched(meter(LEFT), walk(1, [0.2] * 6))
    assert not visit.stays[0].is_visit


def test_a_glimpse_is_no_visit_and_is_told_to_no_counter() -> None:
    assert watched(meter(lines=(DOOR,)), walk(1, [0.3, 0.7])) == ([], [])


def test_what_was_seen_before_a_face_was_believed_counts_once_it_is() -> None:
    ((visit,), events) = watched(meter(LEFT, lines=(DOOR,)), walk(1, [0.3, 0.7, 0.7]))
    assert [(stay.zone, stay.entered_s) for stay in visit.stays] == [("shop/left", 0.0)]
    assert visit.crossings == (("shop/door", False),)
    assert told(events, Measure.PASSERS) == [("shop/left", 0, 1)] and len(told(events, Measure.FLOW)) == 1


def test_who_leaves_a_zone_and_comes_back_is_counted_once_by_the_live_counters() -> None:
    there_and_back = [0.2] * 5 + [0.8] * 15 + [0.2] * 15 + [0.8] * 15 + [0.2] * 5
    _, events = watched(meter(LEFT), walk(1, there_and_back))
    assert told(events, Measure.PRESENT) == [("shop/left", 0, 1), ("shop/left", 0, -1)]
    assert told(events, Measure.PASSERS) == [("shop/left", 0, 1)]


def test_a_track_that_is_away_for_longer_than_it_takes_to_forget_it_is_over_while_others_go_on() -> None:
    frames = [(n * 0.2, [seen(1, n * 0.2), *([seen(2, n * 0.2, 0.2)] if n < 10 else [])]) for n in range(30)]
    visits, _ = watched(meter(), frames, end=False)
    assert [visit.end_s for visit in visits] == [pytest.approx(1.8)]


def test_a_stay_longer_than_the_longest_visit_is_cut_into_several() -> None:
    hours = int(LONGEST_VISIT_S * 2.5)
    visits, _ = watched(meter(), [(float(s), [seen(1, float(s))]) for s in range(hours)])
    assert len(visits) == 3
    assert max(visit.end_s - visit.start_s for visit in visits) <= LONGEST_VISIT_S
    assert len({visit.visit_id for visit in visits}) == 3


def test_a_clock_that_is_set_back_ends_visits_instead_of_making_negative_ones() -> None:
    visits, _ = watched(meter(), [*walk(1, [0.5] * 5, start_s=100.0), *walk(1, [0.5] * 5, start_s=50.0)])
    assert [(visit.start_s, visit.stays[0].dwell_s >= 0) for visit in visits] == [(100.0, True), (50.0, True)]


def test_crossings_are_counted_each_way_and_trembling_on_the_line_is_none() -> None:
    there_and_back = [0.3, 0.4, 0.498, 0.502, 0.499, 0.503, 0.6, 0.7, 0.6, 0.4]
    ((visit,), events) = watched(meter(lines=(DOOR,)), walk(1, there_and_back))
    # DOOR runs downwards: who walks to the right of the picture comes from its right hand side to its left hand side.
    assert visit.crossings == (("shop/door", False), ("shop/door", True))
    assert told(events, Measure.FLOW) == [("shop/door", 1, 1), ("shop/door", 0, 1)]


def test_who_walks_past_the_end_of_a_line_does_not_cross_it() -> None:
    short = Line("short", (0.5, 0.0), (0.5, 0.2))
    ((visit,), _) = watched(meter(lines=(short,)), walk(1, [0.3, 0.4, 0.6, 0.7]))
    assert visit.crossings == ()


@pytest.mark.parametrize(
    ("x", "yaw", "gaze_x", "expected"),
    [
        (0.5, 0.0, None, True),
        (0.5, 45.0, None, False),
        (0.9, 0.0, None, False),  # straight ahead from the edge of the picture looks past the camera
        (0.9, -22.0, None, True),
        (0.5, 30.0, -0.4, True),  # the eyes turn back where the head has turned away
        (0.5, 0.0, 0.6, False),
    ],
)
def test_attention_to_the_camera_is_gaze_and_head_towards_it(
    x: float, yaw: float, gaze_x: float | None, expected: bool
) -> None:
    one = Sighting(TrackId(1), 0.0, x, 0.5, 0.2, yaw, 0.0, gaze_x, 0.0 if gaze_x is not None else None)
    assert attentive(Target("screen", None, 15.0), one, ASPECT) is expected


def test_attention_to_a_target_on_the_picture_is_towards_it_and_not_away_from_it() -> None:
    shelf = Target("shelf", (0.9, 0.5), 20.0)
    towards, away = seen(1, 0.0, 0.3, yaw=80.0), seen(1, 0.0, 0.3, yaw=-80.0)
    assert attentive(shelf, towards, ASPECT) and not attentive(shelf, away, ASPECT)
    assert not attentive(shelf, seen(1, 0.0, 0.3, yaw=-10.0), ASPECT)  # at the camera


def test_seconds_of_attention_are_those_looked_at_the_target() -> None:
    frames = [(n * 0.2, [seen(1, n * 0.2, yaw=0.0 if n < 12 else 60.0)]) for n in range(30)]
    ((visit,), _) = watched(meter(target=Target("screen")), frames)
    assert visit.stays[0].attention_s == pytest.approx(11 * 0.2)


def _pair(gap: float, size: float = 0.2, other_size: float = 0.2, seconds: float = 8.0) -> list[Visit]:
    frames = [
        (n * 0.2, [seen(1, n * 0.2, 0.3, size=size), seen(2, n * 0.2, 0.3 + gap, size=other_size)])
        for n in range(int(seconds / 0.2))
    ]
    visits, _ = watched(meter(), frames)
    return visits


def test_two_people_close_together_for_long_enough_are_companions_of_each_other() -> None:
    one, other = _pair(0.3)
    assert one.companions == (("shop/whole", other.visit_id, pytest.approx(0.4)),)
    assert other.companions == (("shop/whole", one.visit_id, pytest.approx(0.4)),)


@pytest.mark.parametrize(
    ("gap", "other_size", "seconds"),
    [(0.3, 0.2, 4.0), (0.3, 0.1, 8.0), (0.6, 0.1, 8.0)],
    ids=["too short", "one far behind the other", "too far"],
)
def test_others_are_not(gap: float, other_size: float, seconds: float) -> None:
    size = 0.2 if other_size != 0.1 or gap == 0.3 else 0.1
    assert [visit.companions for visit in _pair(gap, size, other_size, seconds)] == [(), ()]


def test_who_shows_the_opt_out_marker_leaves_no_visit_and_no_companion() -> None:
    rig = meter()
    frames = [(n * 0.2, [seen(1, n * 0.2, 0.3), seen(2, n * 0.2, 0.5)]) for n in range(40)]
    watched(rig, frames, end=False)
    step = rig.forget([TrackId(2)])
    assert told(list(step.events), Measure.PRESENT) == [("shop/whole", 0, -1)]
    (left,) = rig.finish().visits
    assert left.companions == ()


def test_age_and_gender_of_a_visit_are_the_middle_of_what_was_estimated() -> None:
    frames = [
        (n * 0.2, [seen(1, n * 0.2, **more)])
        for n, more in enumerate([{"age": 20.0, "female": 0.9}, {"age": 60.0}, {"age": 30.0}])
    ]
    ((visit,), _) = watched(meter(), frames)
    assert visit.age == 30.0 and visit.female == 0.9


def test_a_picture_full_of_faces_does_not_grow_memory_without_bound() -> None:
    rig = meter()
    for n in range(5):
        rig.observe(
            n * 0.2,
            [seen(track, n * 0.2, (track % 100) / 100, size=0.001) for track in range(MOST_TRACKS + 50)],
            ASPECT,
        )
    assert rig.present == MOST_TRACKS


def test_ids_of_two_cameras_of_a_session_never_meet() -> None:
    first, second = (VisitMeter(View("shop", (WHOLE,)), 3.0, camera, 2) for camera in range(2))
    ids = [
        visit.visit_id
        for one in (first, second)
        for visit in watched(one, [frame for n in range(4) for frame in walk(n, [0.5] * 4, start_s=n * 10.0)])[0]
    ]
    assert len(ids) == len(set(ids)) == 8
