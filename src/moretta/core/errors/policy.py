"""Errors of what is allowed: policy, approvals, human review and legal holds.

Belongs here: refusals that a rule gives. Does not belong here: missing consents (see `consent`).
"""

from moretta.core.errors.root import MorettaError


class PolicyProhibited(MorettaError):
    """The policy forbids what was asked."""

    code = "policy.prohibited_use"
    title = "The policy does not allow this"
    status = 403
    exit_code = 77


class PurposeUnknown(PolicyProhibited):
    """The policy has no such purpose, or it cannot be told which one is meant."""

    code = "purpose.unknown"
    title = "The policy does not have this purpose"


class ApprovalRequired(PolicyProhibited):
    """This must be approved first, and no approval that holds is on record."""

    code = "approval.required"
    title = "An approval is needed"


class RetentionExceeded(PolicyProhibited):
    """It would be kept longer than the purpose allows."""

    code = "retention.exceeded"
    title = "The retention is too long for this purpose"


class BudgetExhausted(PolicyProhibited):
    """The privacy budget of that site and day does not cover what was asked; nothing was released."""

    code = "dp.budget_exhausted"
    title = "The privacy budget is spent"


class ReviewError(MorettaError):
    """What was asked of a proposed match cannot be done."""

    code = "review.refused"
    title = "This proposal cannot be reviewed so"
    status = 409
    exit_code = 77


class ReviewClosed(ReviewError):
    """The proposal was confirmed or rejected, or its time is over."""

    code = "review.closed"
    title = "The proposal is closed"


class SameReviewer(ReviewError):
    """Two different persons must confirm, and this one did already."""

    code = "review.same_person"
    title = "Another person must confirm"
    status = 403


class PersonHeld(MorettaError):
    """A legal hold keeps the person: nothing of them may be erased until it is released."""

    code = "person.held"
    title = "A legal hold keeps this person"
    status = 423
    exit_code = 77

    def __init__(self, detail: str) -> None:
        super().__init__(detail, legal_ref="GDPR Art. 17(3)(e)")
