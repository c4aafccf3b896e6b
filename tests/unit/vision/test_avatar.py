"""The avatar moves as the face does, and nothing of the face is in it."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from moretta.core.redaction import FaceToHide
from moretta.core.values import Floats, Gaze, Mesh, Pixels, Pose, TrackId
from moretta.vision.avatar import Avatar
from moretta.vision.avatar.canonical import LEFT_LIDS, RIGHT_LIDS, canonical_face
from moretta.vision.avatar.cover import covered
from moretta.vision.avatar.deforming import Rig
from moretta.vision.avatar.expression import Expression, ExpressionMeter
from moretta.vision.avatar.looks import drawn_by_lot
from moretta.vision.avatar.placing import (
    ANCHORS,
    LEAST_DISTANCE_CM,
    MOST_ASIDE_CM,
    MOST_FARTHER,
    Away,
    Placement,
    away_by_lot,
    placed,
    rotation_of,
)
from moretta.vision.gaze import gaze_direction
from moretta.vision.openness import eye_openness, mouth_openness
from moretta.vision.pose import PITCH_BIAS_DEG, head_pose

WIDTH, HEIGHT = 320, 240
AHEAD = Pose(0.0, -PITCH_BIAS_DEG, 0.0)


def seen(expression: Expression | None = None, pose: Pose = AHEAD, stretch: tuple[float, float] = (1.0, 1.0)) -> Mesh:
    """The mesh of somebody whose face is `stretch` times as wide and high as the canonical one, in the middle."""
    points = Rig(canonical_face()).deformed(expression or Expression()) * (*stretch, 1.0)
    turned = (points * (1, -1, -1)) @ rotation_of(pose).T * 6.0
    irises = np.stack([np.tile(turned[list(corners), :2].mean(axis=0), (5, 1)) for corners in ((33, 133), (362, 263))])
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    placed_points = turned + np.append(middle, 0)
    return Mesh(placed_points.astype(np.float32), 0.99, (irises + middle).astype(np.float32))


def face(mesh: Mesh | None = None, box: Floats | None = None, track: int = 1) -> FaceToHide:
    box = np.array([85, 35, 235, 200], np.float32) if box is None else box
    landmarks = np.array([[135, 105], [185, 105], [160, 130], [142, 150], [178, 150]], np.float32)
    return FaceToHide(TrackId(track), box, landmarks, mesh, None if mesh is None else AHEAD, None)


def noise(seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def ellipse(box: Floats) -> npt.NDArray[np.bool_]:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    across = (columns - (box[0] + box[2]) / 2) / ((box[2] - box[0]) / 2)
    down = (rows - (box[1] + box[3]) / 2) / ((box[3] - box[1]) / 2)
    return np.asarray(across**2 + down**2 <= 1)


@pytest.mark.parametrize("mesh", [None, seen()], ids=["landmarks alone", "with a mesh"])
def test_no_pixel_of_the_picture_has_a_part_in_what_is_drawn_over_a_face(mesh: Mesh | None) -> None:
    hidden = face(mesh)
    one, other = noise(), noise(1)
    for pixels in (one, other):
        Avatar(3).hide(pixels, [hidden])
    assert (one[ellipse(hidden.box)] == other[ellipse(hidden.box)]).all()


def test_the_backdrop_is_the_same_over_every_face_and_in_every_picture() -> None:
    boxes = [np.array([20, 60, 120, 180], np.float32), np.array([160, 60, 260, 180], np.float32)]
    bright, dark = np.full((HEIGHT, WIDTH, 3), 250, np.uint8), noise(1) // 8
    shown = []
    for pixels in (bright, dark):
        covered(pixels, boxes)
        shown += [pixels[ellipse(boxes[0])], pixels[ellipse(boxes[1])]]
    assert all((each == shown[0]).all() for each in shown[1:])


def test_far_from_the_face_nothing_changes() -> None:
    before = noise()
    after = before.copy()
    Avatar(3).hide(after, [face(seen())])
    assert (after[:, :50] == before[:, :50]).all()
    assert (after[:, -50:] == before[:, -50:]).all()


BROKEN = {
    "nowhere": np.full(4, np.nan, np.float32),
    "endless": np.array([0, 0, np.inf, 10], np.float32),
    "no extent": np.array([20, 20, 20, 20], np.float32),
    "turned over": np.array([90, 90, 30, 30], np.float32),
    "outside": np.array([900, 900, 1000, 1000], np.float32),
    "far outside": np.array([-9e4, -9e4, -8e4, -8e4], np.float32),
    "over everything": np.array([-9e4, -9e4, 9e4, 9e4], np.float32),
    "one pixel": np.array([0, 0, 1, 1], np.float32),
}


@pytest.mark.parametrize("name", list(BROKEN))
@pytest.mark.parametrize("filled", [np.nan, np.inf, 0.0, 1e30, -7.0], ids=str)
def test_no_face_is_too_broken_to_be_hidden(name: str, filled: float) -> None:
    landmarks, points = np.full((5, 2), filled, np.float32), np.full((468, 3), filled, np.float32)
    pose, gaze = Pose(filled, filled, filled), Gaze(filled, filled)
    pixels, avatar = noise(), Avatar(1)
    for mesh in (None, Mesh(points, 0.9), Mesh(points.copy(), 0.1)):
        avatar.hide(pixels, [FaceToHide(TrackId(1), BROKEN[name], landmarks, mesh, pose, gaze, filled, filled)])
        avatar.hide(pixels, [FaceToHide(TrackId(2), BROKEN[name], landmarks, mesh)])


def test_a_face_of_no_known_place_is_covered_all_the_same() -> None:
    before = noise()
    after = before.copy()
    hidden = replace(face(), landmarks=np.full((5, 2), np.nan, np.float32))
    Avatar(1).hide(after, [hidden])
    inside = ellipse(hidden.box)
    assert (after[inside] == before[inside]).mean() < 0.02


@pytest.mark.parametrize("stretch", [(1.12, 1.0), (0.9, 1.1), (1.0, 1.2)], ids=str)
def test_the_shape_of_a_face_at_rest_is_no_expression(stretch: tuple[float, float]) -> None:
    meter, plain = ExpressionMeter(), ExpressionMeter()
    for _ in range(60):
        found, wanted = meter.measure(seen(stretch=stretch), AHEAD), plain.measure(seen(), AHEAD)
    assert abs(found.eye_right - wanted.eye_right) < 0.1
    rest = (found.brow_right, found.brow_left, found.mouth_width, found.mouth_corners, found.jaw)
    assert np.abs(rest).max() < 0.05


def test_avatars_of_people_of_another_shape_are_alike() -> None:
    """Same seed, same place, same pose: what is left of the shape moves the head by its rounded distance alone."""
    pictures = []
    for stretch in ((1.0, 1.0), (1.0, 1.06)):
        pixels, avatar = np.full((HEIGHT, WIDTH, 3), 120, np.uint8), Avatar(5)
        for _ in range(40):
            pixels[:] = 120
            avatar.hide(pixels, [face(seen(stretch=stretch))])
        pictures.append(pixels.astype(int))
    assert np.abs(pictures[0] - pictures[1]).mean() < 6


def test_closed_lids_and_an_open_mouth_are_measured_and_drawn() -> None:
    meter = ExpressionMeter()
    for _ in range(60):
        open_eyes = meter.measure(seen(), AHEAD)
    shut = meter.measure(seen(Expression(eye_right=0.0, eye_left=0.0)), AHEAD)
    assert open_eyes.eye_right > 0.9
    assert shut.eye_right == shut.eye_left == 0
    speaking = meter.measure(seen(Expression(mouth_open=0.5, jaw=1.0)), AHEAD)
    assert speaking.mouth_open == pytest.approx(0.5, abs=0.1)
    assert speaking.jaw == pytest.approx(1.0, abs=0.35)


def test_the_rig_opens_and_shuts_what_the_measures_call_eyes_and_mouth() -> None:
    assert eye_openness(seen(Expression(eye_right=0, eye_left=0))) < 0.02
    assert eye_openness(seen()) > 0.25
    openings = [mouth_openness(seen(Expression(mouth_open=opening))) for opening in (0.0, 0.3, 0.6)]
    assert openings[0] < 0.02
    assert openings == sorted(openings)
    lids = np.array(RIGHT_LIDS + LEFT_LIDS)
    half = Rig(canonical_face()).deformed(Expression(eye_right=0.5, eye_left=0.5))
    assert (half[lids[:, 0], 1] > half[lids[:, 1], 1]).all()


@pytest.mark.parametrize("pose", [AHEAD, Pose(25, 4, 0), Pose(-20, 12, 15), Pose(10, -15, -30)], ids=str)
def test_the_head_is_drawn_in_the_pose_that_was_measured(pose: Pose) -> None:
    """The projected avatar reads as the pose it was given, and lies over the anchors it was fitted to."""
    points = canonical_face().points
    start = placed(points[list(ANCHORS)], _at(100.0, pose)[list(ANCHORS)], pose, WIDTH, HEIGHT)
    assert start is not None
    projected = start.projected(points)
    read = head_pose(Mesh(projected, 1.0), WIDTH, HEIGHT)
    assert (read.yaw, read.pitch, read.roll) == pytest.approx((pose.yaw, pose.pitch, pose.roll), abs=0.6)
    assert np.abs(projected[:, :2] - _at(100.0, pose)).max() < 3


def _at(distance: float, pose: Pose) -> Floats:
    """The canonical face seen from `distance` cm, px."""
    turned = (canonical_face().points * (1, -1, -1)) @ rotation_of(pose).T + (3.0, -2.0, distance)
    return (turned[:, :2] * (WIDTH / turned[:, 2:]) + (WIDTH / 2, HEIGHT / 2)).astype(np.float32)


def test_looks_come_from_the_seed_and_the_order_of_appearance_alone() -> None:
    def drawn(avatar: Avatar, track: int) -> Pixels:
        pixels = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
        avatar.hide(pixels, [face(seen(), track=track)])
        return pixels

    avatar = Avatar(1)
    assert (drawn(avatar, 1) == drawn(Avatar(1), 9)).all()
    assert (drawn(avatar, 2) != drawn(Avatar(1), 2)).any()
    assert (drawn(Avatar(1), 1) != drawn(Avatar(2), 1)).any()


def test_a_head_is_off_its_face_by_a_lot_of_the_item_and_track_within_bounds() -> None:
    lots = [away_by_lot(np.random.default_rng(seed)) for seed in range(200)]
    aside = np.array([[away.right_cm, away.down_cm] for away in lots])
    assert MOST_ASIDE_CM * 0.9 < np.abs(aside).max() <= MOST_ASIDE_CM
    assert np.abs(np.log([away.distance for away in lots])).max() <= MOST_FARTHER
    start = Placement(np.eye(3), np.array([0.0, 0.0, 13.0]), 100.0, np.zeros(2))
    assert start.moved(Away(1.0, -0.5, 1.1)).shift == pytest.approx([1.0, -0.5, 14.3])
    assert start.moved(Away(distance=0.5)).shift[2] == LEAST_DISTANCE_CM, "the head would reach behind the camera"


def test_a_track_that_begins_with_narrow_eyes_is_drawn_with_open_ones() -> None:
    """How wide eyes are is whose they are; a still has nothing else to tell it by."""
    narrow = seen(Expression(eye_right=0.5, eye_left=0.5))
    assert 0.15 < eye_openness(narrow) < 0.25
    found = ExpressionMeter().measure(narrow, AHEAD)
    assert (found.eye_right, found.eye_left) == (1.0, 1.0)
    assert ExpressionMeter().measure(seen(Expression(eye_right=0, eye_left=0)), AHEAD).eye_right == 0


def test_many_looks_are_drawn_by_lot() -> None:
    looks = [drawn_by_lot(canonical_face(), np.random.default_rng(seed)) for seed in range(6)]
    plain = {tuple(each.textures[0, 300, 256]) for each in looks}
    assert len(plain) > 3


def test_gaze_moves_the_irises_as_it_was_measured() -> None:
    """The dark of the iris lies image-right of its middle when the eyes look image-right."""
    sides = []
    for x in (-0.4, 0.4):
        pixels, avatar = np.full((HEIGHT, WIDTH, 3), 120, np.uint8), Avatar(5)
        hidden = replace(face(seen()), gaze=Gaze(x, 0.0))
        for _ in range(10):
            pixels[:] = 120
            avatar.hide(pixels, [hidden])
        corners = hidden.mesh.points[[33, 133], :2]  # type: ignore[union-attr]
        low, high = (
            np.subtract(corners.min(axis=0).astype(int), (0, 3)),
            np.add(np.ceil(corners.max(axis=0)).astype(int), (1, 3)),
        )
        dark = 255 - pixels[low[1] : high[1], low[0] : high[0]].mean(axis=(0, 2))
        sides.append(float((dark * np.arange(len(dark))).sum() / dark.sum()))
    assert sides[1] - sides[0] > 0.5


@pytest.mark.models
def test_the_mesh_model_finds_pose_and_mouth_on_the_avatar() -> None:
    from moretta.core.values import Face
    from moretta.settings import Settings
    from moretta.vision.landmarks import FaceMesh
    from moretta.vision.models import load
    from moretta.vision.sessions import open_session

    models = Settings().models_dir
    model = FaceMesh(*(open_session(load(name, models).path) for name in ("face-landmark", "iris-landmark")))
    found = []
    for opening, look in ((0.0, -0.35), (0.6, 0.35)):
        pixels, avatar = np.full((HEIGHT, WIDTH, 3), 120, np.uint8), Avatar(5)
        hidden = replace(face(seen(Expression(mouth_open=opening, jaw=2 * opening))), gaze=Gaze(look, 0.0))
        for _ in range(10):
            pixels[:] = 120
            avatar.hide(pixels, [hidden])
        mesh = model.fit(pixels, Face(np.array([112, 62, 208, 178], np.float32), hidden.landmarks, 0.9))
        gaze = gaze_direction(mesh)
        assert mesh.presence > 0.5
        assert gaze is not None
        found.append((mouth_openness(mesh), gaze.x))
    assert found[1][0] - found[0][0] > 0.2
    assert found[1][1] - found[0][1] > 0.2
