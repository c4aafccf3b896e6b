"""Idempotency keys: the same request sent twice is worked on once.

The answers are kept in memory, per company, for a day at most, and only for callers who sent the header; a restart forgets
them. A second request while the first is under way is told to wait (409 `idempotency.in_progress`).
"""

import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from moretta.api.problems import IdempotencyInProgress
from moretta.core.clock import Clock
from moretta.core.errors import FieldError, IdempotencyMismatch, RequestInvalid

# Visible ASCII, as RFC 9110 field values are; 255 holds every UUID and hash.
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it was sent."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(slots=True)
class _Entry:
    fingerprint: str
    at: datetime
    answer: Answer | None = None
    outdated: bool = False


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to answer the first request with a key."""

    name: tuple[str, str, str]


class IdempotencyMemory:
    """Answers by company, endpoint and idempotency key. Used from the event loop only."""

    def __init__(self, clock: Clock, *, ttl_s: float, entries_per_company: int, bytes_total: int) -> None:
        self._clock = clock
        self._ttl = timedelta(seconds=ttl_s)
        self._per_company = entries_per_company
        self._bytes_total = bytes_total
        self._entries: OrderedDict[tuple[str, str, str], _Entry] = OrderedDict()

    def begin(self, company_id: str, endpoint: str, key: str, fingerprint: str) -> Answer | Ticket:
        """The answer of an earlier request with this key and fingerprint, or the right to make it.

        Raises:
            IdempotencyMismatch: the key belongs to a request with another fingerprint.
            IdempotencyInProgress: the earlier request is not answered yet.
        """
        self.sweep()
        name = (company_id, endpoint, key)
        entry = self._entries.get(name)
        if entry is None:
            self._entries[name] = _Entry(fingerprint, self._clock())
            self._bound(company_id)
            return Ticket(name)
        if entry.fingerprint != fingerprint:
            raise IdempotencyMismatch("This Idempotency-Key was used with other media or options; send a fresh key.")
        if entry.answer is None:
            raise IdempotencyInProgress(
                "The first request with this Idempotency-Key is under way; send it again later."
            )
        return entry.answer

    def finish(self, ticket: Ticket, answer: Answer) -> None:
        """Remember `answer`."""
        if entry := self._entries.get(ticket.name):
            if entry.outdated:
                del self._entries[ticket.name]
                return
            entry.answer = answer
            self._bound(ticket.name[0])

    def abandon(self, ticket: Ticket) -> None:
        """The request came to nothing: the next with its key is a first one."""
        self._entries.pop(ticket.name, None)

    def forget(self, company_id: str, endpoints: frozenset[str]) -> int:
        """Forget the company's answers at `endpoints`, and remember none that is being made now: somebody who may stand in
        them was erased, or must not be compared any more. How many there were."""
        count = 0
        for name, entry in list(self._entries.items()):
            if name[0] == company_id and name[1] in endpoints:
                count += 1
                if entry.answer is None:
                    entry.outdated = True
                else:
                    del self._entries[name]
        return count

    def sweep(self) -> None:
        """Forget answers that are over their time."""
        now = self._clock()
        for name, entry in list(self._entries.items()):
            if now - entry.at < self._ttl:
                break
            if entry.answer is not None:
                del self._entries[name]

    def _bound(self, company_id: str) -> None:
        mine = [name for name, entry in self._entries.items() if name[0] == company_id and entry.answer is not None]
        for name in mine[: max(0, len(mine) - self._per_company)]:
            del self._entries[name]
        held = sum(len(entry.answer.body) for entry in self._entries.values() if entry.answer is not None)
        for name, entry in list(self._entries.items()):
            if held <= self._bytes_total:
                return
            if entry.answer is not None:
                held -= len(entry.answer.body)
                del self._entries[name]


def idempotency_key(header: str | None) -> str | None:
    """The key in `header`. Raises `RequestInvalid` where it is not visible ASCII of at most 255 characters."""
    if header is not None and not _KEY.fullmatch(header):
        wrong = FieldError("Idempotency-Key", "expected 1 to 255 visible ASCII characters, such as a UUID")
        raise RequestInvalid("The Idempotency-Key header cannot be used.", field_errors=(wrong,))
    return header
