from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from moretta.core.values import Face, Floats
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.models import load
from moretta.vision.posture import LEFT_SHOULDER, NOSE, RIGHT_SHOULDER, BlazePosture
from moretta.vision.sessions import open_session

PICTURE = np.zeros((600, 600, 3), np.uint8)
FACE = Face(
    np.array([250, 100, 350, 200], np.float32),
    np.array([[280, 140], [320, 140], [300, 160], [285, 180], [315, 180]], np.float32),
    0.9,
)
UPRIGHT = {NOSE: (300.0, 160.0), RIGHT_SHOULDER: (200.0, 300.0), LEFT_SHOULDER: (400.0, 300.0)}
Points = dict[int, tuple[float, float]]

# The fakes speak in the networks' coordinates. The detector sees a square of five faces, its middle 1.2 faces below the
# face's: (50, 20) to (550, 520). It reports hips at (300, 470) and a crown at (300, 70), so that the body network sees a
# square of 2 * 400 * 1.25 px about the hips: (-200, -30) to (800, 970).
ANCHOR = 2254 - 294 + 6 * 24  # the middle cell of the 7x7 layer: (112, 112) of 224


def detector(batch: Floats, /) -> list[Floats]:
    assert batch.shape == (1, 224, 224, 3)
    boxes, logits = np.zeros((1, 2254, 12), np.float32), np.full((1, 2254, 1), -10, np.float32)
    logits[0, ANCHOR] = 5
    for column, value in zip(range(4, 8), (300, 470, 300, 70), strict=True):
        origin = 50 if column % 2 == 0 else 20
        boxes[0, ANCHOR, column] = (value - origin) / 500 * 224 - 112
    return [boxes, logits]


def nobody(batch: Floats, /) -> list[Floats]:
    return [np.zeros((1, 2254, 12), np.float32), np.full((1, 2254, 1), -10, np.float32)]


def body(points: Points, visibility: float = 5.0, present: float = 1.0) -> Callable[[Floats], list[Floats]]:
    def network(batch: Floats, /) -> list[Floats]:
        assert batch.shape == (1, 256, 256, 3)
        values = np.zeros((39, 5), np.float32)
        values[:, 3] = visibility
        for index, (x, y) in points.items():
            values[index, :2] = (x + 200) / 1000 * 256, (y + 30) / 1000 * 256
        return [values.reshape(1, 195), np.array([[present]], np.float32), np.zeros((1, 117), np.float32)]

    return network


def test_an_upright_person_has_no_tilt_and_no_lean() -> None:
    found = BlazePosture(detector, body(UPRIGHT)).estimate(PICTURE, FACE)
    assert found is not None
    assert found.shoulder_tilt_deg == pytest.approx(0, abs=0.1)
    assert found.head_tilt_deg == pytest.approx(0, abs=0.1)
    assert found.lean == pytest.approx(0, abs=0.01)
    assert found.visibility == pytest.approx(0.993, abs=0.001)


def test_a_lower_left_shoulder_is_a_positive_tilt() -> None:
    lowered = UPRIGHT | {LEFT_SHOULDER: (400.0, 400.0), RIGHT_SHOULDER: (227.0, 300.0)}
    found = BlazePosture(detector, body(lowered)).estimate(PICTURE, FACE)
    assert found is not None
    assert found.shoulder_tilt_deg == pytest.approx(30, abs=0.2)


def test_a_head_beside_the_middle_of_the_shoulders_is_a_lean() -> None:
    shifted = UPRIGHT | {LEFT_SHOULDER: (350.0, 300.0), RIGHT_SHOULDER: (150.0, 300.0)}
    found = BlazePosture(detector, body(shifted)).estimate(PICTURE, FACE)
    assert found is not None
    assert found.lean == pytest.approx(0.25, abs=0.01)


def test_a_person_seen_from_the_side_has_a_head_tilt_only() -> None:
    sideways = UPRIGHT | {LEFT_SHOULDER: (310.0, 300.0), RIGHT_SHOULDER: (290.0, 300.0)}
    found = BlazePosture(detector, body(sideways)).estimate(PICTURE, FACE)
    assert found is not None
    assert (found.shoulder_tilt_deg, found.lean) == (None, None)
    assert found.head_tilt_deg is not None


@pytest.mark.parametrize(
    ("people", "network"),
    [
        (nobody, body(UPRIGHT)),
        (detector, body(UPRIGHT, present=0.2)),
        (detector, body(UPRIGHT, visibility=-1.0)),
        (detector, body(UPRIGHT | {LEFT_SHOULDER: (610.0, 300.0)})),
        (detector, body(UPRIGHT | {NOSE: (450.0, 160.0)})),
        (detector, body(UPRIGHT | {NOSE: (float("nan"), 160.0)})),
    ],
    ids=["no person", "no body", "hidden shoulders", "shoulder outside", "another person", "no numbers"],
)
def test_shoulders_out_of_view_give_no_posture(
    people: Callable[[Floats], list[Floats]], network: Callable[[Floats], list[Floats]]
) -> None:
    assert BlazePosture(people, network).estimate(PICTURE, FACE) is None


@pytest.mark.models
def test_a_clip_that_shows_the_head_alone_gives_no_posture(models_dir: Path, talking_clip: Path) -> None:
    with av.open(str(talking_clip)) as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    face = CenterFaceDetector(open_session(load("centerface", models_dir).path)).detect(pixels)[0]
    posture = BlazePosture(*(open_session(load(name, models_dir).path) for name in ("pose-detection", "pose-landmark")))
    assert posture.estimate(pixels, face) is None


@pytest.mark.models
@pytest.mark.data
def test_a_standing_person_is_measured_within_the_range_of_people(models_dir: Path, dev_data: Path) -> None:
    with av.open(str(dev_data / "dev" / "talking" / "s18.mp4")) as container:
        pixels = next(container.decode(video=0)).to_ndarray(format="rgb24")
    face = CenterFaceDetector(open_session(load("centerface", models_dir).path)).detect(pixels)[0]
    posture = BlazePosture(*(open_session(load(name, models_dir).path) for name in ("pose-detection", "pose-landmark")))
    found = posture.estimate(pixels, face)
    assert found is not None
    assert abs(found.shoulder_tilt_deg) < 10
    assert abs(found.lean) < 0.3
    assert found.visibility > 0.9
