"""Recorded people before a made-up shop: what the watching process makes of clips, and what their labels say.

Belongs here: playing clips through the steps of a watching process, and laying what came of them over a day. Does not belong
here: noise and errors (see `statistics_recorded`).

The steps are those of `moretta watch` from the decoded picture on (`CameraEye`: marker, faces, tracks, sightings, visits), in
this process, since the true visits that are needed here never leave a watching process.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np

from benchmarks.statistics_stream import MIDNIGHT_S, Moment, shop
from moretta.core.site import View
from moretta.core.statistics import LiveEvent, Stay, Visit
from moretta.core.values import Pixels
from moretta.statistics.geometry import side
from moretta.statistics.visits import Step, VisitMeter
from moretta.vision.attributes import AgeModel, GenderModel
from moretta.vision.cameras.recorded import recorded
from moretta.vision.cameras.shots import Shot, shots
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import default_models_dir
from moretta.wiring.cameras.camera import MOST_PIXELS
from moretta.wiring.watching.looking import DETECTOR_SIDE, LEAST_SCORE, CameraEye, WatchInstruments
from moretta.wiring.watching.models import WatchingModels

RATE = 5.0
WIDTH, HEIGHT = 640, 480
# Where the middle of the recorded picture is at its first and at its last frame, as a share of the shop's picture: it stands in
# the left or in the right zone, or is carried over the line between them, either way.
WALKS = {"left": (0.25, 0.25), "right": (0.75, 0.75), "rightwards": (0.25, 0.75), "leftwards": (0.75, 0.25)}
_GREY = 90


@dataclass(frozen=True, slots=True)
class Passage:
    """What the watching process made of one clip on one walk, times in seconds from its first picture; `seconds`: how long the
    clip is by its container, `person`: who is on it as its label says."""

    seconds: float
    person: Visit
    visits: tuple[Visit, ...]
    events: tuple[LiveEvent, ...]


def clips_in(data: Path) -> list[Path]:
    """The clips of which DATA's manifest says that one face is in every frame."""
    found = json.loads((data / "manifests" / "talking_videos.dev.json").read_text())["items"]
    return [data / "dev" / item["dest"] for item in found if item["single_face"]]


def eye_maker() -> Callable[[View, VisitMeter], CameraEye]:
    """What makes the eye of one camera, with all models that a watching process may load."""
    models = WatchingModels(default_models_dir(os.environ))
    mesh = FaceMesh(models.open("face-landmark"), models.open("iris-landmark"))
    attributes = (AgeModel(models.open("age")), GenderModel(models.open("gender")))
    detector = CenterFaceDetector(models.open("centerface"), LEAST_SCORE, DETECTOR_SIDE)
    instruments = WatchInstruments(detector, mesh, attributes)
    return lambda view, meter: CameraEye(view, meter, instruments)


def passages(clips: Iterable[Path], eye: Callable[[View, VisitMeter], CameraEye]) -> Iterator[Passage]:
    """Each clip on each walk."""
    for clip in clips:
        with av.open(str(clip)) as container:
            seconds = (container.duration or 0) / av.time_base
        with clip.open("rb") as file:
            taken = list(shots(recorded(os.dup(file.fileno()), MOST_PIXELS), RATE, MOST_PIXELS))
        for walk in WALKS:
            yield passage(taken, seconds, walk, eye)


def passage(taken: Sequence[Shot], seconds: float, walk: str, eye: Callable[[View, VisitMeter], CameraEye]) -> Passage:
    """What becomes of these pictures, of a clip of so many seconds, on that walk."""
    view = shop(1.0).views[0]
    first, last = WALKS[walk]
    looking = eye(view, VisitMeter(view, shop(1.0).alarms.loitering_s))
    steps: list[Step] = []
    for shot in taken:
        x = first + (last - first) * shot.time_s / seconds
        # An eye takes times since 1970; a day is laid out later.
        steps.append(looking.look(shown(shot.pixels, x), MIDNIGHT_S + shot.time_s))
    steps.append(looking.finish())
    visits = tuple(moved(visit, -MIDNIGHT_S, 0) for step in steps for visit in step.visits)
    events = tuple(replace(event, time_s=event.time_s - MIDNIGHT_S) for step in steps for event in step.events)
    return Passage(seconds, labelled(view, walk, seconds), visits, events)


def shown(pixels: Pixels, x: float) -> Pixels:
    """A recorded picture in the shop's, as large as half of it, its middle at `x` (share of the width)."""
    height, width = pixels.shape[:2]
    share = min(WIDTH / 2 / width, HEIGHT / height)
    wide, high = round(width * share), round(height * share)
    small = cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_AREA)
    picture = np.full((HEIGHT, WIDTH, 3), _GREY, np.uint8)
    left = min(max(0, round(x * WIDTH - wide / 2)), WIDTH - wide)
    top = (HEIGHT - high) // 2
    picture[top : top + high, left : left + wide] = small
    return picture


def labelled(view: View, walk: str, seconds: float) -> Visit:
    """The visit as the label has it: one person for as long as the clip is, who goes as the walk says; age, gender and gaze are
    not labelled."""
    first, last = WALKS[walk]
    line = view.lines[0]
    camera = view.camera
    if first == last:
        zone = f"{camera}/{'left' if first < 0.5 else 'right'}"
        return Visit(0, camera, 0.0, seconds, (Stay(zone, 0.0, seconds, 0.0, seconds >= view.zones[0].least_stay_s),))
    half = seconds / 2
    zones = ("left", "right") if first < last else ("right", "left")
    stays = tuple(
        Stay(f"{camera}/{zone}", number * half, half, 0.0, half >= view.zones[0].least_stay_s)
        for number, zone in enumerate(zones)
    )
    crossing = (f"{camera}/{line.name}", side(line, (last, 0.5)) == 1)
    return Visit(0, camera, 0.0, seconds, stays, (crossing,))


def laid_over_a_day(
    made: Sequence[Passage], people: int, hours: tuple[int, int], seed: int
) -> tuple[list[Moment], list[Moment]]:
    """A day of so many passages, each of a clip and walk drawn anew, beginning at times drawn from `hours`: as the watching
    process saw them, and as their labels have them. They do not hide one another, and are not companions."""
    chance = np.random.default_rng(seed)
    starts = MIDNIGHT_S + 3600.0 * np.sort(chance.uniform(*hours, people))
    seen: list[Moment] = []
    told: list[Moment] = []
    number = 0
    for start_s, choice in zip(starts.tolist(), chance.integers(0, len(made), people).tolist(), strict=True):
        one = made[choice]
        for visit in one.visits:
            events = tuple(
                replace(event, visit_id=number, time_s=event.time_s + start_s)
                for event in one.events
                if event.visit_id == visit.visit_id
            )
            seen.append(Moment(start_s + visit.end_s, (moved(visit, start_s, number),), events))
            number += 1
        told.append(Moment(start_s + one.seconds, (moved(one.person, start_s, number),), ()))
        number += 1
    return sorted(seen, key=_time), sorted(told, key=_time)


def moved(visit: Visit, by_s: float, visit_id: int) -> Visit:
    """The visit at another time, under another number, without companions."""
    stays = tuple(replace(stay, entered_s=stay.entered_s + by_s) for stay in visit.stays)
    return replace(
        visit, visit_id=visit_id, start_s=visit.start_s + by_s, end_s=visit.end_s + by_s, stays=stays, companions=()
    )


def _time(moment: Moment) -> float:
    return moment.time_s
