"""Errors on recorded streams are measured as they say: labels and tally agree where the eye sees what the label says."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.statistics_clips import (
    HEIGHT,
    WALKS,
    WIDTH,
    Passage,
    eye_maker,
    labelled,
    laid_over_a_day,
    moved,
    passage,
    shown,
)
from benchmarks.statistics_recorded import LABELLED, against, recorded_lines, whole_days
from benchmarks.statistics_stream import Exact, shop
from benchmarks.statistics_utility import Effort

from moretta.core.statistics import Measure, Sighting
from moretta.core.values import Pixels, TrackId
from moretta.statistics.noise import OpenDpLaplace
from moretta.statistics.visits import Step, VisitMeter
from moretta.vision.cameras.recorded import recorded
from moretta.vision.cameras.shots import Shot, shots

CLIP_S = 8.0
PICTURES = [Shot(number * 0.2, np.full((100, 100, 3), 250, np.uint8)) for number in range(int(CLIP_S / 0.2) + 1)]


class BrightEye:
    """Sees one face where the picture is bright."""

    def __init__(self, _: object, meter: VisitMeter) -> None:
        self._meter = meter

    def look(self, pixels: Pixels, time_s: float) -> Step:
        x = float(np.flatnonzero(pixels[HEIGHT // 2, :, 0] > 200).mean()) / WIDTH
        seen = Sighting(TrackId(1), time_s, x, 0.5, 0.2, 0.0, 0.0)
        return self._meter.observe(time_s, [seen], WIDTH / HEIGHT)

    def finish(self) -> Step:
        return self._meter.finish()


def seen_passages(pictures: Sequence[Shot] = PICTURES) -> list[Passage]:
    eye: Any = BrightEye
    return [passage(pictures, CLIP_S, walk, eye) for walk in WALKS]


def test_a_recorded_picture_is_shown_half_as_wide_and_nowhere_else() -> None:
    picture = shown(np.full((720, 1280, 3), 250, np.uint8), 0.25)
    bright = picture[:, :, 0] > 200
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert np.flatnonzero(bright.any(0)).tolist() == list(range(WIDTH // 2))
    assert bright.any(1).sum() == WIDTH // 2 * 720 // 1280


def test_an_eye_that_sees_what_the_label_says_makes_the_same_figures() -> None:
    made = seen_passages()
    assert [len(one.visits) for one in made] == [1] * len(WALKS)
    assert [one.visits[0].crossings for one in made] == [one.person.crossings for one in made]
    seen, told = whole_days(made, 60)
    found = against(shop(1.0), seen, told, Exact(), 1)
    assert {measure for measure, errors in found.items() if errors.labels is not None} == set(LABELLED)
    for measure in (Measure.PASSERS, Measure.VISITS, Measure.FLOW):
        errors = found[measure]
        assert errors.labels is not None and errors.labels.truth > 0
        assert errors.tally.error == errors.labels.error == 0
    # A step of 0.2 s either way, of stays of 4 and 8 s.
    dwell = found[Measure.DWELL_TIME].labels
    assert dwell is not None and dwell.error <= 0.1 * dwell.truth


def test_a_person_whom_the_eye_loses_is_an_error_against_labels_and_none_against_the_tally() -> None:
    gap = [one for one in PICTURES if not 3 < one.time_s < 6]
    seen, told = whole_days(seen_passages(gap), 60)
    errors = against(shop(1.0), seen, told, Exact(), 1)[Measure.PASSERS]
    assert errors.labels is not None
    assert errors.tally.error == 0 and errors.labels.error > 0


def test_released_figures_are_off_the_tally_by_the_noise() -> None:
    """The mean of 20 x 24 x 7 absolute values of Laplace noise of scale 22 is within 15 % of it: eight standard deviations."""
    seen, told = whole_days(seen_passages(), 60)
    errors = against(shop(1.0), seen, told, OpenDpLaplace(), 20)[Measure.DWELL]
    assert errors.tally.error == pytest.approx(22.0, rel=0.15)
    assert 0.9 < errors.tally.held < 0.99


def test_a_day_has_each_person_once_and_the_same_seed_the_same_day() -> None:
    made = seen_passages()
    seen, told = laid_over_a_day(made, 40, (9, 20), 1)
    assert len(seen) == len(told) == 40 and laid_over_a_day(made, 40, (9, 20), 1) == (seen, told)
    numbers = [visit.visit_id for moment in (*seen, *told) for visit in moment.visits]
    assert len(set(numbers)) == len(numbers)
    assert {event.visit_id for moment in seen for event in moment.events} <= set(numbers)


def test_a_labelled_person_who_is_carried_over_the_line_is_half_of_the_time_on_either_side() -> None:
    view = shop(1.0).views[0]
    to_the_right = labelled(view, "rightwards", 10.0)
    assert [(stay.zone, stay.entered_s, stay.dwell_s) for stay in to_the_right.stays] == [
        ("entrance/left", 0.0, 5.0),
        ("entrance/right", 5.0, 5.0),
    ]
    ((_, forward),) = to_the_right.crossings
    ((_, backward),) = labelled(view, "leftwards", 10.0).crossings
    assert forward is not backward
    assert moved(to_the_right, 100.0, 7).stays[1].entered_s == 105.0


def test_without_a_folder_of_clips_nothing_is_said_to_be_measured() -> None:
    lines = list(recorded_lines(Effort(1, 1, 1, 1, 1, 1), lambda _: None))
    assert "Not measured" in lines[-1]


@pytest.mark.models
def test_a_real_clip_is_one_visit_in_the_zone_in_which_it_is_shown(
    talking_clip: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORETTA_MODELS_DIR", str(models_dir))
    with talking_clip.open("rb") as file:
        found = shots(recorded(os.dup(file.fileno()), 10**7), 5.0, 10**7)
        taken = [next(found) for _ in range(25)]
    made = passage(taken, 5.0, "right", eye_maker())
    (visit,) = made.visits
    assert [stay.zone for stay in visit.stays] == ["entrance/right"]
    assert visit.stays[0].dwell_s == pytest.approx(taken[-1].time_s)
