"""The installed networks on a real face."""

from pathlib import Path

import numpy as np
import pytest

from moretta.core.geometry import mesh_landmarks
from moretta.core.values import Frame, Pixels
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.observe import observe
from moretta.vision.quality import face_quality
from moretta.vision.sessions import open_session
from moretta.vision.track import FaceTracker

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def picture(talking_clip: Path) -> Pixels:
    import av

    with av.open(str(talking_clip)) as container:
        return np.ascontiguousarray(next(container.decode(video=0)).to_ndarray(format="rgb24"))


@pytest.fixture(scope="module")
def centerface(models_dir: Path) -> CenterFaceDetector:
    return CenterFaceDetector(open_session(models_dir / "centerface.onnx"))


@pytest.fixture(scope="module")
def mesh(models_dir: Path) -> FaceMesh:
    return FaceMesh(
        open_session(models_dir / "face-landmark.tflite"), open_session(models_dir / "iris-landmark.tflite")
    )


@pytest.mark.parametrize("long_side", [320, 480, 1280])
def test_centerface_finds_the_face_at_any_working_size(models_dir: Path, picture: Pixels, long_side: int) -> None:
    detector = CenterFaceDetector(open_session(models_dir / "centerface.onnx"), long_side=long_side)
    assert len(detector.detect(picture)) == 1


def test_the_mesh_agrees_with_the_detector_and_with_itself_in_the_next_picture(
    picture: Pixels, centerface: CenterFaceDetector, mesh: FaceMesh
) -> None:
    (face,) = centerface.detect(picture)
    fitted = mesh.fit(picture, face)
    followed = mesh.follow(picture, fitted)
    eye_distance = np.hypot(*(face.landmarks[1] - face.landmarks[0]))
    assert fitted.presence > 0.99 and followed.presence > 0.99
    assert np.linalg.norm(mesh_landmarks(fitted.points) - face.landmarks, axis=1).max() < 0.2 * eye_distance
    assert np.linalg.norm(followed.points - fitted.points, axis=1).mean() < 0.04 * eye_distance
    assert fitted.irises is not None
    eyes = mesh_landmarks(fitted.points)[:2]
    assert np.linalg.norm(fitted.irises[:, 0] - eyes, axis=1).max() < 0.15 * eye_distance


def test_a_picture_mirrored_left_to_right_gives_the_mirrored_pose_and_gaze(
    picture: Pixels, centerface: CenterFaceDetector, mesh: FaceMesh
) -> None:
    found = []
    for pixels in (picture, np.ascontiguousarray(picture[:, ::-1])):
        (tracked,) = FaceTracker(centerface, mesh).update(Frame(pixels.copy(), 0, 0))
        found.append(observe(Frame(pixels.copy(), 0, 0), tracked))
    one, other = found
    assert one.pose.yaw == pytest.approx(-other.pose.yaw, abs=4)
    assert one.pose.roll == pytest.approx(-other.pose.roll, abs=2)
    assert one.pose.pitch == pytest.approx(other.pose.pitch, abs=4)
    assert one.gaze is not None and other.gaze is not None
    assert one.gaze.x == pytest.approx(-other.gaze.x, abs=0.15)
    assert one.eye_openness == pytest.approx(other.eye_openness, abs=0.05)


def test_where_there_is_no_face_the_mesh_says_so(
    picture: Pixels, centerface: CenterFaceDetector, mesh: FaceMesh
) -> None:
    (face,) = centerface.detect(picture)
    noise = np.random.default_rng(0).integers(0, 255, picture.shape, dtype=np.uint8)
    assert mesh.fit(noise, face).presence < 0.5
    assert centerface.detect(noise) == []


def test_a_calm_speaker_is_seen_in_a_usable_quality(
    picture: Pixels, centerface: CenterFaceDetector, mesh: FaceMesh
) -> None:
    frame = Frame(picture.copy(), 0, 0)
    (tracked,) = FaceTracker(centerface, mesh).update(frame)
    sample = observe(frame, tracked)
    assert abs(sample.pose.yaw) < 15 and abs(sample.pose.pitch) < 20
    assert 0.15 < sample.eye_openness < 0.45
    assert sample.skin is not None and (sample.skin[:, 0] > sample.skin[:, 2]).all()
    assert face_quality(picture, tracked.mesh, sample.pose).unified > 50
