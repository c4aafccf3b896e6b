"""Cues over single frames answer to what they claim to look at, and abstain on faces too small to show it."""

import cv2
import numpy as np
import pytest
from trust_scenes import head, measured, picture, sample, turned, value_of

from moretta.core.values import MediaKind
from moretta.trust.boundary import boundary_sharpness, inner_detail
from moretta.trust.cues import standard_cues
from moretta.trust.distortion import colour_diversity, highlights, tone_range
from moretta.trust.noise import noise_inconsistency
from moretta.trust.sampled import Clock, Schedule
from moretta.trust.spectrum import moire_peaks, spectral_falloff

POINTS = turned(head(), 0, False)


def of(cue, pixels: np.ndarray) -> float:
    return value_of(cue, iter([sample(pixels, POINTS)]))


def face_mask(grow: int = 0) -> np.ndarray:
    mask = np.zeros((480, 640), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(POINTS[:, :2].astype(np.int32)), 1)
    return cv2.dilate(mask, np.ones((2 * grow + 1,) * 2, np.uint8)) if grow else mask


def test_screen_grid_raises_the_spectral_peak() -> None:
    genuine = picture(1, 3.0)
    rows, cols = np.mgrid[:480, :640]
    grid = 6 * np.sin(2 * np.pi * (0.29 * cols + 0.17 * rows))
    screen = np.clip(genuine + grid[..., None], 0, 255).astype(np.uint8)
    assert of(moire_peaks(), screen) > of(moire_peaks(), genuine) + 0.5


def test_blurred_recapture_loses_high_frequencies() -> None:
    genuine = picture(1, 3.0)
    assert of(spectral_falloff(), cv2.GaussianBlur(genuine, (0, 0), 1.2)) < of(spectral_falloff(), genuine) - 0.5


def test_smooth_face_in_a_noisy_picture_stands_out_in_noise_and_detail() -> None:
    genuine = picture(1, 6.0)
    swapped = np.where(face_mask()[..., None] > 0, cv2.GaussianBlur(genuine, (0, 0), 1.5), genuine)
    assert of(noise_inconsistency(), swapped) < of(noise_inconsistency(), genuine) - 0.5
    assert of(inner_detail(), swapped) < of(inner_detail(), genuine) - 0.5


def test_smoothed_outline_shows_as_a_seam() -> None:
    genuine = picture(1, 6.0)
    band = (face_mask(8) > 0) & (cv2.erode(face_mask(), np.ones((17, 17), np.uint8)) == 0)
    seam = np.where(band[..., None], cv2.GaussianBlur(genuine, (0, 0), 2), genuine)
    assert of(boundary_sharpness(), seam) < of(boundary_sharpness(), genuine) - 0.5


def test_print_gamut_narrows_tones_and_colours() -> None:
    genuine = picture(1, 2.0)
    grey = genuine.mean(2, keepdims=True)
    printed = (40 + 0.6 * (grey + 0.5 * (genuine - grey))).astype(np.uint8)
    assert of(tone_range(), printed) < of(tone_range(), genuine)
    assert of(colour_diversity(), printed) < of(colour_diversity(), genuine)


def test_white_reflection_counts_as_highlight() -> None:
    genuine = (picture(1, 2.0) * 0.5).astype(np.uint8)
    shiny = genuine.copy()
    cv2.circle(shiny, (320, 220), 15, (250, 250, 250), -1)
    assert of(highlights(), shiny) > of(highlights(), genuine) + 0.3


@pytest.mark.parametrize("cue", [boundary_sharpness(), noise_inconsistency(), moire_peaks()], ids=lambda cue: cue.name)
def test_small_face_gives_no_texture_evidence_and_says_why(cue) -> None:
    small = (POINTS - (320, 240, 0)) * 0.2 + (320, 240, 0)
    found = measured(cue, iter([sample(picture(), small)]))
    assert found.value is None
    assert "too small" in found.reason


def test_first_sample_is_due_and_doubling_gaps_keep_looks_few() -> None:
    clock = Clock(Schedule(1.0, growth=2.0))
    due = [time for time in range(20) if clock.due(float(time))]
    assert due == [0, 1, 3, 7, 15]


@pytest.mark.parametrize("cue", standard_cues(), ids=lambda cue: cue.name)
def test_every_cue_survives_faces_outside_of_the_frame_and_odd_numbers(cue) -> None:
    meter = cue.start()
    outside = POINTS + np.array((5000, -5000, 0))
    collapsed = np.zeros((468, 3), np.float32)
    odd = np.full((468, 3), np.nan, np.float32)
    for index, points in enumerate([POINTS, outside, collapsed, odd, POINTS]):
        meter.observe(sample(picture(), points, index * 1.0, eye_openness=float("nan")))
    first, second = meter.measure(), meter.measure()
    assert first == second
    assert 0 <= first.coverage <= 1
    assert first.value is None or np.isfinite(first.value)


def test_names_are_unique_and_texture_applies_to_stills() -> None:
    cues = standard_cues()
    assert len({cue.name for cue in cues}) == len(cues)
    stills = {cue.name for cue in cues if MediaKind.IMAGE in cue.kinds}
    assert {"moire_peaks", "boundary_sharpness", "noise_inconsistency", "conditions"} <= stills
    assert "planar_motion" not in stills
