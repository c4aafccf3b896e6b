"""What a policy decides: each preset's whole table, and that no policy whatsoever allows a prohibited use."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policies import CLOSED

from moretta.core.policy import (
    ALWAYS,
    ANY,
    BUILT_IN,
    Action,
    Age,
    Allow,
    Basis,
    Condition,
    Context,
    Controller,
    Deny,
    Minors,
    Output,
    Policy,
    Purpose,
    Situation,
    built_in,
    decide,
)
from moretta.core.policy_soundness import faults, notes
from moretta.wiring.policy_file import PRESETS, parse_policy, preset_text

AI_ACT = "AI Act Art. 5(1)"
# Whoever asks has everything that may be asked for: consent, an adult, an approval, a source.
BEST = {"consent": True, "age": Age.ADULT, "guardian": True, "approved": True, "sourced": True, "retention_days": 1}
# What each preset allows at its best, in the one context of its purposes. All else is denied, but for what is always allowed.
TABLE: dict[tuple[str, str], tuple[Context, set[str]]] = {
    ("access-control", "access control"): (
        Context.ACCESS_CONTROL,
        {"collection", "enrol", "import", "read", "verify", "search", "reissue", "reenrol"},
    ),
    ("checkout", "pay by face"): (
        Context.RETAIL,
        {"collection", "enrol", "read", "verify", "reissue", "reenrol"},
    ),
    ("event", "event entry"): (
        Context.EVENT,
        {"collection", "enrol", "import", "read", "verify", "search", "reissue"},
    ),
    ("clinic", "patient identification"): (
        Context.CLINIC,
        {"collection", "enrol", "read", "verify", "search", "photo", "reissue", "reenrol"},
    ),
    ("clinic", "pain monitoring"): (Context.CLINIC, {"expression"}),
    ("retail-statistics", "visitor statistics"): (Context.RETAIL, {"count"}),
}
REVIEW = {("event", "event entry"): 1, ("clinic", "patient identification"): 1}


def _preset(name: str) -> Policy:
    return parse_policy(preset_text(name).encode()).policy


def _purpose(**given: object) -> Purpose:
    made: dict[str, object] = {
        "name": "door",
        "basis": Basis.CONSENT,
        "condition": Condition.EXPLICIT_CONSENT,
        "contexts": frozenset({Context.ACCESS_CONTROL}),
        "actions": frozenset(Action),
        "outputs": frozenset(Output),
        **given,
    }
    return Purpose(**made)  # type: ignore[arg-type]


def _policy(*purposes: Purpose) -> Policy:
    return Policy(Controller("a test"), purposes)


def _denied(policy: Policy, situation: Situation) -> Deny:
    decision = decide(policy, situation)
    assert isinstance(decision, Deny), situation
    assert decision.expected
    assert decision.mend
    return decision


def test_the_table_names_every_purpose_of_every_preset() -> None:
    assert {(name, purpose.name) for name in PRESETS for purpose in _preset(name).purposes} == set(TABLE)


@pytest.mark.parametrize(("preset", "purpose"), TABLE, ids="/".join)
def test_a_preset_allows_what_its_table_says_and_nothing_else(preset: str, purpose: str) -> None:
    policy = _preset(preset)
    own, allowed = TABLE[preset, purpose]
    for action, context in product(Action, Context):
        decision = decide(policy, Situation(action, purpose, context=context, **BEST))  # type: ignore[arg-type]
        expected = action in ALWAYS or (context is own and action.value in allowed)
        assert isinstance(decision, Allow) is expected, (action, context, decision)
        if isinstance(decision, Allow) and action in {Action.SEARCH, Action.VERIFY}:
            assert decision.review == REVIEW.get((preset, purpose), 0)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_decides_as_it_expects_and_is_sound(preset: str) -> None:
    found = parse_policy(preset_text(preset).encode())
    assert len(found.expectations) >= 6
    assert [one.difference(found.policy) for one in found.expectations] == [None] * len(found.expectations)
    assert faults(found.policy) == ()


@pytest.mark.parametrize(
    ("changed", "code", "legal_ref"),
    [
        ({"consent": False}, "consent.required", "GDPR Art. 9(2)(a)"),
        ({"age": Age.UNKNOWN}, "consent.age_unknown", "GDPR Art. 8(2)"),
        ({"age": Age.MINOR, "guardian": False}, "consent.guardian_required", "GDPR Art. 8(1)"),
        ({"retention_days": 31}, "retention.exceeded", "GDPR Art. 5(1)(e)"),
        ({"retention_days": None}, "retention.exceeded", "GDPR Art. 5(1)(e)"),
        ({"regions": frozenset({"eu", "us"})}, "region.refused", "GDPR Art. 44"),
        ({"outputs": frozenset({Output.PHOTO})}, "policy.prohibited_use", "GDPR Art. 5(1)(c)"),
        ({"approved": False}, "approval.required", "GDPR Art. 35(1)"),
        ({"context": Context.RETAIL}, "policy.prohibited_use", "GDPR Art. 5(1)(b)"),
        ({"purpose": "ads"}, "purpose.unknown", "GDPR Art. 5(1)(b)"),
        ({"named": "ads"}, "purpose.mismatch", "GDPR Art. 5(1)(b)"),
    ],
)
def test_each_condition_that_is_not_met_is_its_own_refusal(
    changed: dict[str, object], code: str, legal_ref: str
) -> None:
    policy = _policy(
        _purpose(
            retention_days=30,
            regions=frozenset({"eu"}),
            outputs=frozenset(),
            approval_required=True,
            minors=Minors.GUARDIAN,
        )
    )
    given: dict[str, object] = {"purpose": "door", **BEST, "regions": frozenset({"eu"}), "retention_days": 30}
    assert isinstance(decide(policy, Situation(Action.ENROL, **given)), Allow)  # type: ignore[arg-type]
    denied = _denied(policy, Situation(Action.ENROL, **(given | changed)))  # type: ignore[arg-type]
    assert (denied.code, denied.legal_ref) == (code, legal_ref)


def test_minors_are_enrolled_as_the_purpose_says() -> None:
    child = {"purpose": "door", **BEST, "age": Age.MINOR}
    with_guardian, alone = Situation(Action.ENROL, **child), Situation(Action.ENROL, **(child | {"guardian": False}))  # type: ignore[arg-type]
    assert isinstance(decide(_policy(_purpose(minors=Minors.ALLOWED)), alone), Allow)
    assert isinstance(decide(_policy(_purpose(minors=Minors.GUARDIAN)), with_guardian), Allow)
    assert _denied(_policy(_purpose(minors=Minors.REFUSED)), with_guardian).code == "policy.prohibited_use"


def test_without_a_context_the_strictest_of_the_purpose_decides() -> None:
    policy = _policy(_purpose(contexts=frozenset({Context.RETAIL, Context.WORK})))
    assert isinstance(decide(policy, Situation(Action.EXPRESSION, "door", context=Context.OTHER)), Deny)
    assert _denied(policy, Situation(Action.EXPRESSION, "door")).legal_ref == f"{AI_ACT}(f)"
    assert isinstance(decide(_policy(_purpose(contexts=frozenset())), Situation(Action.READ, "door")), Deny)


def test_a_purpose_that_nobody_named_is_the_only_one_that_allows_the_action() -> None:
    one, other = _purpose(actions=frozenset({Action.COMPARE})), _purpose(name="ads", actions=frozenset({Action.READ}))
    decision = decide(_policy(one, other), Situation(Action.COMPARE))
    assert isinstance(decision, Allow)
    assert decision.purpose == one
    both = _policy(one, _purpose(name="ads", actions=frozenset({Action.COMPARE})))
    assert _denied(both, Situation(Action.COMPARE)).code == "purpose.unknown"
    assert isinstance(decide(both, Situation(Action.COMPARE, named="ads")), Allow)
    assert _denied(CLOSED, Situation(Action.COMPARE)).code == "purpose.unknown"


def test_remote_identification_waits_for_an_approval_and_two_people() -> None:
    public = _policy(_purpose(contexts=frozenset({Context.PUBLIC_SPACE}), consent_required=False))
    blocked = _denied(public, Situation(Action.SEARCH, "door"))
    assert (blocked.code, blocked.legal_ref) == ("approval.required", "GDPR Art. 35(3)(c)")
    assert decide(public, Situation(Action.SEARCH, "door", approved=True)) == Allow(public.purposes[0], 2)
    live = Situation(Action.WATCH_IDENTIFY, "door", approved=True)
    assert _denied(public, live).legal_ref == f"{AI_ACT}(h)"
    opened = _policy(_purpose(contexts=frozenset({Context.PUBLIC_SPACE}), real_time=True))
    assert decide(opened, live) == Allow(opened.purposes[0], 2)
    police = _policy(_purpose(contexts=frozenset({Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT}), real_time=True))
    assert _denied(police, live).legal_ref == f"{AI_ACT}(h)"


def test_expression_at_work_needs_a_documented_medical_or_safety_reason() -> None:
    at_work = {"contexts": frozenset({Context.WORK}), "actions": frozenset({Action.EXPRESSION})}
    asked = Situation(Action.EXPRESSION, "door")
    assert _denied(_policy(_purpose(**at_work)), asked).legal_ref == f"{AI_ACT}(f)"
    assert _denied(_policy(_purpose(**at_work, medical_or_safety="  ")), asked).legal_ref == f"{AI_ACT}(f)"
    reason = "fatigue of drivers, assessment of 2025-01-31"
    assert isinstance(decide(_policy(_purpose(**at_work, medical_or_safety=reason)), asked), Allow)


def test_the_built_in_policy_asks_for_consent_and_keeps_expression_behind_its_switch() -> None:
    assert _denied(BUILT_IN, Situation(Action.ENROL, "anything")).code == "consent.required"
    assert isinstance(decide(BUILT_IN, Situation(Action.ENROL, "anything", consent=True)), Allow)
    for context in (Context.WORK, Context.EDUCATION, Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT):
        assert isinstance(decide(BUILT_IN, Situation(Action.SEARCH, "anything", context=context)), Deny)
    assert _denied(BUILT_IN, Situation(Action.EXPRESSION)).legal_ref == f"{AI_ACT}(f)"
    assert isinstance(decide(built_in(expression=True), Situation(Action.EXPRESSION)), Allow)


def test_the_hash_is_of_what_a_policy_says_and_of_nothing_else() -> None:
    one, other = _purpose(), _purpose(name="ads")
    assert _policy(one, other).sha256 == _policy(other, one).sha256, "the order of purposes says nothing"
    assert _policy(one).sha256 != _policy(other).sha256
    for change in (
        {"retention_days": 5},
        {"review": 1},
        {"minors": Minors.REFUSED},
        {"notices": ("n1",)},
        {"recipients": ("A",)},
    ):
        assert _policy(_purpose(**change)).sha256 != _policy(one).sha256


# Below: hypothesis makes any policy whatsoever, also such as no file could hold.

NAMES = st.sampled_from(["door", "ads", ANY])
purposes = st.builds(
    Purpose,
    name=NAMES,
    basis=st.sampled_from(Basis),
    condition=st.none() | st.sampled_from(Condition),
    contexts=st.frozensets(st.sampled_from(Context)),
    actions=st.frozensets(st.sampled_from(Action)) | st.just(frozenset(Action)),
    retention_days=st.none() | st.integers(-1, 40_000),
    regions=st.frozensets(st.sampled_from(["eu", "us"])),
    outputs=st.frozensets(st.sampled_from(Output)),
    consent_required=st.booleans(),
    minors=st.sampled_from(Minors),
    review=st.integers(-1, 3),
    approval_required=st.booleans(),
    real_time=st.booleans(),
    medical_or_safety=st.just(""),
)
policies = st.builds(Policy, st.builds(Controller, st.text(max_size=5)), st.lists(purposes, max_size=4).map(tuple))
situations = st.builds(
    Situation,
    action=st.sampled_from(Action),
    purpose=st.none() | NAMES,
    named=st.none() | NAMES,
    context=st.none() | st.sampled_from(Context),
    regions=st.frozensets(st.sampled_from(["eu", "us"])),
    retention_days=st.none() | st.integers(0, 400),
    outputs=st.frozensets(st.sampled_from(Output)),
    consent=st.booleans(),
    guardian=st.booleans(),
    age=st.sampled_from(Age),
    approved=st.booleans(),
    sourced=st.booleans(),
    real_time=st.booleans(),
)


def _breaks_the_law(situation: Situation, purpose: Purpose | None) -> bool:
    """Art. 5(1)(d)-(h), written again from the law, sharing nothing with what is tested; no purpose has a medical reason."""
    contexts = set() if purpose is None else set(purpose.contexts)
    contexts |= set() if situation.context is None else {situation.context}
    live = situation.action.value == "watch_identify" or (situation.action.value == "search" and situation.real_time)
    return (
        situation.action.value in {"score_criminality", "scrape", "categorise_sensitive"}
        or (situation.action.value == "import" and not situation.sourced)
        or (situation.action.value == "expression" and bool(contexts & {Context.WORK, Context.EDUCATION}))
        or (live and Context.LAW_ENFORCEMENT in contexts)
        or (live and not (purpose is not None and purpose.real_time))
        or (
            situation.action.value in {"search", "watch_identify"}
            and bool(contexts & {Context.PUBLIC_SPACE})
            and situation.context in {None, Context.PUBLIC_SPACE}
            and not situation.approved
        )
    )


@given(policy=policies, situation=situations)
@settings(max_examples=1200, deadline=None, derandomize=True, database=None)
def test_no_policy_whatsoever_allows_a_prohibited_use(policy: Policy, situation: Situation) -> None:
    decision = decide(policy, situation)
    if isinstance(decision, Allow):
        assert not _breaks_the_law(situation, decision.purpose)
        remote = {Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT}
        at = (
            {situation.context}
            if situation.context
            else set()
            if decision.purpose is None
            else decision.purpose.contexts
        )
        if situation.action in {Action.SEARCH, Action.WATCH_IDENTIFY} and remote & set(at):
            assert situation.approved
            assert decision.review >= 2


@given(purpose=purposes, situation=situations)
@settings(max_examples=600, deadline=None, derandomize=True, database=None)
def test_a_purpose_that_allows_everything_still_allows_nothing_prohibited(
    purpose: Purpose, situation: Situation
) -> None:
    everything = replace(purpose, actions=frozenset(Action), contexts=frozenset(Context), real_time=True, name=ANY)
    decision = decide(_policy(everything), situation)
    assert not (isinstance(decision, Allow) and _breaks_the_law(situation, decision.purpose))


@given(policy=policies, situation=situations)
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_no_policy_stands_between_a_person_and_their_rights(policy: Policy, situation: Situation) -> None:
    for action in (Action.DELETE, Action.RESTRICT, Action.RECTIFY):
        assert isinstance(decide(policy, replace(situation, action=action)), Allow)


@given(policy=policies, situation=situations)
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_what_is_enrolled_under_consent_has_a_consent(policy: Policy, situation: Situation) -> None:
    decision = decide(policy, situation)
    kept = situation.action in {Action.ENROL, Action.IMPORT}
    if isinstance(decision, Allow) and kept and decision.purpose is not None and decision.purpose.consent_required:
        assert situation.consent


def test_faults_and_notes_name_what_no_policy_may_say() -> None:
    broken = _policy(
        _purpose(name=ANY, contexts=frozenset(), condition=None, consent_required=False, outputs=frozenset(), review=3),
        _purpose(name=ANY, adult_from=40),
    )
    told = "\n".join(faults(broken))
    for words in (
        "listed 2 times",
        "contexts",
        "score_criminality",
        "Art. 9(2)",
        "Art. 5(1)(e)",
        "Art. 7(1)",
        "review",
    ):
        assert words in told
    bold = _policy(
        _purpose(contexts=frozenset({Context.PUBLIC_SPACE, Context.LAW_ENFORCEMENT, Context.WORK}), retention_days=4000)
    )
    told = "\n".join(notes(bold))
    for words in ("two persons", "real_time", "law enforcement", "medical or safety", "BIPA", "exported"):
        assert words in told
