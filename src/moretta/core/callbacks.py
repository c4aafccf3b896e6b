"""Sending signed messages about rights requests: to whom, what an answer means, when it is tried again, and who remembers.

Belongs here: values, the back-off, and contracts. Does not belong here: HTTP (see `links.http`), SQL, the content of a message.

    waiting -> sending (leased) -> taken
       ^            |  \\-> given up: refused, or tried too often
       \\-- later ---/      (tried again from the start where an operator says so)

At least once: a process that dies between sending and noting sends the same bytes again when its lease is over; a receiver drops
the repeat by the message's `jti`, which is the same each time.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from moretta.core.ledger import LogEntry
from moretta.core.rights import NoticeEvent

# Also a value of the transparency log.
RECEIVER_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")

# Longer than any call takes, a slow name server's answer included: a second sender begins only where the first died.
LEASE = timedelta(minutes=5)
# Doubling from a minute to six hours, 20 attempts end after 68.5 hours at the earliest (a test adds them up): a receiver that
# goes down on Friday evening and is mended on Monday morning misses nothing.
FIRST_WAIT, LONGEST_WAIT, MAX_ATTEMPTS = timedelta(minutes=1), timedelta(hours=6), 20
# Waits are drawn from the wait to a quarter more, so that messages that failed together do not come back together.
# Source: M. Brooker, Exponential Backoff And Jitter, 2015.
_JITTER = 0.25


class Reply(StrEnum):
    """What a receiver's answer means for a message."""

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Sent:
    """What came of one attempt; `outcome` is a fixed phrase or a status, never anything that the other side said."""

    reply: Reply
    outcome: str


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who is told about requests of which companies. Where it listens only the sender knows."""

    name: str
    companies: frozenset[str]


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that this process alone sends until its lease is over; `attempt` counts from 1, crashes included."""

    number: int
    receiver: str
    company_id: str
    request_id: str
    event: NoticeEvent
    attempt: int
    jws: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """What stands between a region and a receiver: messages that wait, and that were given up."""

    waiting: int = 0
    given_up: int = 0


class NoticeSender(Protocol):
    """Takes a message to a receiver that the settings name; nobody else is ever contacted."""

    def send(self, receiver: str, jws: str) -> Sent:
        """Send once, within seconds. A network's failure is an answer (`LATER`), not an error.

        Raises:
            RequestInvalid: the settings name no such receiver; no connection was opened.
        """


class DeliveryStore(Protocol):
    """What one region remembers of sending. Safe for threads and processes; each method one transaction, durable on return.

    A message waits for a receiver until that receiver took it, gave it up, or somebody said by hand that it is delivered.
    """

    def claim(self, receiver: Receiver, now: datetime, lease_until: datetime, *, early: bool = False) -> Claim | None:
        """The oldest message that is due and that nobody else is sending, counted as one more attempt; None: there is none.

        `early`: messages whose back-off is not over too. Among processes that ask at once, one gets it.
        """

    def taken(self, claim: Claim, at: datetime, everyone: Sequence[str], entries: Sequence[LogEntry]) -> None:
        """The receiver took it. Once all receivers named in `everyone` did, the message is delivered.

        Idempotent: the second time nothing changes and nothing is logged.
        """

    def later(self, claim: Claim, due_at: datetime, outcome: str) -> None:
        """Try again from `due_at` on. Nothing changes where another process has claimed it since."""

    def given_up(self, claim: Claim, at: datetime, outcome: str, entries: Sequence[LogEntry]) -> None:
        """It is not tried any more. Nothing changes where it was taken or another process has claimed it since."""

    def again(self, receiver: Receiver, now: datetime) -> int:
        """Try what was given up again from the start, from now on; how many."""

    def counts(self, receiver: Receiver) -> DeliveryCounts:
        """What waits and what was given up."""

    def attempts(self) -> Mapping[str, int]:
        """How often each receiver, by name, was tried, whether or not it is still named by the settings."""


def reply_to(status: int) -> Sent:
    """What an HTTP status means.

    2xx: taken. 408, 425, 429 and 5xx: later. Anything else would be answered in the same way again (RFC 9110, 15.5), and a
    redirect (3xx) leads to an address that no setting names: refused.
    """
    outcome = f"status {status}"
    if 200 <= status < 300:
        return Sent(Reply.TAKEN, outcome)
    if status in {408, 425, 429} or status >= 500:
        return Sent(Reply.LATER, outcome)
    return Sent(Reply.REFUSED, outcome)


def wait_after(attempt: int, chance: float) -> timedelta:
    """How long to wait after the attempt of that number (from 1). `chance`: drawn evenly from 0 to 1."""
    doubled = FIRST_WAIT * (1 << min(attempt - 1, 16))
    return min(doubled, LONGEST_WAIT) * (1 + _JITTER * chance)
