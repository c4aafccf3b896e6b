"""Decoding of the detector networks, on networks whose output is known."""

from collections.abc import Sequence

import numpy as np
import pytest

from moretta.core.values import Floats
from moretta.vision.detect import CenterFaceDetector


class HeatMapNetwork:
    """CenterFace that sees faces of 40 x 48 network pixels at the given cells (row, column), with the given heat."""

    def __init__(self, cells: dict[tuple[int, int], float]) -> None:
        self.cells = cells
        self.shape: tuple[int, ...] = ()

    def __call__(self, batch: Floats, /) -> Sequence[Floats]:
        self.shape = batch.shape
        rows, cols = batch.shape[2] // 4, batch.shape[3] // 4
        heat = np.zeros((1, 1, rows, cols), np.float32)
        size = np.zeros((1, 2, rows, cols), np.float32)
        size[:, 0], size[:, 1] = np.log(48 / 4), np.log(40 / 4)
        marks = np.zeros((1, 10, rows, cols), np.float32)
        for j, (y, x) in enumerate([(0.3, 0.25), (0.3, 0.75), (0.5, 0.5), (0.8, 0.3), (0.8, 0.7)]):
            marks[:, 2 * j], marks[:, 2 * j + 1] = y, x
        for (row, col), score in self.cells.items():
            if row < rows and col < cols:
                heat[0, 0, row, col] = score
        return [heat, size, np.zeros_like(size), marks]


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_centerface_gives_boxes_and_landmarks_in_picture_pixels() -> None:
    network = HeatMapNetwork({(30, 50): 0.9})
    (face,) = CenterFaceDetector(network, long_side=640).detect(picture(240, 320))
    assert network.shape == (1, 3, 480, 640)
    centre = np.array([50.5, 30.5]) * 4 / 2
    np.testing.assert_allclose(face.box, [91, 49, 111, 73], atol=1e-3)
    np.testing.assert_allclose(face.landmarks[2], centre, atol=1e-3)
    assert face.landmarks[0, 0] < face.landmarks[1, 0]
    assert face.detection_score == pytest.approx(0.9)


def test_centerface_keeps_the_strongest_of_overlapping_findings_and_orders_by_score() -> None:
    network = HeatMapNetwork({(30, 50): 0.7, (30, 51): 0.9, (90, 100): 0.95, (60, 140): 0.4})
    faces = CenterFaceDetector(network).detect(picture(480, 640))
    assert [round(face.detection_score, 2) for face in faces] == [0.95, 0.9]


def test_a_face_cut_by_the_edge_gets_a_box_within_the_picture() -> None:
    faces = CenterFaceDetector(HeatMapNetwork({(0, 0): 0.9, (119, 159): 0.8})).detect(picture(480, 640))
    assert len(faces) == 2
    for face in faces:
        assert (face.box >= 0).all() and (face.box <= [640, 480, 640, 480]).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 2), (37, 5), (0, 7), (31, 1999)])
def test_no_picture_is_too_odd_to_be_searched(shape: tuple[int, int]) -> None:
    everywhere = HeatMapNetwork({(r, c): 0.9 for r in range(0, 8) for c in range(0, 160, 3)})
    for face in CenterFaceDetector(everywhere).detect(picture(*shape)):
        assert (face.box >= 0).all()
        assert (face.box <= [shape[1], shape[0], shape[1], shape[0]]).all()


def test_a_network_that_overflows_gives_no_unbounded_face() -> None:
    class Overflowing(HeatMapNetwork):
        def __call__(self, batch: Floats, /) -> Sequence[Floats]:
            heat, size, offset, marks = super().__call__(batch)
            return [heat, np.full_like(size, 1e6), offset, np.full_like(marks, np.nan)]

    assert CenterFaceDetector(Overflowing({(5, 5): 0.9})).detect(picture(64, 64)) == []
