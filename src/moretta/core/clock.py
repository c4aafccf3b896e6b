"""Time, as a function that tests can replace.

Belongs here: the clock's type, the real clock, and the one way in which a stored moment is written.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from moretta.core.errors import RequestInvalid

Clock = Callable[[], datetime]

_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


def utc_now() -> datetime:
    """The present moment, with its time zone."""
    return datetime.now(UTC)


def to_second(moment: datetime) -> str:
    """ISO-8601 in UTC to the second, such as `2025-01-31T12:00:00Z`; sorts as text in the order of time.

    Raises:
        RequestInvalid: the moment has no time zone.
    """
    if moment.tzinfo is None:
        raise RequestInvalid("expected a moment with a time zone, got one without; add an offset such as Z")
    return moment.astimezone(UTC).strftime(_FORMAT)


def from_second(text: str) -> datetime:
    """The moment that `to_second` wrote.

    Raises:
        ValueError: `text` has another form.
    """
    moment = datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)
    if to_second(moment) != text:
        raise ValueError("expected ISO-8601 in UTC to the second, such as 2025-01-31T12:00:00Z")
    return moment
