"""`core.approvals.ApprovalStore` in SQL: each method one transaction.

Belongs here: keeping, finding and revoking approvals. Does not belong here: whether one is needed.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, select

from moretta.core.approvals import Approval
from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import from_second, to_second
from moretta.core.errors import Conflict, NotFound
from moretta.core.ledger import LogEntry
from moretta.core.purposes import Action
from moretta.storage import ledger
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.reviews.policies import policy_held
from moretta.storage.tables_review import approvals


class SqlApprovalStore:
    """One region's approvals. Safe to share between threads and processes; the engine stays open.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine = engine
        self._checkpoint = checkpoint

    def grant(self, approval: Approval, entries: Sequence[LogEntry] = ()) -> None:
        """As `ApprovalStore.grant`."""
        values = {
            "approval_id": approval.approval_id,
            "company_id": approval.company_id,
            "purpose": approval.purpose,
            "collection_id": approval.collection_id,
            "action": None if approval.action is None else approval.action.value,
            "approver": approval.approver,
            "reason": approval.reason,
            "recorded_by": approval.recorded_by,
            "granted_at": to_second(approval.granted_at),
            "until": to_second(approval.until),
            "revoked_at": None,
            "revoked_by": "",
        }
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "grant") as connection:
            connection.execute(approvals.insert().values(values))
            ledger.append(connection, entries)

    def approval(self, company_id: str, approval_id: str) -> Approval:
        """As `ApprovalStore.approval`."""
        with reading(self._engine) as connection:
            return _to_approval(_find(connection, company_id, approval_id))

    def approvals(self, company_id: str, limit: int, after: str | None = None) -> list[Approval]:
        """As `ApprovalStore.approvals`."""
        query = select(approvals).where(approvals.c.company_id == company_id).order_by(approvals.c.approval_id)
        if after is not None:
            query = query.where(approvals.c.approval_id > after)
        with reading(self._engine) as connection:
            return [_to_approval(row) for row in connection.execute(query.limit(limit)).all()]

    def standing(self, company_id: str, purpose: str, now: datetime) -> list[Approval]:
        """As `ApprovalStore.standing`."""
        mine = (approvals.c.company_id == company_id, approvals.c.purpose == purpose, approvals.c.revoked_at.is_(None))
        query = select(approvals).where(*mine, approvals.c.until > to_second(now)).order_by(approvals.c.approval_id)
        with reading(self._engine) as connection:
            found = [_to_approval(row) for row in connection.execute(query).all()]
        return [approval for approval in found if approval.holds(now)]

    def revoke(
        self, company_id: str, approval_id: str, at: datetime, by: str, entries: Sequence[LogEntry] = ()
    ) -> Approval:
        """As `ApprovalStore.revoke`."""
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "revoke") as connection:
            row = _find(connection, company_id, approval_id, lock=True)
            if row.revoked_at is not None:
                raise Conflict("expected an approval that stands; this one was revoked already")
            mine = approvals.c.approval_id == approval_id
            connection.execute(approvals.update().where(mine).values(revoked_at=to_second(at), revoked_by=by))
            revoked = _to_approval(_find(connection, company_id, approval_id))
            ledger.append(connection, entries)
        return revoked

    def policy(self, sha256: str) -> bytes:
        """As `ApprovalStore.policy`."""
        with reading(self._engine) as connection:
            return policy_held(connection, sha256)


def _find(connection: Connection, company_id: str, approval_id: str, *, lock: bool = False) -> Row[tuple[object, ...]]:
    query = select(approvals).where(approvals.c.approval_id == approval_id, approvals.c.company_id == company_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound("expected the id of an approval of this company; list them to see the ids")
    return row


def _to_approval(row: Row[tuple[object, ...]]) -> Approval:
    return Approval(
        approval_id=row.approval_id,
        company_id=row.company_id,
        purpose=row.purpose,
        collection_id=row.collection_id,
        action=None if row.action is None else Action(row.action),
        approver=row.approver,
        reason=row.reason,
        recorded_by=row.recorded_by,
        granted_at=from_second(row.granted_at),
        until=from_second(row.until),
        revoked_at=None if row.revoked_at is None else from_second(row.revoked_at),
        revoked_by=row.revoked_by,
    )
