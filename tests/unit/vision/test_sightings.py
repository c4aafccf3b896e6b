"""Age and gender are asked for a few times a track, whoever else passes."""

import numpy as np
import pytest

from moretta.core.analysis import Attributes
from moretta.core.values import Face, Frame, Mesh, Pixels, Pose, TrackedFace, TrackId
from moretta.vision.sightings import LOOKS, Looks

AHEAD = Pose(0.0, 0.0, 0.0)
FRAME = Frame(np.zeros((8, 8, 3), np.uint8), 0, 0)


class Thirty:
    """Takes everybody for 30."""

    def estimate(self, pixels: Pixels, tracked: TrackedFace) -> Attributes:
        return Attributes(age_years=30.0)


def tracked(number: int) -> TrackedFace:
    face = Face(np.array([0, 0, 4, 4], np.float32), np.zeros((5, 2), np.float32), 0.9)
    return TrackedFace(TrackId(number), face, Mesh(np.zeros((468, 3), np.float32), 0.99), True)


def ages_of_who_stays(looks: Looks, others: int, start_s: float = 1000.0) -> list[float | None]:
    """Somebody is seen each second while others pass, ten a second."""
    found = []
    for second in range(100):
        for number in range(second * 10, min(others, second * 10 + 10)):
            looks.look(FRAME, tracked(2 + number), AHEAD, start_s + second)
        found.append(looks.look(FRAME, tracked(1), AHEAD, start_s + second)[0])
    return found


@pytest.mark.parametrize("others", [0, 511, 512, 999])
def test_how_many_others_pass_does_not_change_when_somebody_is_looked_at(others: int) -> None:
    assert ages_of_who_stays(Looks([Thirty()]), others) == [30.0] * LOOKS + [None] * (100 - LOOKS)


def test_tracks_that_are_long_gone_are_forgotten() -> None:
    looks = Looks([Thirty()])
    ages_of_who_stays(looks, 999)
    looks.look(FRAME, tracked(5000), AHEAD, 2000.0)
    assert len(looks._tracks) == 1


def test_a_clock_that_is_set_back_does_not_end_the_looks() -> None:
    looks = Looks([Thirty()])
    ages_of_who_stays(looks, 0, 10_000.0)
    assert ages_of_who_stays(looks, 0) == [30.0] * LOOKS + [None] * (100 - LOOKS)
