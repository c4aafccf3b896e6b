"""Pose, gaze, openness, skin and quality of faces whose truth is known."""

import cv2
import numpy as np
import pytest
from vision_faces import mesh_at

from moretta.core.geometry import mesh_landmarks
from moretta.core.values import Face, Frame, Mesh, Pose, TrackedFace, TrackId
from moretta.vision.gaze import VERTICAL_BIAS, gaze_direction
from moretta.vision.observe import observe
from moretta.vision.openness import eye_openness, mouth_openness
from moretta.vision.pose import CANONICAL, PITCH_BIAS_DEG, head_pose, landmark_pose
from moretta.vision.quality import face_quality
from moretta.vision.skin import skin_colour

WIDTH, HEIGHT = 640, 480


def projected_mesh(yaw: float, pitch: float, roll: float, centre_cm: tuple[float, float] = (0, 0)) -> Mesh:
    """The canonical face, turned by degrees in our convention, as a camera of focal length `WIDTH` sees it from 60 cm."""
    a, b, c = np.radians([-yaw, -pitch, roll])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    solid = np.array(list(CANONICAL.values())) * (1, -1, -1) @ (about_z @ about_y @ about_x).T + (*centre_cm, 60)
    points = np.zeros((468, 3), np.float32)
    points[list(CANONICAL), :2] = solid[:, :2] / solid[:, 2:] * WIDTH + (WIDTH / 2, HEIGHT / 2)
    return Mesh(points, 1.0)


@pytest.mark.parametrize(
    "turn", [(0, 0, 0), (25, 0, 0), (-25, 0, 0), (0, 20, 0), (0, -20, 0), (0, 0, 30), (15, -10, -20)]
)
def test_the_rotation_of_the_canonical_face_is_found(turn: tuple[float, float, float]) -> None:
    pose = head_pose(projected_mesh(*turn, centre_cm=(6, -4)), WIDTH, HEIGHT)
    np.testing.assert_allclose((pose.yaw, pose.pitch + PITCH_BIAS_DEG, pose.roll), turn, atol=0.5)


def test_yaw_is_positive_when_the_nose_points_to_the_right_of_the_image() -> None:
    turned, ahead = projected_mesh(20, 0, 0), projected_mesh(0, 0, 0)
    nose_shift = turned.points[1, 0] - turned.points[[33, 263], 0].mean()
    assert nose_shift > ahead.points[1, 0] - ahead.points[[33, 263], 0].mean() + 5
    assert head_pose(turned, WIDTH, HEIGHT).yaw > 15


def test_pitch_is_positive_when_the_nose_points_up() -> None:
    raised = projected_mesh(0, 20, 0)
    assert raised.points[1, 1] < projected_mesh(0, 0, 0).points[1, 1]
    assert head_pose(raised, WIDTH, HEIGHT).pitch > head_pose(projected_mesh(0, 0, 0), WIDTH, HEIGHT).pitch + 15


def test_a_mesh_without_extent_has_no_turn() -> None:
    pose = head_pose(Mesh(np.zeros((468, 3), np.float32), 0.0), WIDTH, HEIGHT)
    assert np.isfinite([pose.yaw, pose.pitch, pose.roll]).all()


@pytest.mark.parametrize("turn", [(0, 0, 0), (25, 0, 0), (0, -20, 0), (0, 0, 30)])
def test_five_landmarks_give_the_rotation_too(turn: tuple[float, float, float]) -> None:
    pose = landmark_pose(mesh_landmarks(projected_mesh(*turn).points), WIDTH, HEIGHT)
    np.testing.assert_allclose((pose.yaw, pose.pitch + PITCH_BIAS_DEG, pose.roll), turn, atol=2)


def test_a_face_that_no_mesh_fits_is_measured_by_its_landmarks_alone() -> None:
    solid = projected_mesh(20, 0, 0)
    face = Face(np.array([200, 100, 400, 300], np.float32), mesh_landmarks(solid.points), 0.9)
    misfit = mesh_at(50, 50, presence=0.1)
    frame = Frame(np.full((HEIGHT, WIDTH, 3), 120, np.uint8), 0, 0)
    sample = observe(frame, TrackedFace(TrackId(1), face, misfit, True))
    assert sample.pose.yaw == pytest.approx(20, abs=2)
    assert sample.gaze is None and sample.skin is None and sample.eye_openness == 0
    fitted = observe(frame, TrackedFace(TrackId(1), face, mesh_at(320, 240, 200), True))
    assert fitted.gaze is not None and fitted.skin is not None and fitted.eye_openness == pytest.approx(0.3, abs=1e-4)


def test_gaze_follows_the_irises_in_half_eye_widths() -> None:
    mesh = mesh_at(200, 200)
    assert mesh.irises is not None
    moved = Mesh(mesh.points.copy(), 1.0, mesh.irises + np.array([4.0, 2.0], np.float32))
    ahead, aside = gaze_direction(mesh), gaze_direction(moved)
    assert ahead is not None and aside is not None
    assert ahead.x == pytest.approx(0, abs=1e-5)
    assert ahead.y == pytest.approx(-VERTICAL_BIAS, abs=1e-5)
    assert aside.x - ahead.x == pytest.approx(4 / 8, abs=1e-4)
    assert aside.y - ahead.y == pytest.approx(2 / 8, abs=1e-4)


def test_gaze_is_measured_within_the_head_however_it_is_tilted() -> None:
    mesh = mesh_at(200, 200)
    assert mesh.irises is not None
    turn = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]], np.float32)
    points = mesh.points.copy()
    points[:, :2] = (points[:, :2] - 200) @ turn.T + 200
    irises = (mesh.irises + np.array([3.0, 0.0], np.float32) - 200) @ turn.T + 200
    gaze = gaze_direction(Mesh(points, 1.0, irises.astype(np.float32)))
    assert gaze is not None
    assert gaze.x == pytest.approx(3 / 8, abs=1e-3)
    assert gaze.y == pytest.approx(-VERTICAL_BIAS, abs=1e-3)


def test_there_is_no_gaze_without_irises_or_eyes() -> None:
    assert gaze_direction(mesh_at(100, 100, irises=False)) is None
    assert gaze_direction(mesh_at(100, 100, size=5)) is None


@pytest.mark.parametrize("ratio", [0.05, 0.2, 0.35])
def test_eye_openness_is_the_aspect_ratio_at_any_size(ratio: float) -> None:
    for size in (40, 400):
        assert eye_openness(mesh_at(200, 200, size, eye=ratio)) == pytest.approx(ratio, abs=1e-4)


def test_mouth_openness_is_the_gap_over_the_width() -> None:
    assert mouth_openness(mesh_at(200, 200)) == pytest.approx(0, abs=1e-6)
    assert mouth_openness(mesh_at(200, 200, mouth=0.5)) == pytest.approx(0.5, abs=1e-4)


def test_openness_of_a_mesh_without_extent_is_zero() -> None:
    empty = Mesh(np.zeros((468, 3), np.float32), 0.0)
    assert eye_openness(empty) == 0
    assert mouth_openness(empty) == 0


def test_skin_colour_is_the_mean_of_each_region() -> None:
    mesh = mesh_at(200, 200, 240)
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[:] = (10, 20, 30)
    pixels[:160] = (200, 150, 100)
    pixels[160:, :200] = (180, 120, 90)
    pixels[160:, 200:] = (170, 110, 80)
    found = skin_colour(pixels, mesh)
    assert found is not None
    np.testing.assert_allclose(found, [(200, 150, 100), (180, 120, 90), (170, 110, 80)], atol=0.01)


@pytest.mark.parametrize(("x", "y", "size"), [(200, 200, 8), (-500, 200, 200), (200, 440, 200), (1e7, 0, 100)])
def test_there_is_no_skin_colour_where_a_region_is_not_in_the_picture(x: float, y: float, size: float) -> None:
    assert skin_colour(np.full((400, 400, 3), 128, np.uint8), mesh_at(x, y, size)) is None


def textured_face() -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 25, (400, 400)).astype(np.float32)
    shading = np.linspace(-60, 60, 400, dtype=np.float32)[:, None]
    grey = np.clip(130 + cv2.GaussianBlur(noise, (0, 0), 1.0) * 2 + shading, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


AHEAD = Pose(0, 0, 0)


def test_blur_lowers_sharpness_step_by_step_and_nothing_else_much() -> None:
    mesh, sharp = mesh_at(200, 200, 300), textured_face()
    found = [face_quality(sharp if s == 0 else cv2.GaussianBlur(sharp, (0, 0), s), mesh, AHEAD) for s in (0, 2, 4, 8)]
    values = [quality.sharpness for quality in found]
    assert values == sorted(values, reverse=True)
    assert values[0] > 80 > 40 > values[-1]
    assert {round(quality.inter_eye_distance) for quality in found} == {round(found[0].inter_eye_distance)}


def test_darkening_lowers_under_exposure_prevention_and_not_over_exposure_prevention() -> None:
    mesh, face = mesh_at(200, 200, 300), textured_face()
    found = [face_quality((face * k).astype(np.uint8), mesh, AHEAD) for k in (1.0, 0.3, 0.2, 0.1)]
    under = [quality.under_exposure_prevention for quality in found]
    assert under == sorted(under, reverse=True) and under[0] > 95 and under[-1] < 10
    assert min(quality.over_exposure_prevention for quality in found) > 95


def test_brightening_lowers_over_exposure_prevention() -> None:
    mesh, face = mesh_at(200, 200, 300), textured_face()
    over = [
        face_quality(np.clip(face * k, 0, 255).astype(np.uint8), mesh, AHEAD).over_exposure_prevention
        for k in (1.0, 1.8, 2.2, 4.0)
    ]
    assert over == sorted(over, reverse=True) and over[0] > 90 and over[-1] < 10


def test_larger_and_more_frontal_faces_are_better() -> None:
    face = textured_face()
    sizes = [face_quality(face, mesh_at(200, 200, size), AHEAD) for size in (60, 120, 240, 380)]
    assert [q.inter_eye_distance for q in sizes] == sorted(q.inter_eye_distance for q in sizes)
    assert sizes[2].inter_eye_px == pytest.approx(240 * 0.4, abs=0.1)
    turns = [face_quality(face, mesh_at(200, 200, 240), Pose(yaw, 0, 0)) for yaw in (0, 20, 45, 80)]
    assert [q.head_pose for q in turns] == sorted((q.head_pose for q in turns), reverse=True)
    assert turns[0].unified > turns[-1].unified


@pytest.mark.parametrize("pixels", [np.zeros((1, 1, 3), np.uint8), np.full((50, 50, 3), 255, np.uint8)])
def test_quality_stays_within_its_range_on_any_picture(pixels: np.ndarray) -> None:
    for mesh in (mesh_at(0, 0, 1), mesh_at(25, 25, 40), Mesh(np.zeros((468, 3), np.float32), 0.0)):
        quality = face_quality(pixels, mesh, AHEAD)
        parts = (
            quality.sharpness,
            quality.under_exposure_prevention,
            quality.over_exposure_prevention,
            quality.inter_eye_distance,
            quality.head_pose,
            quality.unified,
        )
        assert all(0 <= part <= 100 for part in parts)
