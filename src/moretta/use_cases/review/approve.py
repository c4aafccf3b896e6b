"""Approvals: recording who approved what, finding them, taking them back.

Belongs here: the order of it. Does not belong here: which use needs one (the policy), who may record them (a door's).
"""

from datetime import datetime

from moretta.core.approvals import Approval
from moretta.core.errors import PurposeMismatch, PurposeUnknown
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.policy import Action
from moretta.core.recognition import IdKind, new_id
from moretta.use_cases.recognition import acts
from moretta.use_cases.recognition.collections import require_page
from moretta.use_cases.recognition.means import Means


def grant(
    means: Means,
    company_id: str,
    purpose: str,
    *,
    collection_id: str | None,
    action: Action | None,
    approver: str,
    reason: str,
    until: datetime,
    recorded_by: str,
) -> Approval:
    """See `Approvals.grant`."""
    region = means.region(None)
    if collection_id is not None:
        region, collection = means.opened(company_id, collection_id)
        if collection.purpose != purpose:
            raise PurposeMismatch("expected the purpose of the collection that the approval is about")
    if means.guard.policy.purpose(purpose) is None:
        raise PurposeUnknown("expected a purpose that the policy lists: `moretta policy show`")
    approval = Approval(
        approval_id=new_id(IdKind.APPROVAL, region.name),
        company_id=company_id,
        purpose=purpose,
        collection_id=collection_id,
        action=action,
        approver=approver.strip(),
        reason=reason.strip(),
        recorded_by=recorded_by,
        granted_at=means.clock().replace(microsecond=0),
        until=until.replace(microsecond=0),
    )
    region.approvals.grant(approval, [_entry(means, approval, "granted", recorded_by)])
    return approval


def approval(means: Means, company_id: str, approval_id: str) -> Approval:
    """See `Approvals.approval`."""
    return means.home(approval_id, IdKind.APPROVAL).approvals.approval(company_id, approval_id)


def listed(means: Means, company_id: str, limit: int, after: str | None, region: str | None) -> list[Approval]:
    """See `Approvals.approvals`."""
    require_page(limit)
    where = means.region(region) if after is None else means.home(after, IdKind.APPROVAL)
    return where.approvals.approvals(company_id, limit, after)


def revoke(means: Means, company_id: str, approval_id: str, revoked_by: str) -> Approval:
    """See `Approvals.revoke`."""
    region = means.home(approval_id, IdKind.APPROVAL)
    found = region.approvals.approval(company_id, approval_id)
    now = means.clock().replace(microsecond=0)
    entries = [_entry(means, found, "revoked", revoked_by)]
    return region.approvals.revoke(company_id, approval_id, now, revoked_by, entries)


def _entry(means: Means, approval: Approval, step: str, by: str) -> LogEntry:
    facts: dict[str, acts.Fact] = {
        "approval": approval.approval_id,
        "step": step,
        "purpose": acts.word(approval.purpose),
        "collection": approval.collection_id or "all",
        "action": approval.action.value if approval.action else "all",
        "until": f"{approval.until:%Y-%m-%d}",
        "by": acts.word(by),
        "policy": means.guard.policy.sha256,
    }
    return acts.entry(EntryKind.APPROVED, means.clock, approval.company_id, facts)
