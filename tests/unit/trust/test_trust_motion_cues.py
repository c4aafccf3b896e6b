"""Cues over several frames tell flat, frozen and looped faces from living ones."""

import math

import cv2
import numpy as np
import pytest
from trust_scenes import head, measured, picture, sample, times, turned, value_of

from moretta.core.values import Pose
from moretta.trust.blink import BlinkDynamics
from moretta.trust.facial_motion import MOVING, FacialMotion
from moretta.trust.planar_motion import PlanarMotion
from moretta.trust.repetition import Repetition
from moretta.trust.stillness import Stillness
from moretta.trust.surround import SurroundCoherence

BLANK = np.full((480, 640, 3), 128, np.uint8)


def turning(flat: bool, jitter: float = 0.3):
    rng, points = np.random.default_rng(2), head()
    for time in times(4):
        yaw = 15 * math.sin(time * 2)
        mesh = turned(points, yaw, flat) + np.pad(rng.normal(0, jitter, (468, 2)), ((0, 0), (0, 1)))
        yield sample(BLANK, mesh, time, Pose(yaw, 0, 0))


def test_turned_photograph_leaves_a_smaller_homography_residual_than_a_turned_head() -> None:
    assert value_of(PlanarMotion(), turning(flat=True)) < value_of(PlanarMotion(), turning(flat=False)) - 0.3


def test_head_that_does_not_turn_cannot_be_told_from_a_flat_picture() -> None:
    found = measured(PlanarMotion(), (sample(BLANK, turned(head(), 0, False), t) for t in times(2)))
    assert found.value is None
    assert "turned too little" in found.reason


def speaking(amplitude: float, flat_motion: float = 12.0):
    """A textured picture under a moving homography, whose mouth and lids are shifted by up to `amplitude` px besides."""
    points = turned(head(), 0, True)
    texture = (
        cv2.GaussianBlur(np.random.default_rng(9).uniform(0, 255, (480, 640)).astype(np.float32), (0, 0), 2) * 3 - 255
    )
    rows, cols = np.mgrid[0:480, 0:640].astype(np.float32)
    weight = np.zeros((480, 640), np.float32)
    for x, y in points[list(MOVING), :2]:
        weight = np.maximum(weight, np.exp(-((cols - x) ** 2 + (rows - y) ** 2) / 200))
    for time in times(3, 10):
        shift = amplitude * math.sin(12 * time)
        spoken = cv2.remap(texture, cols, rows - shift * weight, cv2.INTER_LINEAR)
        sway = flat_motion * math.sin(2 * time)
        matrix = np.array([[1, 0, sway], [0, 1, 0], [1e-5 * sway, 0, 1]])
        grey = np.clip(cv2.warpPerspective(spoken, matrix, (640, 480)), 0, 255).astype(np.uint8)
        mesh = points.copy()
        mesh[list(MOVING), 1] += shift
        mesh[:, :2] = cv2.perspectiveTransform(mesh[None, :, :2].astype(np.float64), matrix)[0]
        yield sample(np.repeat(grey[..., None], 3, axis=2), mesh, time)


def test_speaking_face_deforms_more_than_a_moving_photograph() -> None:
    assert value_of(FacialMotion(), speaking(4.0)) > value_of(FacialMotion(), speaking(0.0)) + 0.5


def test_blinks_are_counted_and_a_stare_has_no_depth() -> None:
    def eyes(blinking: bool):
        for time in times(6):
            closed = blinking and time % 2 < 0.15
            yield sample(BLANK, turned(head(), 0, False), time, eye_openness=0.08 if closed else 0.3)

    blinking, staring = measured(BlinkDynamics(), eyes(True)), measured(BlinkDynamics(), eyes(False))
    assert blinking.value == pytest.approx(1 - 0.08 / 0.3, abs=0.05)
    assert blinking.detail["blinks"] == 2  # the closure at time 0 has no beginning
    assert staring.value == pytest.approx(0.0, abs=0.01)


def living(seconds: float, order=lambda index: index, noise: float = 2.0, freeze_from: float = 1e6):
    mesh = turned(head(), 0, False)
    sway = np.convolve(np.random.default_rng(4).normal(0, 12, 400), np.hanning(9), "same")
    for index, time in enumerate(times(seconds, 15)):
        moment = order(min(index, round(freeze_from * 15)))
        yield sample(picture(index, noise, sway[moment]), mesh, time)


def test_frozen_picture_is_stiller_than_a_moving_face_in_spite_of_fresh_noise() -> None:
    frozen = value_of(Stillness(), living(5, freeze_from=2))
    assert frozen < value_of(Stillness(), living(5)) - 0.7


def test_stretch_that_comes_again_forwards_or_backwards_is_much_closer_than_the_motion() -> None:
    genuine = value_of(Repetition(), living(9))
    forwards = value_of(Repetition(), living(9, lambda index: index % 60))
    backwards = value_of(Repetition(), living(9, lambda index: 67 - abs(67 - index % 134)))
    assert forwards < genuine - 0.3
    assert backwards < genuine - 0.3


def test_still_face_gives_no_evidence_about_loops() -> None:
    found = measured(Repetition(), living(4, lambda index: 0))
    assert found.value is None
    assert "moved too little" in found.reason


def test_surroundings_that_move_with_the_face_are_told_from_a_resting_background() -> None:
    points = turned(head(), 0, False)

    def moving(together: bool):
        for time in times(4, 10):
            shift = 20 * math.sin(3 * time)
            pixels = np.roll(picture(1, 1.0, 0), round(shift), 1) if together else picture(1, 1.0, shift)
            move = (round(shift), 0, 0) if together else (shift, shift / 2, 0)
            yield sample(pixels, points + np.array(move), time)

    assert value_of(SurroundCoherence(), moving(True)) < value_of(SurroundCoherence(), moving(False)) - 0.5


def wandering(seconds: float):
    """A small picture whose light wanders without ever repeating."""
    drift = np.convolve(np.random.default_rng(6).normal(0, 9, 2000), np.hanning(11), "same")
    tilt = np.convolve(np.random.default_rng(7).normal(0, 9, 2000), np.hanning(11), "same")
    rows, cols = np.mgrid[0:60, 0:80].astype(np.float32)
    mesh = (turned(head(), 0, False) - np.array((320, 240, 0))) * 0.2 + np.array((40, 30, 0))
    for index, time in enumerate(times(seconds, 15)):
        light = 128 + 0.05 * (drift[index] * (cols - 40) + tilt[index] * (rows - 30)) + 0.5 * drift[index]
        yield sample(np.repeat(np.clip(light, 0, 255).astype(np.uint8)[..., None], 3, axis=2), mesh, time)


def test_long_genuine_video_is_no_more_like_a_loop_than_a_short_one() -> None:
    assert value_of(Repetition(), wandering(60)) > value_of(Repetition(), wandering(10)) - 0.25
