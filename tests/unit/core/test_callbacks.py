"""What an answer to a callback means, and how long is waited after one that was none."""

from datetime import timedelta

import pytest

from moretta.core.callbacks import LONGEST_WAIT, MAX_ATTEMPTS, Reply, reply_to, wait_after


@pytest.mark.parametrize(
    ("status", "reply"),
    [
        (200, Reply.TAKEN),
        (202, Reply.TAKEN),
        (204, Reply.TAKEN),
        (301, Reply.REFUSED),
        (307, Reply.REFUSED),
        (400, Reply.REFUSED),
        (401, Reply.REFUSED),
        (404, Reply.REFUSED),
        (408, Reply.LATER),
        (410, Reply.REFUSED),
        (425, Reply.LATER),
        (429, Reply.LATER),
        (500, Reply.LATER),
        (503, Reply.LATER),
        (599, Reply.LATER),
    ],
)
def test_what_a_status_means(status: int, reply: Reply) -> None:
    assert reply_to(status).reply is reply
    assert reply_to(status).outcome == f"status {status}"


def test_waits_double_from_a_minute_to_six_hours() -> None:
    waits = [wait_after(attempt, 0.0) for attempt in range(1, 12)]
    assert waits[:3] == [timedelta(minutes=1), timedelta(minutes=2), timedelta(minutes=4)]
    assert waits[8:] == [timedelta(minutes=256), LONGEST_WAIT, LONGEST_WAIT]


def test_waits_are_spread_over_a_quarter() -> None:
    assert wait_after(1, 0.5) == timedelta(minutes=1) * 1.125
    assert wait_after(10**6, 1.0) == LONGEST_WAIT * 1.25


def test_all_attempts_together_outlast_a_weekend() -> None:
    at_least = sum((wait_after(attempt, 0.0) for attempt in range(1, MAX_ATTEMPTS)), timedelta())
    assert at_least == timedelta(hours=68, minutes=31)
