"""The two objects through which doors reach human review and approvals.

Belongs here: what can be asked, in one place. Does not belong here: how any of it is done (the modules beside this one), HTTP,
terminals, and who may ask what: a door knows its caller's company, and that they may review or approve.
"""

from collections.abc import Iterable
from datetime import datetime

from moretta.core.approvals import Approval
from moretta.core.policy import Action
from moretta.core.review import Choice, Proposal, ReviewState
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.review import approve, votes


class Reviews:
    """Matches that people must confirm. Safe for several threads.

    What is not the company's own is not there: `NotFound`. Only a reviewer may be shown `proposal`, `proposals`, and what
    `confirm` and `reject` give: they name candidates.
    """

    def __init__(self, means: Means) -> None:
        self._means = means

    def result(self, company_id: str, proposal_id: str) -> Proposal:
        """For whoever asked: the state, and who it is once that is confirmed; nobody's candidates before."""
        return votes.result(self._means, company_id, proposal_id)

    def proposal(self, company_id: str, proposal_id: str) -> Proposal:
        """For a reviewer: the proposal with its candidates and votes."""
        return votes.proposal(self._means, company_id, proposal_id)

    def proposals(
        self,
        company_id: str,
        limit: int = 50,
        after: str | None = None,
        *,
        state: ReviewState | None = ReviewState.PENDING,
        region: str | None = None,
    ) -> list[Proposal]:
        """For a reviewer: at most `limit` of a region, in the order of their ids, from after the id `after`."""
        return votes.listed(self._means, company_id, limit, after, state, region)

    def confirm(
        self, company_id: str, proposal_id: str, reviewer: str, choices: Iterable[Choice] | None = None
    ) -> Proposal:
        """The proposal after `reviewer` confirmed it: the candidates `choices`, or the only one of each face.

        Raises:
            ReviewClosed: it is not pending, or its time is over.
            SameReviewer: this reviewer was heard before.
            RequestInvalid: a choice is no candidate, or a face has several and none was chosen.
        """
        return votes.confirm(self._means, company_id, proposal_id, reviewer, choices)

    def reject(self, company_id: str, proposal_id: str, reviewer: str) -> Proposal:
        """The proposal after `reviewer` rejected it; its candidates are forgotten. Raises as `confirm`."""
        return votes.reject(self._means, company_id, proposal_id, reviewer)


class Approvals:
    """Who approved which use. Safe for several threads. What is not the company's own is not there: `NotFound`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def grant(
        self,
        company_id: str,
        purpose: str,
        *,
        approver: str,
        reason: str,
        until: datetime,
        recorded_by: str,
        collection_id: str | None = None,
        action: Action | None = None,
    ) -> Approval:
        """Record an approval of a purpose, or of one collection or action of it, until `until`.

        Raises:
            RequestInvalid: words are missing, or it ends before it begins.
            PurposeUnknown, PurposeMismatch: not a purpose of the policy, or not the collection's.
        """
        return approve.grant(
            self._means,
            company_id,
            purpose,
            collection_id=collection_id,
            action=action,
            approver=approver,
            reason=reason,
            until=until,
            recorded_by=recorded_by,
        )

    def approval(self, company_id: str, approval_id: str) -> Approval:
        """The approval as it stands."""
        return approve.approval(self._means, company_id, approval_id)

    def approvals(
        self, company_id: str, limit: int = 50, after: str | None = None, *, region: str | None = None
    ) -> list[Approval]:
        """At most `limit` of a region, in the order of their ids, from after the id `after`; ended ones too."""
        return approve.listed(self._means, company_id, limit, after, region)

    def revoke(self, company_id: str, approval_id: str, revoked_by: str) -> Approval:
        """The approval, revoked: from now on it covers nothing. Raises `Conflict` where it was before."""
        return approve.revoke(self._means, company_id, approval_id, revoked_by)

    def policy(self, sha256: str, *, region: str | None = None) -> bytes:
        """The policy that held when an entry of the log was written, by the hash in it, as canonical JSON."""
        return self._means.region(region).approvals.policy(sha256)
