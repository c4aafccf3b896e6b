"""What an operator can see of everything that leaves: each byte sent to the vendor, and every address the settings allow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from moretta.core.metering import EgressAttempt, EgressLedger
from moretta.usage.reporting import Reporter


@dataclass(frozen=True, slots=True)
class AllowedAddress:
    """An address outside this process that the settings allow, what for, and how often it was tried: whether or not
    anything answered; of a camera, how often watching it began."""

    purpose: str
    address: str
    count: int


@dataclass(frozen=True, slots=True)
class EgressSummary:
    """`reporter` is `off`, `file` or `hub`; `addresses` are the vendor's hub first, then all others."""

    reporter: str
    attempts: int
    bytes_sent: int
    addresses: tuple[AllowedAddress, ...]


class Egress:
    """The reading side of the ledger. It opens no connection."""

    def __init__(
        self,
        ledger: EgressLedger,
        reporter: Reporter | None = None,
        others: Callable[[], Sequence[AllowedAddress]] = tuple,
    ) -> None:
        """Take the ledger, the reporter (None: off), and what gives the addresses that other settings allow."""
        self._ledger = ledger
        self._reporter = reporter
        self._others = others

    def attempts(self) -> Iterator[EgressAttempt]:
        """Every attempt with its bytes, verbatim, the oldest first."""
        return self._ledger.attempts()

    def sent_to_vendor(self) -> Iterator[EgressAttempt]:
        """The attempts whose bytes went to the vendor's hub."""
        return (attempt for attempt in self._ledger.attempts() if attempt.channel == "hub")

    def addresses(self) -> tuple[AllowedAddress, ...]:
        """Every address that the settings allow or that was ever used, with counts."""
        used = {address: count for channel, address, count in self._ledger.counts() if channel == "hub"}
        if self._reporter is not None and self._reporter.channel == "hub":
            used.setdefault(self._reporter.address, 0)
        hubs = (AllowedAddress("usage hub", address, count) for address, count in sorted(used.items()))
        return (*hubs, *self._others())

    def summary(self) -> EgressSummary:
        """The totals; `bytes_sent` counts what went to the vendor."""
        sizes = [len(attempt.content) for attempt in self.sent_to_vendor()]
        kind = "off" if self._reporter is None else self._reporter.channel
        return EgressSummary(kind, len(sizes), sum(sizes), self.addresses())

    def next_batch_preview(self) -> bytes | None:
        """The exact bytes that would be sent next; None where nothing waits or reporting is off."""
        return None if self._reporter is None else self._reporter.next_batch_preview()
