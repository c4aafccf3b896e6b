from pathlib import Path

import av
import numpy as np
import pytest

from moretta.core.values import Face, Floats, Mesh, Pixels, TrackedFace, TrackId
from moretta.vision.antispoof import FaceAntiSpoofing
from moretta.vision.attributes import (
    AGE_YEARS,
    CHIP_PADDING,
    DLIB_SHAPE,
    EXPRESSIONS,
    AgeModel,
    ExpressionModel,
    GenderModel,
)
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import load
from moretta.vision.sessions import open_session


class Answer:
    """Gives fixed outputs and remembers what it was asked."""

    def __init__(self, *outputs: list[float]) -> None:
        self.outputs = [np.array([output], np.float32) for output in outputs]
        self.batch: Floats = np.zeros(0, np.float32)

    def __call__(self, batch: Floats, /) -> list[Floats]:
        self.batch = batch
        return self.outputs


NO_MESH = Mesh(np.zeros((468, 3), np.float32), presence=0.1)


def face_at(box: tuple[float, float, float, float], landmarks: np.ndarray, mesh: Mesh | None = None) -> TrackedFace:
    face = Face(np.array(box, np.float32), landmarks.astype(np.float32), 0.9)
    return TrackedFace(TrackId(0), face, mesh or NO_MESH, detected=True)


@pytest.fixture
def tracked() -> TrackedFace:
    """A face that fills dlib's chip of 200 px exactly."""
    return face_at((20, 20, 180, 180), (DLIB_SHAPE + CHIP_PADDING) / (1 + 2 * CHIP_PADDING) * 200)


GREY = np.full((200, 200, 3), 128, np.uint8)


def test_age_is_the_mean_of_the_models_distribution_and_its_spread(tracked: TrackedFace) -> None:
    shares = [0.0] * 81
    shares[20] = shares[30] = 0.5
    session = Answer(shares)
    found = AgeModel(session).estimate(GREY, tracked)
    assert found.age_years == pytest.approx(25)
    assert found.age_spread_years == pytest.approx(5)
    assert found.gender is None
    assert session.batch.shape == (1, 3, 64, 64)
    np.testing.assert_allclose(
        session.batch[0, :, 32, 32], (128 - np.array([122.782, 117.001, 104.298])) / 256, rtol=1e-4
    )
    assert len(AGE_YEARS) == 81


def test_the_landmarks_of_a_mesh_that_holds_are_preferred(tracked: TrackedFace) -> None:
    points = np.zeros((468, 3), np.float32)
    corners = {(33, 133): 0, (362, 263): 1, (1,): 2, (61,): 3, (291,): 4}
    for indices, landmark in corners.items():
        points[list(indices), :2] = tracked.face.landmarks[landmark] + 40
    gradient = np.repeat(np.linspace(0, 255, 300, dtype=np.uint8)[None, :, None], 300, 0).repeat(3, 2)
    by_detector, by_mesh = Answer([1.0] * 81), Answer([1.0] * 81)
    AgeModel(by_detector).estimate(gradient, tracked)
    AgeModel(by_mesh).estimate(gradient, TrackedFace(TrackId(0), tracked.face, Mesh(points, 0.9), detected=True))
    brighter = (by_mesh.batch - by_detector.batch) * 256
    np.testing.assert_allclose(brighter, 40 * 255 / 299, atol=1.5)


@pytest.mark.parametrize(("shares", "gender"), [([0.8, 0.2], "female"), ([0.1, 0.9], "male")])
def test_gender_is_the_likelier_guess_with_its_probability(
    tracked: TrackedFace, shares: list[float], gender: str
) -> None:
    session = Answer(shares)
    found = GenderModel(session).estimate(GREY, tracked)
    assert (found.gender, found.gender_probability) == (gender, pytest.approx(max(shares)))
    assert found.age_years is None
    assert session.batch.shape == (1, 3, 32, 32)


def test_expression_is_the_likeliest_with_its_probability(tracked: TrackedFace) -> None:
    session = Answer([0.05, 0, 0.05, 0.6, 0.1, 0.1, 0.1])
    found = ExpressionModel(session).estimate(GREY, tracked)
    assert (found.expression, found.expression_probability) == ("happy", pytest.approx(0.6))
    assert session.batch.shape == (1, 64, 64, 1)
    assert session.batch.dtype == np.float32
    assert abs(session.batch).max() < 0.01  # middle grey is 0
    assert len(EXPRESSIONS) == 7


def test_no_attribute_model_can_express_ethnicity_or_health() -> None:
    from dataclasses import fields

    from moretta.core.analysis import Attributes

    names = {field.name for field in fields(Attributes)}
    assert names == {
        "age_years",
        "age_spread_years",
        "gender",
        "gender_probability",
        "expression",
        "expression_probability",
    }


def test_the_attack_score_is_that_of_the_leaf_that_the_face_ended_in(tracked: TrackedFace) -> None:
    predictions = [0.1, -0.7, 0.9, 0, 0, 0, 0, 0]
    session = Answer(predictions, [0, 1, 0, 0, 0, 0, 0, 0])
    assert FaceAntiSpoofing(session).score(GREY, tracked) == pytest.approx(0.7)
    assert session.batch.shape == (1, 256, 256, 3)
    assert 0 <= session.batch.min() <= session.batch.max() <= 1


def test_the_attack_score_never_leaves_0_to_1(tracked: TrackedFace) -> None:
    session = Answer([1.04] + [0] * 7, [1] + [0] * 7)
    assert FaceAntiSpoofing(session).score(GREY, tracked) == 1.0


def _first_frame(clip: Path) -> Pixels:
    with av.open(str(clip)) as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.models
def test_the_man_of_the_demonstration_clip_is_measured_plausibly(models_dir: Path, talking_clip: Path) -> None:
    pixels = _first_frame(talking_clip)
    face = CenterFaceDetector(open_session(load("centerface", models_dir).path)).detect(pixels)[0]
    fitted = FaceMesh(*(open_session(load(name, models_dir).path) for name in ("face-landmark", "iris-landmark")))
    man = face_at(tuple(face.box), face.landmarks.copy(), fitted.fit(pixels, face))
    age = AgeModel(open_session(load("age", models_dir).path)).estimate(pixels, man)
    gender = GenderModel(open_session(load("gender", models_dir).path)).estimate(pixels, man)
    attack = FaceAntiSpoofing(open_session(load("face-antispoofing", models_dir).path)).score(pixels, man)
    assert 20 < age.age_years < 50
    assert gender.gender == "male"
    assert gender.gender_probability > 0.9
    assert 0 <= attack <= 1
