"""Rights requests as values: the clock of Art. 12(3), states, reasons."""

from datetime import UTC, datetime

import pytest

from moretta.core.errors import Conflict, RequestInvalid
from moretta.core.rights import (
    RequestedBy,
    RequestState,
    Right,
    RightsRequest,
    due_at,
    require_open,
    require_reason,
)


@pytest.mark.parametrize(
    ("received", "due", "extended"),
    [
        ("2026-03-15T08:00", "2026-04-15", "2026-06-15"),
        ("2026-01-31T23:59", "2026-02-28", "2026-04-30"),  # a month without such a day ends at its last one
        ("2028-01-31T00:00", "2028-02-29", "2028-04-30"),
        ("2026-11-30T12:00", "2026-12-30", "2027-02-28"),
        ("2026-12-01T12:00", "2027-01-01", "2027-03-01"),
    ],
)
def test_a_request_is_due_at_the_end_of_the_same_day_a_month_or_three_later(
    received: str, due: str, extended: str
) -> None:
    moment = datetime.fromisoformat(f"{received}:00+00:00")
    assert due_at(moment).isoformat() == f"{due}T23:59:59+00:00"
    assert due_at(moment, extended=True).isoformat() == f"{extended}T23:59:59+00:00"


def a_request(state: RequestState) -> RightsRequest:
    received = datetime(2026, 1, 1, tzinfo=UTC)
    return RightsRequest("req", "co", "per", Right.ACCESS, state, RequestedBy.OPERATOR, received, due_at(received))


@pytest.mark.parametrize("state", RequestState)
def test_only_open_requests_are_answered_and_only_they_are_late(state: RequestState) -> None:
    request, over = a_request(state), datetime(2026, 2, 2, tzinfo=UTC)
    assert request.is_late(over) is state.open
    assert not request.is_late(request.due_at)
    if state.open:
        require_open(request)
    else:
        with pytest.raises(Conflict, match=state.value):
            require_open(request)


def test_a_reason_is_a_few_words_and_no_more_than_a_thousand_characters() -> None:
    assert require_reason("  a court asked ") == "a court asked"
    for bad in ("", "  ", "no", "x" * 1001):
        with pytest.raises(RequestInvalid):
            require_reason(bad)


def test_every_right_names_its_article() -> None:
    assert {right.article for right in Right} == {f"GDPR Art. {number}" for number in (15, 16, 17, 18, 20, 21)}
