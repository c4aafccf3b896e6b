"""Sending signed messages about rights requests to the receivers that the settings name.

Belongs here: the order of one pass, and what each answer leads to. Does not belong here: addresses and HTTP (a `NoticeSender`),
rows (a `DeliveryStore`), when a pass is made (see `wiring.callbacks`).

A pass sends what is due in the order in which it was made, and ends at the first message that has to wait: a receiver that is
down costs one call a pass. Later passes do not wait for that message, so order is kept only while a receiver answers.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from moretta.core.callbacks import (
    LEASE,
    MAX_ATTEMPTS,
    Claim,
    DeliveryCounts,
    DeliveryStore,
    NoticeSender,
    Receiver,
    Reply,
    Sent,
    wait_after,
)
from moretta.core.errors import RequestInvalid
from moretta.core.ledger import EntryKind, LogEntry
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.means import Means

# After so long no further message is begun: whoever ends the service waits for no more than a call beyond it.
PASS_S = 20.0
_LOST = "the process ended while sending"


def _chance() -> float:
    return secrets.SystemRandom().random()


@dataclass(frozen=True, slots=True)
class Passed:
    """What one pass came to: messages that were taken, that have to wait (the last `outcome` says why), that were given up."""

    taken: int = 0
    later: int = 0
    given_up: int = 0
    outcome: str = ""


class Callbacks:
    """The receivers of this deployment. Safe for several threads and, over the stores, for several processes.

    Args:
        chance: drawn evenly from 0 to 1, for the back-off.
        elapsed_s: a clock that never goes back, in seconds.
    """

    def __init__(
        self,
        means: Means,
        receivers: Sequence[Receiver],
        sender: NoticeSender,
        *,
        chance: Callable[[], float] = _chance,
        elapsed_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._means, self._sender = means, sender
        self._receivers = {one.name: one for one in receivers}
        self._chance, self._elapsed_s = chance, elapsed_s

    @property
    def names(self) -> tuple[str, ...]:
        """The receivers, in the order of the settings."""
        return tuple(self._receivers)

    def deliver(self, name: str, *, early: bool = False) -> Passed:
        """One pass for one receiver over all regions; `early`: without waiting for the end of back-offs.

        Raises:
            RequestInvalid: no setting names the receiver; nobody was contacted.
            StorageUnusable: a region's database is down.
        """
        receiver, until = self._receiver(name), self._elapsed_s() + PASS_S
        passed = Passed()
        for store in self._stores():
            while passed.later == 0 and self._elapsed_s() < until:
                claim = store.claim(receiver, self._now(), self._now() + LEASE, early=early)
                if claim is None:
                    break
                passed = self._sent(store, claim, passed)
        return passed

    def again(self, name: str) -> int:
        """Try what was given up again from the start; how many messages. Raises as `deliver`."""
        receiver = self._receiver(name)
        return sum(store.again(receiver, self._now()) for store in self._stores())

    def counts(self, name: str) -> DeliveryCounts:
        """What waits for a receiver, and what was given up, in all regions. Raises as `deliver`."""
        found = [store.counts(self._receiver(name)) for store in self._stores()]
        return DeliveryCounts(sum(one.waiting for one in found), sum(one.given_up for one in found))

    def _sent(self, store: DeliveryStore, claim: Claim, passed: Passed) -> Passed:
        lost = claim.attempt > MAX_ATTEMPTS
        sent = Sent(Reply.LATER, _LOST) if lost else self._sender.send(claim.receiver, claim.jws)
        now = self._now()
        if sent.reply is Reply.TAKEN:
            store.taken(claim, now, self._everyone(claim.company_id), [self._entry(claim, sent)])
            return replace(passed, taken=passed.taken + 1)
        if sent.reply is Reply.REFUSED or claim.attempt >= MAX_ATTEMPTS:
            given_up = Sent(Reply.REFUSED, sent.outcome)
            store.given_up(claim, now, sent.outcome, [self._entry(claim, given_up)])
            return replace(passed, given_up=passed.given_up + 1, outcome=sent.outcome)
        store.later(claim, now + wait_after(claim.attempt, self._chance()), sent.outcome)
        return replace(passed, later=passed.later + 1, outcome=sent.outcome)

    def _entry(self, claim: Claim, sent: Sent) -> LogEntry:
        """That somebody was told, or not: the log commits to the message; whom it is about the request's own entries say."""
        facts: Mapping[str, acts.Fact] = {
            "request": claim.request_id,
            "event": claim.event.value,
            "receiver": claim.receiver,
            "reply": sent.reply.value,
            "attempts": claim.attempt,
        }
        document = hashlib.sha256(claim.jws.encode("ascii")).digest()
        return acts.entry(EntryKind.NOTIFIED, self._now, claim.company_id, facts, document=document)

    def _everyone(self, company_id: str) -> list[str]:
        return [one.name for one in self._receivers.values() if company_id in one.companies]

    def _stores(self) -> list[DeliveryStore]:
        return [self._means.regions[name].deliveries for name in sorted(self._means.regions)]

    def _receiver(self, name: str) -> Receiver:
        found = self._receivers.get(name)
        if found is None:
            raise RequestInvalid("expected the name of a receiver that MORETTA_CALLBACKS lists; nobody was contacted")
        return found

    def _now(self) -> datetime:
        return self._means.clock()
