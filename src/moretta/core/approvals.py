"""Approvals: who approved which use of recognition, why, and until when.

Belongs here: the value, what it covers, and the port that keeps it. Does not belong here: which use needs one (see
`policy`), SQL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from moretta.core.errors import RequestInvalid
from moretta.core.ledger import LogEntry
from moretta.core.purposes import Action

MAX_WORDS = 200
MAX_REASON = 1000


@dataclass(frozen=True, slots=True)
class Approval:
    """A decision that something may be done, until it ends or is revoked.

    `collection_id` None: every collection of the purpose. `action` None: every action. `approver`: who decided, in the
    operator's own words (an office rather than a name); `reason`: why, and where the assessment lies; the log holds neither.
    `recorded_by`: the API key, or the local user, that wrote it down.

    Raises:
        RequestInvalid: words are missing or too long, or it ends before it begins.
    """

    approval_id: str
    company_id: str
    purpose: str
    collection_id: str | None
    action: Action | None
    approver: str = field(repr=False)
    reason: str = field(repr=False)
    recorded_by: str
    granted_at: datetime
    until: datetime
    revoked_at: datetime | None = None
    revoked_by: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.purpose) <= 500:
            raise RequestInvalid("expected the purpose that is approved")
        if not 1 <= len(self.approver.strip()) <= MAX_WORDS:
            raise RequestInvalid(f"expected who approved it in 1 to {MAX_WORDS} characters")
        if not 1 <= len(self.reason.strip()) <= MAX_REASON:
            raise RequestInvalid(
                f"expected the reason in 1 to {MAX_REASON} characters: an approval without one is none"
            )
        if self.until <= self.granted_at:
            raise RequestInvalid("expected an end of the approval in the future")

    def holds(self, now: datetime) -> bool:
        """Whether it stands at `now`."""
        return self.revoked_at is None and self.granted_at <= now < self.until

    def covers(self, purpose: str, action: Action, collection_id: str | None) -> bool:
        """Whether it is about this. One of a single collection covers nothing else."""
        return self.purpose == purpose and self.action in (None, action) and self.collection_id in (None, collection_id)


class ApprovalStore(Protocol):
    """One region's approvals. Safe for threads and processes. Unknown ids raise `NotFound`; another company's are unknown."""

    def grant(self, approval: Approval, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a new approval, and its log entries in the same transaction."""

    def approval(self, company_id: str, approval_id: str) -> Approval:
        """The approval as it stands."""

    def approvals(self, company_id: str, limit: int, after: str | None = None) -> list[Approval]:
        """At most `limit`, in the order of their ids, from after the id `after`; revoked and ended ones too."""

    def standing(self, company_id: str, purpose: str, now: datetime) -> list[Approval]:
        """Those of a purpose that hold at `now`."""

    def revoke(
        self, company_id: str, approval_id: str, at: datetime, by: str, entries: Sequence[LogEntry] = ()
    ) -> Approval:
        """Revoke it. Raises `Conflict` where it was revoked before."""

    def policy(self, sha256: str) -> bytes:
        """The canonical form of a policy that held here once, by the hash that the log tells. Raises `NotFound`."""
