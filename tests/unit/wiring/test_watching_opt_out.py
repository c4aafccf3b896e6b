"""Whoever showed the opt-out marker stays uncounted for as long as the tracker follows them."""

from typing import Any

import numpy as np

from moretta.core.site import View
from moretta.core.statistics import LONGEST_VISIT_S, Visit
from moretta.core.values import Face, Frame, Mesh, Pixels, TrackedFace, TrackId
from moretta.statistics.visits import VisitMeter
from moretta.vision.optout import marker
from moretta.wiring.site_file import WHOLE_PICTURE
from moretta.wiring.watching.looking import FORGET_AFTER_S, CameraEye

STEP_S = FORGET_AFTER_S - 0.1


class OneFace:
    """A tracker that follows a face at the same place for ever, and instruments that have it."""

    attributes = ()

    def tracker(self, *, irises: bool) -> "OneFace":
        return self

    def update(self, frame: Frame) -> list[TrackedFace]:
        landmarks = np.array([[110, 40], [130, 40], [120, 50], [112, 60], [128, 60]], np.float32)
        face = Face(np.array([100, 20, 140, 80], np.float32), landmarks, 0.9)
        mesh = Mesh(np.zeros((468, 3), np.float32), 0.0, np.zeros((2, 5, 2), np.float32))
        return [TrackedFace(TrackId(1), face, mesh, True)]


def picture(*, marked: bool) -> Pixels:
    pixels = np.full((240, 240, 3), 90, np.uint8)
    if marked:
        badge = marker(80)
        pixels[115 : 115 + badge.shape[0], 60 : 60 + badge.shape[1]] = badge
    return pixels


def visits_of(eye: CameraEye, marked_s: float | None, until_s: float) -> list[Visit]:
    found: list[Visit] = []
    for number in range(int(until_s / STEP_S)):
        time_s = 1000.0 + number * STEP_S
        step = eye.look(picture(marked=marked_s is not None and number * STEP_S <= marked_s), time_s)
        found += step.visits
    return [*found, *eye.finish().visits]


def eye() -> CameraEye:
    view, instruments = View("door", (WHOLE_PICTURE,)), OneFace()
    unknown: Any = instruments
    return CameraEye(view, VisitMeter(view, 300.0), unknown)


def test_a_mark_lasts_as_long_as_its_track_though_the_badge_is_seen_no_more() -> None:
    assert visits_of(eye(), STEP_S, LONGEST_VISIT_S + 60) == []


def test_without_a_mark_the_same_face_is_a_visit() -> None:
    assert len(visits_of(eye(), None, 30.0)) == 1
