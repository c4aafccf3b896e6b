"""Undoing blur and mosaic: what comes back, and what never was there."""

import cv2
import numpy as np
import pytest

from moretta.core.redaction import FaceToHide, Redactor
from moretta.core.values import Pixels, TrackId
from moretta.use_cases.redaction.instruments import Reversal
from moretta.vision.redact import BlurRedactor, MosaicRedactor
from moretta.vision.redact.reversal import deconvolved, smoothed_and_deconvolved
from moretta.vision.redact.strangers import COUNT, drawn, strangers

BOX = np.array([20, 10, 140, 160], np.float32)


def ramp() -> Pixels:
    across = np.linspace(20, 230, 160)[None, :, None]
    return np.broadcast_to(across, (170, 160, 3)).astype(np.uint8).copy()


def hidden(redactor: Redactor) -> Pixels:
    pixels = ramp()
    redactor.hide(pixels, [FaceToHide(TrackId(1), BOX, np.zeros((5, 2), np.float32))])
    return pixels


def sharpness(pixels: Pixels) -> float:
    return float(np.abs(np.diff(pixels[60:110, 40:120].astype(float), axis=0)).mean())


def largest_step(pixels: Pixels) -> float:
    """Between two neighbours in the middle, grey levels."""
    return float(np.abs(np.diff(pixels[60:110, 50:110].astype(float), axis=1)).max())


@pytest.mark.parametrize("undo", [deconvolved, smoothed_and_deconvolved])
def test_only_what_is_under_the_cover_is_touched(undo: Reversal) -> None:
    pixels = hidden(MosaicRedactor(1))
    before = pixels.copy()
    undone = undo(pixels, BOX)
    assert (pixels == before).all(), "the caller's picture stays"
    assert (undone[:10] == pixels[:10]).all()
    assert (undone[:, :20] == pixels[:, :20]).all()
    assert undone.shape == pixels.shape


def test_a_gaussian_blur_of_the_assumed_width_is_sharpened() -> None:
    stripes = np.where(np.arange(170)[:, None, None] // 40 % 2 == 0, 60, 190) * np.ones((1, 160, 3))
    blurred = cv2.GaussianBlur(stripes.astype(np.uint8), (0, 0), 6)
    assert sharpness(deconvolved(blurred, BOX)) > 1.2 * sharpness(blurred)


def test_the_steps_of_tiles_are_taken_out() -> None:
    tiles = hidden(MosaicRedactor(1))
    assert largest_step(smoothed_and_deconvolved(tiles, BOX)) < largest_step(tiles) / 2


@pytest.mark.parametrize("undo", [deconvolved, smoothed_and_deconvolved])
def test_what_lies_around_a_cover_has_no_part_in_what_is_undone(undo: Reversal) -> None:
    """It was never blurred, and tells people apart by itself."""
    rows, columns = np.mgrid[:170, :160] + 0.5
    inside = np.square((columns - 80) / 60) + np.square((rows - 85) / 75) <= 1
    shown = []
    for around in (10, 240):
        pixels = hidden(BlurRedactor(1))
        pixels[~inside] = around
        shown.append(undo(pixels, BOX)[inside])
    assert (shown[0] == shown[1]).all()


def test_a_cover_that_is_not_in_the_picture_is_left_alone() -> None:
    pixels = hidden(BlurRedactor(1))
    for box in ([500, 500, 600, 600], [-90, -90, -10, -10], [20, 20, 22, 22]):
        assert (deconvolved(pixels, np.array(box, np.float32)) == pixels).all()


def test_the_strangers_are_unit_vectors_of_the_installed_embedder_and_no_others() -> None:
    from moretta.core.errors import ModelMismatch
    from moretta.vision.embed import model_id_of
    from moretta.vision.models import find

    found = strangers(model_id_of("mobilefacenet", find("mobilefacenet").sha256))
    assert found.shape == (COUNT, 192)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    among = (found @ found.T)[np.triu_indices(COUNT, 1)]
    assert -0.05 < float(among.mean()) < 0.2, "nobody is anybody else"
    assert float(among.max()) < 0.75
    with pytest.raises(ModelMismatch):
        strangers("other:0")


def test_drawn_vectors_have_the_mean_and_spread_that_they_are_drawn_from() -> None:
    vectors = drawn(np.array([0.9, 0.0, 0.0]), np.array([[0.0, 0.3, 0.0]]), 500, 0)
    assert np.allclose(vectors[:, 2], 0)
    assert 0.2 < float(vectors[:, 1].std()) < 0.35
