"""The guard: nothing that touches identity happens before the policy was asked.

Belongs here: gathering what a decision needs (approvals on record, what a consent says) and turning a refusal into an error.
Does not belong here: the decision itself (see `core.policy`), doors, and where approvals and consents are kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from moretta.core.approvals import ApprovalStore
from moretta.core.clock import Clock, utc_now
from moretta.core.errors import (
    AgeUnknown,
    ApprovalRequired,
    ConsentRequired,
    GuardianRequired,
    MorettaError,
    PolicyProhibited,
    PurposeMismatch,
    PurposeUnknown,
    RegionRefused,
    RetentionExceeded,
)
from moretta.core.policy import BUILT_IN, Action, Age, Allow, Deny, Output, Policy, Situation, decide, purpose_meant
from moretta.core.recognition import Collection

_ERRORS: dict[str, type[MorettaError]] = {
    kind.code: kind
    for kind in (
        AgeUnknown,
        ApprovalRequired,
        ConsentRequired,
        GuardianRequired,
        PolicyProhibited,
        PurposeMismatch,
        PurposeUnknown,
        RegionRefused,
        RetentionExceeded,
    )
}
_NEEDS_A_PERSON = frozenset({ConsentRequired.code, AgeUnknown.code, GuardianRequired.code})


@dataclass(frozen=True, slots=True)
class Standing:
    """What the consents of whoever is enrolled say: whether a valid one is there for the collection's purpose, and about age."""

    consent: bool = False
    age: Age = Age.UNKNOWN
    guardian: bool = False


# For a look ahead, before anybody is known: everything that depends on a person is taken to be in order.
ANYBODY = Standing(consent=True, age=Age.ADULT, guardian=True)

# The approvals of the regions in which one could be on record for a collection (None: for no collection).
FindApprovals = Callable[[str | None], Iterable[ApprovalStore]]
FindStanding = Callable[[], Standing]


def no_approvals(_: str | None) -> tuple[ApprovalStore, ...]:
    """No place where an approval could be on record: whatever needs one is refused."""
    return ()


@dataclass(frozen=True, slots=True)
class Guard:
    """A policy, and where approvals are on record. Safe for threads. Without anything given, the built-in policy holds."""

    policy: Policy = BUILT_IN
    approvals: FindApprovals = no_approvals
    clock: Clock = utc_now

    def require(
        self,
        situation: Situation,
        company_id: str,
        collection_id: str | None = None,
        standing: FindStanding | None = None,
    ) -> Allow:
        """What the policy allows of the situation.

        Args:
            standing: looked up only where the decision depends on it.

        Raises:
            PolicyProhibited: the law or the policy forbids it; its classes `PurposeUnknown`, `ApprovalRequired` and
                `RetentionExceeded` say more.
            PurposeMismatch, RegionRefused: another purpose or region than the policy allows.
            ConsentRequired, AgeUnknown, GuardianRequired: what must be on record of whoever is enrolled is not.
        """
        decision = decide(self.policy, situation)
        needs_approval = isinstance(decision, Deny) and decision.code == ApprovalRequired.code
        if needs_approval and self._is_approved(situation, company_id, collection_id):
            situation = replace(situation, approved=True)
            decision = decide(self.policy, situation)
        if isinstance(decision, Deny) and decision.code in _NEEDS_A_PERSON and standing is not None:
            found = standing()
            known = replace(situation, consent=found.consent, age=found.age, guardian=found.guardian)
            decision = decide(self.policy, known)
        if isinstance(decision, Deny):
            raise refusal(decision)
        return decision

    def on(
        self,
        collection: Collection,
        action: Action,
        *,
        named: str | None = None,
        outputs: frozenset[Output] = frozenset(),
        standing: FindStanding | None = None,
        sourced: bool = False,
    ) -> Allow:
        """What the policy allows of an action on a collection; as `require`. `named`: the purpose that the caller named."""
        situation = Situation(
            action,
            collection.purpose,
            named,
            regions=collection.regions,
            retention_days=collection.retention_days,
            outputs=outputs,
            sourced=sourced,
        )
        return self.require(situation, collection.company_id, collection.collection_id, standing)

    def _is_approved(self, situation: Situation, company_id: str, collection_id: str | None) -> bool:
        purpose = purpose_meant(self.policy, situation)
        if isinstance(purpose, Deny):
            return False
        name = situation.purpose or situation.named or purpose.name
        now = self.clock()
        return any(
            approval.covers(name, situation.action, collection_id)
            for store in self.approvals(collection_id)
            for approval in store.standing(company_id, name, now)
        )


def refusal(denied: Deny) -> MorettaError:
    """The error that tells a caller of a refusal."""
    kind = _ERRORS[denied.code]
    if kind in (ConsentRequired, AgeUnknown, GuardianRequired):
        return kind(denied.detail)
    return kind(denied.detail, legal_ref=denied.legal_ref)


def require_action(policy: Policy, action: Action, purpose: str | None) -> None:
    """Raises as `Guard.require` where nobody was enrolled, no approval is looked for, and the policy alone decides.

    For measuring photos and reading expressions; `purpose` None is the only one that allows the action.
    """
    decision = decide(policy, Situation(action, named=purpose))
    if isinstance(decision, Deny):
        raise refusal(decision)


def require_expression(policy: Policy, purpose: str | None) -> None:
    """Raises as `require_action` where facial expressions must not be read for that purpose."""
    require_action(policy, Action.EXPRESSION, purpose)
