"""The check: faces are looked for again, in the output.

Belongs here: what counts as a leak. Does not belong here: hiding, attacks on what was hidden.

A detector fires on a blurred oval on a pair of shoulders, and on an avatar on purpose: that a face is found says nothing, where
it is found does. A detection of the output is a **leak** where

- less than `LEAST_COVERED` of its inner part (the ellipse in the detection's box, which holds eyes, nose and mouth) lies under
  what was drawn over in that frame, and it is no face that the request left visible; or
- it overlaps a region under which the picture did not change when it was drawn over (`plan.LEAST_CHANGE`).

The detector of the check is the one that looked for faces, at the threshold at which it finds no false face on photographs. So a
clean report says that this detector finds no uncovered face; another may find one that this one never could.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from moretta.core.geometry import iou
from moretta.core.redaction import Leak, LeakReport
from moretta.core.values import Face, Floats, Frame
from moretta.use_cases.redaction.find import Looking
from moretta.use_cases.redaction.plan import Plan

# Half of an oval uncovered shows an eye and half a mouth; CenterFace's own boxes of one face differ from frame to frame by up
# to a fifth of their size.
LEAST_COVERED = 0.7
# A detection that overlaps a visible face this much is that face.
_LEFT_OVERLAP = 0.2
MOST_LEAKS = 1000
_GRID = 24


@dataclass(slots=True)
class _Found:
    leaks: list[Leak] = field(default_factory=list)
    frames: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Checked:
    """The report, and every leaking detection in px of the checked frames, by frame: what a second round must hide as well."""

    report: LeakReport
    faces: Mapping[int, Sequence[Face]]


def check(
    frames: Iterator[Frame],
    scale: float,
    looking: Looking,
    plan: Plan,
    unchanged: Mapping[int, Sequence[Floats]],
    frames_with_faces: int,
    tick: Callable[[], None],
) -> Checked:
    """Look for faces in `frames`, the output, scaled by `scale` against the original.

    `unchanged`: boxes under which nothing changed, by frame, px of the original.
    """
    leaks: list[Leak] = []
    faces: dict[int, list[Face]] = {}
    times_s: list[float] = []
    leaking: list[int] = []
    looks = 0
    for looked in looking.over(frames):
        index, time_s = looked.frame.index, looked.frame.time_ns / 1e9
        times_s.append(time_s)
        if looked.faces is None:
            if leaking and leaking[-1] == index - 1:
                leaking.append(index)
            tick()
            continue
        looks += 1
        bad = [face for face in looked.faces if leaks_at(face.box / scale, index, plan, unchanged.get(index, ()))]
        if bad:
            leaking.append(index)
            faces[index] = bad
        for face in bad:
            if len(leaks) < MOST_LEAKS:
                left, top, right, bottom = (round(float(value), 1) for value in face.box / scale)
                leaks.append(Leak(index, time_s, (left, top, right, bottom), round(face.detection_score, 3)))
        tick()
    report = LeakReport(
        frames=len(times_s),
        frames_looked_at=looks,
        frames_with_faces=frames_with_faces,
        frames_leaking=len(leaking),
        longest_leak_ms=_longest_ms(leaking, times_s),
        leaks=tuple(leaks),
    )
    return Checked(report, faces)


def leaks_at(box: Floats, index: int, plan: Plan, unchanged: Sequence[Floats]) -> bool:
    """Whether a detection at `box` (px of the original) of the output's frame `index` is a leak, as this module defines it."""
    if any(float(iou(box, other[None])[0]) >= _LEFT_OVERLAP for other in unchanged):
        return True
    if any(float(iou(box, other[None])[0]) >= _LEFT_OVERLAP for other in plan.visible_at(index)):
        return False
    return covered_share(box, [face.box for face in plan.hidden_at(index)]) < LEAST_COVERED


def covered_share(box: Floats, covers: Sequence[Floats]) -> float:
    """How much of the ellipse in `box` lies under the ellipses in `covers` (0-1), on a grid of points."""
    across, down = np.meshgrid(*(np.linspace(-1, 1, _GRID),) * 2)
    inside = across**2 + down**2 <= 1
    centre, half = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 1e-3) / 2
    points = np.stack([across[inside], down[inside]], axis=1) * half + centre
    covered = np.zeros(len(points), bool)
    for cover in covers:
        middle, reach = (cover[:2] + cover[2:]) / 2, np.maximum(cover[2:] - cover[:2], 1e-3) / 2
        covered |= (((points - middle) / reach) ** 2).sum(axis=1) <= 1
    return float(covered.mean())


def _longest_ms(leaking: Sequence[int], times_s: Sequence[float]) -> float:
    """The longest run of leaking frames, from the first's time to the end of the last."""
    longest = 0.0
    start = previous = -2
    for index in leaking:
        start = index if index != previous + 1 else start
        previous = index
        end_s = times_s[index + 1] if index + 1 < len(times_s) else 2 * times_s[-1] - times_s[max(0, len(times_s) - 2)]
        longest = max(longest, (end_s - times_s[start]) * 1000)
    return round(longest, 1)
