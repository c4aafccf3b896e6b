"""Rights requests as values: which right, how far, by when.

Belongs here: requests, their clock and their states. Does not belong here: how a right is fulfilled (see `use_cases.rights`),
SQL, HTTP.

    received -> in_progress -> fulfilled | refused
         \\-> extended ->/

Source of the clock: GDPR Art. 12(3): one month from receipt, plus two more where necessary, told within the first with a reason.
"""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from moretta.core.errors import Conflict, RequestInvalid
from moretta.core.ledger import LogEntry

MONTHS, MORE_MONTHS = 1, 2
MAX_REASON = 1000


class Right(StrEnum):
    """Which right of the GDPR is used."""

    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    OBJECTION = "objection"

    @property
    def article(self) -> str:
        """Where the law grants it."""
        return _ARTICLES[self]


_ARTICLES = {
    Right.ACCESS: "GDPR Art. 15",
    Right.PORTABILITY: "GDPR Art. 20",
    Right.RECTIFICATION: "GDPR Art. 16",
    Right.ERASURE: "GDPR Art. 17",
    Right.RESTRICTION: "GDPR Art. 18",
    Right.OBJECTION: "GDPR Art. 21",
}


class RequestState(StrEnum):
    """Where a request stands."""

    RECEIVED = "received"
    IN_PROGRESS = "in_progress"
    EXTENDED = "extended"
    FULFILLED = "fulfilled"
    REFUSED = "refused"

    @property
    def open(self) -> bool:
        """Whether something is still to be done."""
        return self not in {RequestState.FULFILLED, RequestState.REFUSED}


class RequestedBy(StrEnum):
    """Who asked: the subject on a page of theirs, or an operator whom the subject told."""

    SUBJECT = "subject"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class RequestDetails:
    """What is sealed of a request under the person's data key, and gone with it.

    `wishes`: the new name and attributes of a rectification (`name`, `attribute:<key>`); `reason`: why it was extended, refused
    or overridden, or the recorded grounds; `outcome`: what was done, in words.
    """

    wishes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    reason: str = field(default="", repr=False)
    outcome: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class RightsRequest:
    """A request of one subject. `certificate_id`: of the erasure that fulfilled it.

    `details` is empty once the person's data key is destroyed.
    """

    request_id: str
    company_id: str
    person_id: str
    right: Right
    state: RequestState
    by: RequestedBy
    received_at: datetime
    due_at: datetime
    closed_at: datetime | None = None
    certificate_id: str | None = None
    details: RequestDetails = RequestDetails()

    def is_late(self, now: datetime) -> bool:
        """Whether its time is over and nothing was answered."""
        return self.state.open and now > self.due_at


def due_at(received_at: datetime, *, extended: bool = False) -> datetime:
    """By when a request must be answered: the end of the day of the same number, one month (three, where extended) later.

    A month without such a day ends the time at its last day (Regulation (EEC, Euratom) No 1182/71, Art. 3(2)(c)).
    """
    months = received_at.month - 1 + MONTHS + (MORE_MONTHS if extended else 0)
    year, month = received_at.year + months // 12, months % 12 + 1
    day = min(received_at.day, calendar.monthrange(year, month)[1])
    end = received_at.replace(year=year, month=month, day=day, hour=0, minute=0, second=0, microsecond=0)
    return end + timedelta(days=1, seconds=-1)


def require_open(request: RightsRequest) -> None:
    """Raises `Conflict` where the request was answered already."""
    if not request.state.open:
        raise Conflict(f"expected an open request; this one was {request.state.value}")


def require_reason(text: str) -> str:
    """`text` without the space around it. Raises `RequestInvalid` where there is none, or too much."""
    reason = text.strip()
    if not 3 <= len(reason) <= MAX_REASON:
        raise RequestInvalid(
            f"expected a reason in 3 to {MAX_REASON} characters: it is recorded and told to the subject"
        )
    return reason


class NoticeEvent(StrEnum):
    """What is told about a request."""

    RECEIVED = "received"
    EXTENDED = "extended"
    REFUSED = "refused"
    FULFILLED = "fulfilled"


@dataclass(frozen=True, slots=True)
class RightsNotice:
    """A signed message about a request that waits to be delivered: `jws` (RFC 7515, compact) names no person.

    `number` counts up within the region; `delivered_at` is set once whoever delivers says so.
    """

    number: int
    company_id: str
    request_id: str
    event: NoticeEvent
    made_at: datetime
    jws: str = field(repr=False)
    delivered_at: datetime | None = None


class RightsStore(Protocol):
    """One region's rights requests and the notices about them. Safe for threads and processes.

    Unknown ids raise `NotFound`; another company's are unknown.
    """

    def open_request(
        self, request: RightsRequest, notice: tuple[NoticeEvent, str], entries: Sequence[LogEntry]
    ) -> None:
        """Keep a new request, its first notice (event and JWS) and its entries, in one transaction.

        Raises:
            PersonErased, NotFound: there is no such person.
        """

    def request(self, company_id: str, request_id: str) -> RightsRequest:
        """The request, with its details as long as the person's data key is there."""

    def requests(
        self,
        company_id: str,
        limit: int,
        after: str | None = None,
        *,
        person_id: str | None = None,
        state: RequestState | None = None,
    ) -> list[RightsRequest]:
        """At most `limit`, in the order of their ids, from after the id `after`."""

    def change_request(
        self,
        request: RightsRequest,
        expected: RequestState,
        notice: tuple[NoticeEvent, str] | None,
        entries: Sequence[LogEntry],
    ) -> None:
        """Keep state, due date, end, certificate and details. Raises `Conflict` where it is not in the state `expected`."""

    def notices(
        self, company_id: str, limit: int, after: int = 0, *, request_id: str | None = None
    ) -> list[RightsNotice]:
        """At most `limit` notices that are not delivered yet (all of them, of one request), from after the number `after`."""

    def delivered(self, company_id: str, number: int, at: datetime) -> None:
        """A notice was delivered. Idempotent."""
