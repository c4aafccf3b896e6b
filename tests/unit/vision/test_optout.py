"""The opt-out marker: its wearer is painted over, nobody else is, and a moment without it changes nothing."""

import cv2
import numpy as np
import pytest

from moretta.core.values import Pixels
from moretta.vision.optout import CODE, HOLD_S, OptOutMarkers, marker


def scene(side: int = 40, at: tuple[int, int] = (320, 300), angle: float = 0.0) -> Pixels:
    """A picture of noise (which stands for a person and a shop) with the marker at a place."""
    picture = np.random.default_rng(3).integers(90, 200, (480, 640, 3)).astype(np.uint8)
    badge = cv2.resize(marker(200), (side * 3 // 2, side * 3 // 2), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D((badge.shape[1] / 2, badge.shape[0] / 2), angle, 1.0)
    badge = cv2.warpAffine(badge, turn, badge.shape[1::-1], borderValue=(255, 255, 255))
    top, left = at[1] - badge.shape[0] // 2, at[0] - badge.shape[1] // 2
    picture[top : top + badge.shape[0], left : left + badge.shape[1]] = badge
    return picture


@pytest.mark.parametrize(("side", "angle"), [(40, 0.0), (24, 0.0), (40, 25.0)])
def test_the_wearer_is_painted_over_from_the_chest_to_over_the_head(side: int, angle: float) -> None:
    picture = scene(side, angle=angle)
    hidden, (region,) = OptOutMarkers().hide(picture, 0.0)
    metre = side / 0.08
    for height in (0.2, 0.45, 0.7):  # throat, face, crown
        assert region.holds(320, 300 - height * metre)
        y = int(300 - height * metre)
        if y >= 0:
            assert (hidden[y, 320] == 128).all()
    assert not region.holds(320 + 0.5 * metre, 200) and not region.holds(320, 300 + 0.3 * metre)
    aside = int(min(639, 320 + 0.45 * metre))
    assert (hidden[:, aside] == picture[:, aside]).all()


@pytest.mark.parametrize("side", [32, 80])
@pytest.mark.parametrize("margin", [0, 1, 3, 12])
def test_a_badge_that_is_whole_is_read_also_at_the_edge_of_the_picture(side: int, margin: int) -> None:
    """Its white sheet may be cut off: chests are at the bottom."""
    tall = scene(side, at=(320, 300))
    bottom = 300 + side // 2 + margin
    _, (region,) = OptOutMarkers().hide(np.ascontiguousarray(tall[:bottom]), 0.0)
    assert region.holds(320, 300 - 0.45 * side / 0.08)
    centre = (region.box[0] + region.box[2]) / 2
    assert abs(centre - 320) < 2


def test_a_picture_without_a_marker_or_with_another_one_is_left_alone() -> None:
    plain = scene()
    plain[200:400, 220:420] = 120
    other = plain.copy()
    code = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_APRILTAG_36h11).generateImageMarker(CODE + 1, 60)
    other[270:330, 290:350] = code[:, :, None]
    for picture in (plain, other):
        hidden, regions = OptOutMarkers().hide(picture, 0.0)
        assert hidden is picture and regions == ()


def test_who_turns_for_a_moment_stays_hidden_in_a_region_that_grows_and_then_is_forgotten() -> None:
    markers, empty = OptOutMarkers(), np.full((480, 640, 3), 120, np.uint8)
    _, (first,) = markers.hide(scene(), 10.0)
    _, (held,) = markers.hide(empty, 10.0 + HOLD_S / 2)
    assert held.box[0] < first.box[0] and held.box[2] > first.box[2]
    assert markers.hide(empty, 10.1 + HOLD_S)[1] == ()


def test_a_wearer_who_walks_is_one_wearer_and_two_wearers_are_two() -> None:
    markers = OptOutMarkers()
    markers.hide(scene(at=(250, 300)), 0.0)
    assert len(markers.hide(scene(at=(330, 300)), 0.2)[1]) == 1
    both = scene(24, at=(100, 300))
    both[270:330, 500:560] = scene(24, at=(530, 300))[270:330, 500:560]
    assert len(OptOutMarkers().hide(both, 0.0)[1]) == 2
