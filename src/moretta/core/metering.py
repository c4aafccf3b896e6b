"""What metering and reporting ask of storage: values and ports.

Belongs here: what passes between `usage` and `storage`. Does not belong here: SQL, signatures, sockets.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from moretta.core.usage import UsageBatch, UsageRecord


@dataclass(frozen=True, slots=True)
class UsageCount:
    """How many media items one key (none: command line or SDK) had processed on one UTC day (`YYYY-MM-DD`)."""

    company_id: str
    key_id: str | None
    day: str
    endpoint: str
    status: int
    items: int


class UsageLog(Protocol):
    """Where records are kept until they are reported, and after."""

    def append(self, record: UsageRecord, key_id: str | None = None) -> None:
        """Keep `record`. When it returns, the record survives a crash of this process and of the machine."""

    def counts(self, company_id: str | None = None, since: str | None = None) -> list[UsageCount]:
        """The counts (of one company, from a UTC day on), in the order of day, endpoint, status and key."""

    def total(self, company_id: str | None = None) -> int:
        """How many items were ever recorded (for one company)."""


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A frozen batch: `envelope` holds the exact signed bytes, which every attempt repeats."""

    batch_id: str
    company_id: str
    envelope: bytes
    records: int
    items: int


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an attempt ended: `outcome` is one of a few fixed phrases, never anything the other side said."""

    acknowledged: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class EgressAttempt:
    """One attempt to report a batch. `content` is every byte written, in order; `outcome` is none where the process died.

    `channel` is `hub` or `file`; `address` is the hub's scheme, host and port, empty for a file of the operator's own.
    """

    attempt_id: int
    batch_id: str
    channel: str
    address: str
    started_at: str
    outcome: str | None
    content: bytes


@dataclass(frozen=True, slots=True)
class HubCount:
    """How many media items a company reported for one UTC day (`YYYY-MM-DD`)."""

    company_id: str
    day: str
    endpoint: str
    status: int
    items: int


Seal = Callable[[tuple[UsageRecord, ...]], SealedBatch]
Record = Callable[[bytes], None]


class Outbox(Protocol):
    """Where records wait to be reported. Each record goes into one batch, ever."""

    def reporting(self) -> AbstractContextManager[None]:
        """Keep every other process from reporting meanwhile; given back by the kernel where the holder dies."""

    def next_batch(self, company_id: str, seal: Seal) -> SealedBatch | None:
        """The oldest batch without acknowledgement; else the oldest waiting records, frozen by `seal` and stored.

        Durable when it returns; the same batch, to the byte, until it is acknowledged. None where nothing waits.
        """

    def acknowledge(self, batch_id: str) -> None:
        """The batch has arrived. Idempotent; durable when it returns."""

    def waiting(self, company_id: str | None = None) -> int:
        """How many items are recorded and not acknowledged (for one company)."""


class EgressLedger(Protocol):
    """Every byte that was ever reported. Nothing in it is ever changed or removed."""

    def start(self, batch_id: str, channel: str, address: str) -> int:
        """Open an attempt and return its id."""

    def write(self, attempt_id: int, content: bytes) -> None:
        """Note bytes that are about to be written. Durable when it returns."""

    def finish(self, attempt_id: int, outcome: str) -> None:
        """Note how the attempt ended."""

    def attempts(self) -> Iterator[EgressAttempt]:
        """Every attempt, the oldest first."""

    def counts(self) -> list[tuple[str, str, int]]:
        """Channel, address and number of attempts."""


class BatchSender(Protocol):
    """One way to report a batch."""

    @property
    def channel(self) -> str:
        """`hub` or `file`."""

    @property
    def address(self) -> str:
        """Scheme, host and port; empty for a file."""

    def deliver(self, batch: SealedBatch, record: Record) -> Delivery:
        """Deliver once. Every byte goes to `record` before it leaves; acknowledged means the other side has kept it.

        The same batch may be delivered any number of times; the other side keeps it once.
        """

    def preview(self, batch: SealedBatch) -> bytes:
        """The exact bytes that `deliver` would record; nothing leaves."""


class HubLedger(Protocol):
    """Where the hub keeps companies and their batches."""

    def add_company(self, company_id: str) -> None:
        """Keep a new company."""

    def add_signing_key(self, company_id: str, public_key: bytes) -> None:
        """Let a key sign for a company. Raises `NotFound` for an unknown company."""

    def revoke_signing_keys(self, company_id: str) -> int:
        """Let none of the company's present keys sign any more; how many there were."""

    def add_token(self, token_id: str, secret_hash: bytes, company_id: str | None) -> None:
        """Keep a token of a company, or of the administrator (None)."""

    def token(self, token_id: str) -> tuple[bytes, str | None] | None:
        """A token's hash and company; None where there is none."""

    def signing_keys(self, company_id: str) -> list[bytes]:
        """The public keys that may sign for a company; none for an unknown one."""

    def keep(self, batch: UsageBatch, envelope: bytes) -> bool:
        """Keep a verified batch, once: False where it was there before. Durable when it returns.

        Raises:
            UsageRejected: another batch of the company has this id.
        """

    def counts(self, company_id: str | None = None) -> list[HubCount]:
        """The counts of one company or of all, in the order of company, day, endpoint and status."""

    def companies(self) -> list[str]:
        """Every company's id, the oldest first."""
