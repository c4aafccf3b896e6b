"""Whether something may be done: a pure decision from a policy and a situation, with the article and how to mend a refusal.

Belongs here: `decide`, and the uses that no policy can allow. Does not belong here: where policies come from (files), who asks
(see `use_cases.guard`), what a policy says (see `purposes`).

Uses that Regulation (EU) 2024/1689 (the AI Act), Art. 5(1)(d)-(h) prohibits are denied before the policy is looked at: there is
no field that a policy could set to allow them. What is decided here is evidence for lawfulness and never lawfulness itself.
"""

from dataclasses import dataclass, replace

from moretta.core.consent import Age
from moretta.core.purposes import (
    ALWAYS,
    ANY,
    BIOMETRIC,
    IDENTIFYING,
    KEEPING,
    Action,
    Basis,
    Condition,
    Context,
    Controller,
    Minors,
    Output,
    Policy,
    Purpose,
)

__all__ = [
    "ALWAYS",
    "ANY",
    "BIOMETRIC",
    "BUILT_IN",
    "IDENTIFYING",
    "KEEPING",
    "Action",
    "Age",
    "Allow",
    "Basis",
    "Condition",
    "Context",
    "Controller",
    "Decision",
    "Deny",
    "Minors",
    "Output",
    "Policy",
    "Purpose",
    "Situation",
    "built_in",
    "decide",
    "purpose_meant",
]

PROHIBITED = "policy.prohibited_use"
# Two natural persons verify and confirm a remote identification (AI Act Art. 14(5)).
REMOTE_CONFIRMATIONS = 2
_REMOTE_CONTEXTS = frozenset({Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT})
_NO_EMOTION = frozenset({Context.WORK, Context.EDUCATION})


@dataclass(frozen=True, slots=True)
class Situation:
    """What is asked, and what is known when it is asked.

    Args:
        purpose: the collection's; None where nothing has one (comparing two photos, reading expressions).
        named: the purpose that the caller named, if any.
        context: None asks for every context of the purpose at once, the strictest of which decides.
        regions: where the data is or shall be. `retention_days`: how long; only looked at where something is kept.
        outputs: what is asked for beside a decision.
        consent: a valid consent for this purpose was found. `guardian`: a guardian gave it. `age`: as the consent says.
        approved: an approval that covers this is on record and holds.
        sourced: each picture has a source and a lawful basis; only looked at where pictures are imported.
        real_time: people are identified as they pass.
    """

    action: Action
    purpose: str | None = None
    named: str | None = None
    context: Context | None = None
    regions: frozenset[str] = frozenset()
    retention_days: int | None = None
    outputs: frozenset[Output] = frozenset()
    consent: bool = False
    guardian: bool = False
    age: Age = Age.UNKNOWN
    approved: bool = False
    sourced: bool = False
    real_time: bool = False


@dataclass(frozen=True, slots=True)
class Allow:
    """It may be done. `purpose`: None where none is needed. `review`: how many persons must confirm a match before it counts."""

    purpose: Purpose | None = None
    review: int = 0


@dataclass(frozen=True, slots=True)
class Deny:
    """It must not be done: a stable `code`, the rule of law, what was expected, and how to mend it."""

    code: str
    legal_ref: str
    expected: str
    mend: str

    @property
    def detail(self) -> str:
        """In words for a person."""
        return f"expected {self.expected}; {self.mend}"


Decision = Allow | Deny


def decide(policy: Policy, situation: Situation) -> Decision:
    """Whether the policy, and the law above it, allow the situation."""
    denied = _prohibited_to_all(situation)
    if denied is not None:
        return denied
    if situation.action in ALWAYS:
        return Allow()
    found = purpose_meant(policy, situation)
    if isinstance(found, Deny):
        return found
    contexts = found.contexts if situation.context is None else frozenset({situation.context})
    if not contexts:
        return _wrong_context(found)
    review = 0
    for context in sorted(contexts):
        decision = _in_context(found, replace(situation, context=context))
        if isinstance(decision, Deny):
            return decision
        review = max(review, decision.review)
    return Allow(found, review)


def purpose_meant(policy: Policy, situation: Situation) -> Purpose | Deny:
    """The purpose that a situation falls under.

    Where none is named, it is the only one that allows the action: with two there would be no telling which the data serves.
    """
    name = situation.purpose if situation.purpose is not None else situation.named
    if situation.purpose is not None and situation.named is not None and situation.named != situation.purpose:
        return Deny(
            "purpose.mismatch",
            "GDPR Art. 5(1)(b)",
            "the purpose that the people of this collection were enrolled for",
            "the one named in the request is another; name the collection's, or leave it out",
        )
    if name is not None:
        return policy.purpose(name) or Deny(
            "purpose.unknown",
            "GDPR Art. 5(1)(b)",
            "a purpose that the policy lists",
            "add it to the policy file with its basis, or use a listed one: `moretta policy show`",
        )
    able = [purpose for purpose in policy.purposes if situation.action in purpose.actions]
    if len(able) == 1:
        return able[0]
    if not able and situation.action is Action.EXPRESSION:
        return _no_expression()
    return Deny(
        "purpose.unknown",
        "GDPR Art. 5(1)(b)",
        "the purpose of this to be named" if able else f"a purpose of the policy that allows `{situation.action}`",
        "name it in the request (header `Purpose`)"
        if able
        else "none does: `moretta policy show` lists what they allow",
    )


def _prohibited_to_all(situation: Situation) -> Deny | None:
    """What is denied whatever any policy says."""
    if situation.action is Action.SCORE_CRIMINALITY:
        return _prohibited("d", "no score of how likely somebody is to commit a crime", "none is made of faces")
    if situation.action is Action.SCRAPE:
        return _prohibited(
            "e", "no gathering of faces from the internet or from cameras", "enrol people who know of it"
        )
    if situation.action is Action.CATEGORISE:
        return _prohibited("g", "no sorting of people by sensitive attributes", "no such classifier exists here")
    if situation.action is Action.IMPORT and not situation.sourced:
        return _prohibited(
            "e", "a source and a lawful basis for each picture", "name its source, or the consent of whom it shows"
        )
    return None


def _in_context(purpose: Purpose, situation: Situation) -> Allow | Deny:
    for rule in (
        _prohibited_here,
        _not_of_the_purpose,
        _remote,
        _places,
        _keeping,
        _outputs,
        _approval,
        _consent,
        _age,
    ):
        denied = rule(purpose, situation)
        if denied is not None:
            return denied
    if situation.action not in IDENTIFYING | {Action.VERIFY}:
        return Allow(purpose)
    return Allow(purpose, max(purpose.review, REMOTE_CONFIRMATIONS if _is_remote(situation) else 0))


def _prohibited_here(purpose: Purpose, situation: Situation) -> Deny | None:
    """What is denied in some contexts, whatever the purpose allows. A purpose that also serves such a context counts as in it."""
    contexts = purpose.contexts | ({situation.context} if situation.context else frozenset())
    if situation.action is Action.EXPRESSION and contexts & _NO_EMOTION and not purpose.medical_or_safety.strip():
        return _prohibited(
            "f",
            "no inference of emotions at work or in education",
            "only a medical or safety reason documented in the policy excepts it",
        )
    if _is_live(situation) and Context.LAW_ENFORCEMENT in contexts:
        return _prohibited(
            "h",
            "no real-time remote identification for law enforcement",
            "its exceptions need a judge's authorisation, which software cannot check",
        )
    return None


def _not_of_the_purpose(purpose: Purpose, situation: Situation) -> Deny | None:
    if situation.context not in purpose.contexts:
        return _wrong_context(purpose)
    if situation.action in purpose.actions:
        return None
    if situation.action is Action.EXPRESSION:
        return _no_expression()
    return Deny(
        PROHIBITED,
        "GDPR Art. 5(1)(b)",
        f"an action that the purpose allows; `{situation.action}` is not among them",
        "use it for what people were told, or change the policy and tell them",
    )


def _remote(purpose: Purpose, situation: Situation) -> Deny | None:
    """Identification at a distance among people who did not come to be identified."""
    if _is_live(situation) and not purpose.real_time:
        return _prohibited(
            "h", "no identification of people as they pass", "a purpose must say `real_time = true` for that"
        )
    if _is_remote(situation) and not situation.approved:
        return Deny(
            "approval.required",
            "GDPR Art. 35(3)(c)",
            "an approval on record before people are searched for in public or for law enforcement",
            "have the impact assessment approved and record it: `moretta approvals grant`",
        )
    return None


def _places(purpose: Purpose, situation: Situation) -> Deny | None:
    if not purpose.regions or situation.regions <= purpose.regions:
        return None
    return Deny(
        "region.refused",
        "GDPR Art. 44",
        f"regions out of {', '.join(sorted(purpose.regions))} for this purpose",
        "the collection's home or a replica is elsewhere; take it away, or change the policy",
    )


def _keeping(purpose: Purpose, situation: Situation) -> Deny | None:
    if situation.action not in KEEPING | {Action.COLLECTION} or purpose.retention_days is None:
        return None
    if situation.retention_days is not None and situation.retention_days <= purpose.retention_days:
        return None
    return Deny(
        "retention.exceeded",
        "GDPR Art. 5(1)(e)",
        f"a retention of at most {purpose.retention_days} days for this purpose",
        "set the collection's retention_days",
    )


def _outputs(purpose: Purpose, situation: Situation) -> Deny | None:
    wanted = situation.outputs | ({Output.PHOTO} if situation.action is Action.PHOTO else frozenset())
    if wanted <= purpose.outputs:
        return None
    return Deny(
        PROHIBITED,
        "GDPR Art. 5(1)(c)",
        f"no {' and no '.join(sorted(wanted - purpose.outputs))} under this purpose",
        "go without, or list it in the purpose's outputs",
    )


def _approval(purpose: Purpose, situation: Situation) -> Deny | None:
    if not purpose.approval_required or situation.approved or situation.action not in BIOMETRIC:
        return None
    return Deny(
        "approval.required",
        "GDPR Art. 35(1)",
        "an approval on record for this purpose",
        "have it approved and record it: `moretta approvals grant`",
    )


def _consent(purpose: Purpose, situation: Situation) -> Deny | None:
    if situation.action not in KEEPING or not purpose.consent_required or situation.consent:
        return None
    return Deny(
        "consent.required",
        "GDPR Art. 9(2)(a)",
        "a valid consent of this person for this purpose",
        "record it first and name it (`consent_id`, or the header `Consent-Id`)",
    )


def _age(purpose: Purpose, situation: Situation) -> Deny | None:
    if situation.action not in KEEPING or purpose.minors is Minors.ALLOWED:
        return None
    if situation.age is Age.UNKNOWN:
        return Deny(
            "consent.age_unknown",
            "GDPR Art. 8(2)",
            "whoever is enrolled to have said whether they are an adult",
            f"record it with the consent (adult: from {purpose.adult_from} years)",
        )
    if situation.age is Age.ADULT or (purpose.minors is Minors.GUARDIAN and situation.guardian):
        return None
    if purpose.minors is Minors.REFUSED:
        return Deny(PROHIBITED, "GDPR Art. 8(1)", "nobody but adults for this purpose", "minors must not be enrolled")
    return Deny("consent.guardian_required", "GDPR Art. 8(1)", "a guardian's consent for a minor", "record it first")


def _is_live(situation: Situation) -> bool:
    return situation.action is Action.WATCH_IDENTIFY or (situation.action is Action.SEARCH and situation.real_time)


def _is_remote(situation: Situation) -> bool:
    return situation.action in IDENTIFYING and situation.context in _REMOTE_CONTEXTS


def _prohibited(letter: str, expected: str, mend: str) -> Deny:
    return Deny(PROHIBITED, f"AI Act Art. 5(1)({letter})", expected, mend)


def _no_expression() -> Deny:
    return _prohibited(
        "f",
        "no request for facial expression: inferring emotion is off unless the operator allows it for a lawful purpose",
        "leave `expression` out of the features, or allow it in the policy (without a policy file: "
        "MORETTA_ALLOW_EXPRESSION=true)",
    )


def _wrong_context(purpose: Purpose) -> Deny:
    known = ", ".join(sorted(purpose.contexts)) or "none"
    return Deny(
        PROHIBITED,
        "GDPR Art. 5(1)(b)",
        f"a context of this purpose: {known}",
        "use it where people were told it is used",
    )


def built_in(*, expression: bool = False) -> Policy:
    """The policy that holds without a file: any purpose, with consent, where people are not watched, taught or employed.

    Args:
        expression: whether reading expressions is allowed (MORETTA_ALLOW_EXPRESSION).
    """
    refused = {Action.SCORE_CRIMINALITY, Action.SCRAPE, Action.CATEGORISE, Action.WATCH_IDENTIFY}
    if not expression:
        refused.add(Action.EXPRESSION)
    contexts = {Context.ACCESS_CONTROL, Context.CLINIC, Context.EVENT, Context.OTHER, Context.RETAIL}
    anything = Purpose(
        ANY,
        Basis.CONSENT,
        Condition.EXPLICIT_CONSENT,
        contexts=frozenset(contexts),
        actions=frozenset(Action) - refused,
        outputs=frozenset(Output),
    )
    return Policy(Controller("not named yet"), (anything,), "built-in")


BUILT_IN = built_in()
