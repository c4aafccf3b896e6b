"""Frame times are strictly increasing whatever the time stamps say, and sum up to a rate and a length."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.vision.decode.clock import FrameClock
from moretta.vision.decode.orientation import Turn, turn_from

MS = Fraction(1, 1000)


def times_ms(pts: list[int | None], rate: int | None = 25) -> list[float]:
    clock = FrameClock(MS, Fraction(rate) if rate else None)
    return [clock.tick(stamp) / 1e6 for stamp in pts]


def test_times_count_from_the_first_time_stamp() -> None:
    assert times_ms([1000, 1040, 1100]) == [0, 40, 100]
    assert times_ms([-80, -40, 0]) == [0, 40, 80]


def test_missing_time_stamps_are_filled_in_at_the_announced_rate() -> None:
    assert times_ms([0, None, None, 120], rate=25) == [0, 40, 80, 120]
    assert times_ms([None, None], rate=None) == [0, 40]


def test_time_stamps_that_stand_or_run_back_move_on_by_one_interval() -> None:
    assert times_ms([0, 40, 40, 20, 200]) == [0, 40, 80, 120, 200]


def test_a_late_first_time_stamp_does_not_jump() -> None:
    assert times_ms([None, 5000, 5040]) == [0, 40, 80]


@given(st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=30))
def test_times_always_increase(pts: list[int | None]) -> None:
    clock = FrameClock(MS, Fraction(25))
    exact = [clock.tick(stamp) for stamp in pts]
    assert exact == sorted(set(exact))


def test_rate_and_length_come_from_the_intervals() -> None:
    clock = FrameClock(MS, Fraction(10))
    assert (clock.rate, clock.duration_s, clock.variable) == (None, 0.0, False)
    clock.tick(0)
    assert clock.duration_s == pytest.approx(0.1)
    for stamp in range(50, 1000, 50):
        clock.tick(stamp)
    assert clock.rate == pytest.approx(20)
    assert clock.duration_s == pytest.approx(1.0)
    assert not clock.variable


def test_rounding_to_the_time_base_is_not_a_variable_rate_but_pauses_are() -> None:
    steady, pausing = FrameClock(MS, None), FrameClock(MS, None)
    for index in range(240):
        steady.tick(round(index * 1000 / 120))
        pausing.tick(round(index * 1000 / 30) + (500 if index > 100 else 0))
    assert not steady.variable
    assert pausing.variable


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((1, 0, 0, 1), Turn(False, False, False, 0)),
        ((0, 1, -1, 0), Turn(True, False, True, 90)),
        ((-1, 0, 0, -1), Turn(False, True, True, 180)),
        ((0, -1, 1, 0), Turn(True, True, False, 270)),
        ((-1, 0, 0, 1), Turn(False, False, True, 0)),
        ((1, 0, 0, -1), Turn(False, True, False, 180)),
        ((0, 0, 0, 0), Turn(False, False, False, 0)),
    ],
)
def test_a_display_matrix_is_one_of_eight_turns(matrix: tuple[int, int, int, int], turn: Turn) -> None:
    assert turn_from(*matrix) == turn
