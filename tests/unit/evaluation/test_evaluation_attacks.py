"""Attacks are seeded, keep size and length, and do to the picture what their name says."""

import cv2
import numpy as np
import pytest

from moretta.core.values import Floats
from moretta.evaluation.attacks import (
    Donor,
    frozen_attack,
    loop_attack,
    photo_attack,
    photo_still,
    screen_attack,
    screen_still,
    swap_attack,
    swap_still,
)
from moretta.evaluation.attacks.capture import Camera, Hand, grain, shaken

RNG = np.random.default_rng(0)
TEXTURE = cv2.GaussianBlur(RNG.uniform(0, 255, (120, 160, 3)).astype(np.float32), (0, 0), 3)
PICTURE = np.clip((TEXTURE - 127) * 4 + 127, 0, 255).astype(np.uint8)
TIMES = [0.0, 0.1, 0.2, 0.3]


def numbered(count: int):
    return [np.full((40, 60, 3), index, np.uint8) for index in range(count)]


def shown(frames) -> list[int]:
    return [int(frame[0, 0, 0]) for frame in frames]


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def oval(x: float, y: float, size: float, seed: int = 1) -> Floats:
    angle, radius = rng(seed).uniform(0, 2 * np.pi, 468), np.sqrt(rng(seed + 1).uniform(0, 1, 468))
    points = np.stack([x + size * radius * np.cos(angle), y + 1.3 * size * radius * np.sin(angle)], axis=1)
    return np.asarray(points, np.float32)


@pytest.mark.parametrize("seed", range(6))
def test_print_and_screen_keep_size_and_length_and_repeat_under_the_same_seed(seed: int) -> None:
    recording = [(time, PICTURE) for time in TIMES]
    for attack in (lambda r: photo_attack(PICTURE, TIMES, r), lambda r: screen_attack(recording, r)):
        first, second = list(attack(rng(seed))), list(attack(rng(seed)))
        assert [frame.shape for frame in first] == [PICTURE.shape] * len(TIMES)
        assert all(frame.dtype == np.uint8 for frame in first)
        assert all((a == b).all() for a, b in zip(first, second, strict=True))


def test_held_print_moves_from_frame_to_frame() -> None:
    frames = list(photo_attack(PICTURE, [0.0, 1.0], rng(1)))
    assert np.abs(frames[0].astype(int) - frames[1]).mean() > 1


def test_attacks_do_not_alter_their_source() -> None:
    before = PICTURE.copy()
    list(screen_attack([(0.0, PICTURE)], rng()))
    photo_still(PICTURE, rng())
    swap_still(PICTURE, oval(80, 60, 30), Donor(PICTURE, oval(70, 60, 30)), rng())
    assert (before == PICTURE).all()


def test_stills_come_in_the_same_size() -> None:
    assert photo_still(PICTURE, rng()).shape == screen_still(PICTURE, rng()).shape == PICTURE.shape


def test_freeze_holds_one_frame_and_then_goes_on() -> None:
    frames = list(frozen_attack(numbered(10), 3, 4, rng(0)))
    middles = [float(np.median(frame)) for frame in frames]
    assert middles[:3] == [0, 1, 2]
    assert np.abs(np.array(middles[3:7]) - 3).max() <= 2  # fresh noise at most
    assert middles[7:] == [7, 8, 9]


def test_loop_repeats_forwards_and_there_and_back() -> None:
    assert shown(loop_attack(numbered(9), 3, 7, backwards=False)) == [0, 1, 2, 0, 1, 2, 0]
    assert shown(loop_attack(numbered(9), 3, 7, backwards=True)) == [0, 1, 2, 1, 0, 1, 2]


def test_loop_of_a_single_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two frames"):
        list(loop_attack(numbered(1), 3, 7, backwards=False))


@pytest.mark.parametrize("seed", range(4))
def test_swap_changes_the_face_and_leaves_the_rest(seed: int) -> None:
    donor = Donor(np.ascontiguousarray(PICTURE[::-1]), oval(80, 60, 35))
    mesh = oval(80, 60, 30)
    swapped = swap_still(PICTURE, mesh, donor, rng(seed))
    change = np.abs(swapped.astype(int) - PICTURE).sum(2)
    assert change[50:70, 70:90].mean() > 10
    assert change[:, :35].max() == 0


def test_frame_without_a_face_passes_through_a_swap() -> None:
    donor = Donor(PICTURE, oval(80, 60, 35))
    frames = list(swap_attack([(PICTURE, None), (PICTURE, oval(80, 60, 30))], donor, rng()))
    assert (frames[0] == PICTURE).all()
    assert (frames[1] != PICTURE).any()


def test_swap_warps_the_donor_onto_the_mesh() -> None:
    spot = np.full((120, 160, 3), 120, np.uint8)
    cv2.circle(spot, (60, 50), 6, (250, 20, 20), -1)
    target = np.full((120, 160, 3), 120, np.uint8)
    swapped = swap_still(target, oval(100, 70, 30), Donor(spot, oval(60, 50, 30)), rng(2))
    red = swapped[..., 0].astype(int) - swapped[..., 1]
    rows, cols = np.nonzero(red > 0.5 * red.max())
    assert abs(cols.mean() - 100) < 2
    assert abs(rows.mean() - 70) < 2


def test_grain_has_unit_variance() -> None:
    noise = grain((200, 200), rng())
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02


def test_resting_hand_shakes_nothing() -> None:
    light = PICTURE.astype(np.float32)
    assert np.abs(shaken(light, Hand(rng(), 0, 0, 0, 0), 1.0) - light).max() < 0.5
    assert Camera(0.0, 0.0, 1.0, 1.0, (1.0, 1.0, 1.0)).record(light, rng()) == pytest.approx(PICTURE, abs=1)
