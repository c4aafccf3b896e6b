"""The texture scores are linear in standardised features, bounded, and move with what recapture does to a face."""

import cv2
import numpy as np
import pytest
from trust_scenes import head, measured, picture, sample, turned, value_of

from moretta.trust.recapture import (
    MOST_LOGIT,
    TextureModel,
    read_texture_model,
    texture_cues,
    texture_features,
)

POINTS = turned(head(), 0, False)


def features(pixels: np.ndarray) -> np.ndarray:
    found = texture_features(sample(pixels, POINTS))
    assert found is not None
    return found


def model(linear: float, offset: float = 0.0) -> TextureModel:
    size = len(features(picture()))
    return TextureModel(np.zeros(size), np.ones(size), np.full(size, linear), np.zeros(size), offset)


def test_features_are_finite_and_as_many_as_the_shipped_weights() -> None:
    found = features(picture())
    assert np.isfinite(found).all()
    for species in ("print", "screen"):
        shipped = read_texture_model(species)
        assert shipped.mean.shape == shipped.spread.shape == shipped.linear.shape == shipped.square.shape == found.shape
        assert (shipped.spread > 0).all()


@pytest.mark.parametrize("pixels", [np.zeros((480, 640, 3)), np.full((480, 640, 3), 255)], ids=["black", "white"])
def test_empty_pictures_give_finite_features(pixels: np.ndarray) -> None:
    assert np.isfinite(features(pixels.astype(np.uint8))).all()


def test_logit_is_bounded_whatever_the_features() -> None:
    assert model(100.0, 50.0).logit(np.full(len(features(picture())), 1e9)) == MOST_LOGIT
    assert value_of(
        texture_cues({"print": model(0.0, 0.7), "screen": model(0.0)})[0], iter([sample(picture(), POINTS)])
    ) == pytest.approx(0.7)


def test_both_cues_see_each_new_face() -> None:
    cues = texture_cues({"print": model(0.01), "screen": model(0.02)})
    meters = [cue.start() for cue in cues]
    for pixels, time in ((picture(), 0.0), (cv2.GaussianBlur(picture(), (0, 0), 2), 1.0)):
        for meter in meters:
            meter.observe(sample(pixels, POINTS, time))
    first, second = (meter.measure() for meter in meters)
    assert first.detail["spread"] > 0
    assert second.value == pytest.approx(2 * first.value)


def test_small_face_gives_no_texture_score() -> None:
    small = (POINTS - np.array((320, 240, 0))) * 0.2 + np.array((320, 240, 0))
    found = measured(texture_cues({"print": model(0.0), "screen": model(0.0)})[1], iter([sample(picture(), small)]))
    assert found.value is None


def test_display_grid_moves_the_features_of_peaks() -> None:
    rows, cols = np.mgrid[:480, :640]
    grid = 6 * np.sin(2 * np.pi * (0.29 * cols + 0.17 * rows))
    plain = picture(1, 3.0)
    shown = np.clip(plain + grid[..., None], 0, 255).astype(np.uint8)
    assert features(shown)[18] > features(plain)[18] + 0.3


def test_blur_lowers_the_finest_band_relative_to_the_coarsest() -> None:
    plain = picture(1, 6.0)
    assert features(cv2.GaussianBlur(plain, (0, 0), 1.5))[8] < features(plain)[8] - 0.5
