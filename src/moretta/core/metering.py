"""What metering and reporting ask of storage: values and ports.

Belongs here: what passes between `usage` and `storage`. Does not belong here: SQL, signatures, sockets.
"""

from dataclasses import dataclass
from typing import Protocol

from moretta.core.usage import UsageRecord


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
