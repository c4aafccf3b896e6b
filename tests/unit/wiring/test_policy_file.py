"""The policy file: what is read, what is refused, and that no file whatsoever allows a prohibited use."""

import contextlib
import json
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from moretta.core.errors import NotFound, PolicyProhibited, RequestInvalid
from moretta.core.ledger import EntryKind
from moretta.core.policy import (
    ANY,
    BUILT_IN,
    Action,
    Age,
    Allow,
    Basis,
    Condition,
    Context,
    Deny,
    Minors,
    Output,
    Situation,
    built_in,
    decide,
)
from moretta.core.recognising import FaceReader
from moretta.settings import Settings
from moretta.storage.tables_ledger import log_entries
from moretta.use_cases.guard import require_expression
from moretta.wiring.executor import _environment
from moretta.wiring.policy import policy_in_force, reads_expressions
from moretta.wiring.policy_file import MAX_BYTES, PRESETS, parse_policy, preset_text, read_policy
from moretta.wiring.recognition import opened_means
from moretta.wiring.service import opened

HEAD = '[controller]\nname = "A"\n'
PURPOSE = """
[[purposes]]
name = "door"
basis = "a"
condition = "a"
contexts = ["access_control"]
actions = ["enrol", "verify"]
retention_days = 30
"""
NO_CONSENT = """
[[purposes]]
name = "count"
basis = "f"
contexts = ["retail"]
actions = ["read"]
consent_required = false
"""


def _refused(text: str | bytes) -> RequestInvalid:
    with pytest.raises(RequestInvalid) as refused:
        parse_policy(text if isinstance(text, bytes) else text.encode())
    return refused.value


def test_a_file_says_what_its_values_are() -> None:
    text = HEAD + PURPOSE + 'regions = ["eu"]\noutputs = ["photo"]\nminors = "guardian"\nadult_from = 18\nreview = 2\n'
    [purpose] = parse_policy(text.encode()).policy.purposes
    assert (purpose.name, purpose.basis, purpose.condition) == ("door", Basis.CONSENT, Condition.EXPLICIT_CONSENT)
    assert (purpose.contexts, purpose.actions) == ({Context.ACCESS_CONTROL}, {Action.ENROL, Action.VERIFY})
    assert (purpose.regions, purpose.outputs, purpose.review) == ({"eu"}, {Output.PHOTO}, 2)
    assert (purpose.minors, purpose.adult_from, purpose.consent_required) == (Minors.GUARDIAN, 18, True)


def test_a_file_names_countries_recipients_and_notices() -> None:
    more = 'recipients = ["Guards Ltd"]\nnotices = ["not_local_1", "not_local_2"]\n'
    policy = parse_policy((HEAD + '[countries]\nus = "US"\neu = "DE"\nfr = "FR"\n' + PURPOSE + more).encode()).policy
    [purpose] = policy.purposes
    assert (purpose.recipients, purpose.notices) == (("Guards Ltd",), ("not_local_1", "not_local_2"))
    assert policy.jurisdictions(["us", "eu", "elsewhere"]) == ("DE", "US")
    assert (policy.place("eu"), policy.place("elsewhere")) == ("eu (DE)", "elsewhere")
    bare = parse_policy((HEAD + PURPOSE).encode()).policy
    assert bare.jurisdictions(["eu"]) == ()
    assert bare.sha256 != policy.sha256


def test_comments_and_order_do_not_change_the_hash() -> None:
    text = HEAD + PURPOSE
    plain = parse_policy(text.encode()).policy
    lines = ["# a comment", *reversed(PURPOSE.strip().splitlines()[1:])]
    other = HEAD + "[[purposes]]\n" + "\n".join(lines)
    assert parse_policy(other.encode()).policy.sha256 == plain.sha256


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (HEAD + PURPOSE + "retention = 3\n", "purposes.0.retention"),
        (HEAD + PURPOSE + "allow_prohibited = true\n", "purposes.0.allow_prohibited"),
        (HEAD + PURPOSE.replace('"a"', '"z"', 1), "purposes.0.basis"),
        (HEAD + PURPOSE.replace("verify", "conquer"), "purposes.0.actions"),
        (HEAD + PURPOSE.replace("30", '"30"'), "purposes.0.retention_days"),
        (HEAD + PURPOSE.replace("30", "30.5"), "purposes.0.retention_days"),
        (HEAD + PURPOSE + "consent_required = 1\n", "purposes.0.consent_required"),
        (HEAD + PURPOSE + 'consent_required = "no"\n', "purposes.0.consent_required"),
        (HEAD + PURPOSE + 'regions = ["EU"]\n', "purposes.0.regions"),
        (HEAD + '[countries]\neu = "Germany"\n' + PURPOSE, "countries.eu"),
        (HEAD + '[countries]\nEU = "DE"\n' + PURPOSE, "countries.EU"),
        (HEAD + PURPOSE + 'recipients = "Guards Ltd"\n', "purposes.0.recipients"),
        (HEAD + PURPOSE + 'notices = [""]\n', "purposes.0.notices"),
        (PURPOSE, "controller"),
        (HEAD, "purposes"),
        (HEAD + PURPOSE + '[[expect]]\naction = "search"\n', "expect.0.decision"),
    ],
)
def test_another_form_is_refused_by_the_name_of_its_key(text: str, field: str) -> None:
    error = _refused(text)
    assert any(one.field.startswith(field) for one in error.field_errors), error.field_errors


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (HEAD + PURPOSE.replace('"door"', '"*"'), "one by one"),
        (HEAD + PURPOSE + PURPOSE, "2 times"),
        (HEAD + PURPOSE.replace('"verify"', '"score_criminality"'), "prohibits"),
        (HEAD + PURPOSE.replace('"verify"', '"categorise_sensitive"'), "prohibits"),
        (HEAD + PURPOSE.replace('condition = "a"\n', ""), "Art. 9(2)"),
        (HEAD + PURPOSE.replace("retention_days = 30\n", ""), "Art. 5(1)(e)"),
        (HEAD + PURPOSE + "consent_required = false\n", "Art. 7(1)"),
        (HEAD + NO_CONSENT + 'notices = ["not_1"]\n', "names the notices"),
        (HEAD + PURPOSE + "review = 3\n", "review"),
        (HEAD + PURPOSE.replace('["access_control"]', "[]"), "contexts"),
        (HEAD.replace('"A"', '" "') + PURPOSE, "controller"),
    ],
)
def test_what_no_policy_may_say_is_refused_in_words(text: str, words: str) -> None:
    assert words in _refused(text).detail


@pytest.mark.parametrize("content", [b"\xff\xfe", b"[[purposes", b"a = " + b"[" * 3000, b"x = 1979-13-45"])
def test_what_is_no_toml_is_refused(content: bytes) -> None:
    assert "TOML" in _refused(content).detail


def test_files_that_cannot_be_read_or_are_huge_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_policy(tmp_path / "missing.toml")
    with pytest.raises(NotFound):
        read_policy(tmp_path)
    (tmp_path / "huge.toml").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(RequestInvalid):
        read_policy(tmp_path / "huge.toml")
    with pytest.raises(NotFound):
        preset_text("../../settings")


def test_expectations_tell_each_way_in_which_a_decision_differs() -> None:
    expected = """
[[expect]]
action = "verify"
purpose = "door"
decision = "deny"
[[expect]]
action = "search"
purpose = "door"
decision = "allow"
[[expect]]
action = "search"
purpose = "door"
decision = "deny"
code = "consent.required"
[[expect]]
action = "verify"
purpose = "door"
decision = "allow"
review = 2
[[expect]]
action = "verify"
purpose = "door"
decision = "allow"
review = 0
"""
    found = parse_policy((HEAD + PURPOSE + expected).encode())
    told = [one.difference(found.policy) for one in found.expectations]
    assert told == [
        "expected deny, got allow",
        "expected allow, got deny (policy.prohibited_use, GDPR Art. 5(1)(b))",
        "expected deny with consent.required, got deny with policy.prohibited_use",
        "expected review 2, got review 0",
        None,
    ]


# Any file: values of every kind where the form wants them, and often ones that it does not want.
_NEVER = {"score_criminality", "scrape", "categorise_sensitive"}
words = st.sampled_from(["door", "ads", "visits", "payment", "entry", "*"])
lists = {
    "contexts": st.lists(st.sampled_from(Context), max_size=9),
    "actions": st.lists(st.sampled_from(Action), max_size=20),
    "outputs": st.lists(st.sampled_from(Output), max_size=2),
}
purpose_tables = st.fixed_dictionaries(
    {
        "name": words,
        "basis": st.sampled_from(Basis),
        "contexts": lists["contexts"],
        "retention_days": st.integers(1, 36_500),
        "actions": lists["actions"] | st.just([one for one in Action if one not in _NEVER]),
    },
    optional={
        "condition": st.sampled_from(Condition),
        "outputs": lists["outputs"],
        "consent_required": st.booleans(),
        "minors": st.sampled_from(Minors),
        "review": st.integers(0, 2),
        "approval_required": st.booleans(),
        "real_time": st.booleans(),
    },
)


def _toml(purposes: list[dict[str, Any]]) -> bytes:
    tables = "".join(
        "[[purposes]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items()) for one in purposes
    )
    return (HEAD + tables).encode()


@given(
    purposes=st.lists(purpose_tables, min_size=1, max_size=3), approved=st.booleans(), context=st.sampled_from(Context)
)
@settings(max_examples=400, deadline=None, derandomize=True, database=None)
def test_no_file_whatsoever_allows_a_prohibited_use(
    purposes: list[dict[str, Any]], approved: bool, context: Context
) -> None:
    policy = None
    with contextlib.suppress(RequestInvalid):
        policy = parse_policy(_toml(purposes)).policy
    if policy is None:
        return
    best = {"context": context, "consent": True, "age": Age.ADULT, "retention_days": 1, "approved": approved}
    for name in [purpose.name for purpose in policy.purposes] + [ANY, "unlisted"]:
        for action in _NEVER:
            assert isinstance(decide(policy, Situation(Action(action), name, **best, sourced=True)), Deny)  # type: ignore[arg-type]
        assert isinstance(decide(policy, Situation(Action.IMPORT, name, **best)), Deny)  # type: ignore[arg-type]
        if context in {Context.WORK, Context.EDUCATION}:
            assert isinstance(decide(policy, Situation(Action.EXPRESSION, name, **best)), Deny)  # type: ignore[arg-type]
        if context is Context.LAW_ENFORCEMENT:
            assert isinstance(decide(policy, Situation(Action.WATCH_IDENTIFY, name, **best)), Deny)  # type: ignore[arg-type]
        if context is Context.PUBLIC_SPACE:
            found = decide(policy, Situation(Action.SEARCH, name, **best))  # type: ignore[arg-type]
            assert isinstance(found, Deny) or (approved and found.review == 2)


def test_the_generated_files_are_not_all_refused() -> None:
    """Else the property above would hold of nothing."""
    table = {
        "name": "door",
        "basis": "a",
        "condition": "a",
        "contexts": list(Context),
        "actions": [one for one in Action if one not in _NEVER and one is not Action.PHOTO],
        "retention_days": 30,
        "real_time": True,
    }
    policy = parse_policy(_toml([table])).policy
    found = decide(policy, Situation(Action.SEARCH, "door", context=Context.PUBLIC_SPACE, approved=True))
    assert isinstance(found, Allow)


def test_a_named_file_is_the_policy_and_a_broken_one_lets_nothing_begin(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    assert policy_in_force(Settings(data_dir=tmp_path)).sha256 == BUILT_IN.sha256
    file.write_text(HEAD + PURPOSE)
    assert policy_in_force(Settings(data_dir=tmp_path, policy_file=file)).controller.name == "A"
    file.write_text(HEAD)
    configured = Settings(data_dir=tmp_path, policy_file=file)
    with opened(configured) as deployment, pytest.raises(RequestInvalid):
        opened_means(configured, deployment.engine, cast(FaceReader, None)).__enter__()


def test_workers_can_read_expressions_only_where_the_policy_lets_somebody(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(HEAD + PURPOSE)
    assert _environment(Settings(data_dir=tmp_path))["MORETTA_ALLOW_EXPRESSION"] == "False"
    assert _environment(Settings(data_dir=tmp_path, allow_expression=True))["MORETTA_ALLOW_EXPRESSION"] == "True"
    by_file = Settings(data_dir=tmp_path, allow_expression=True, policy_file=file)
    assert _environment(by_file)["MORETTA_ALLOW_EXPRESSION"] == "False", "the file decides where there is one"
    clinic = parse_policy(preset_text("clinic").encode()).policy
    assert reads_expressions(clinic)
    require_expression(clinic, "pain monitoring")
    require_expression(clinic, None)
    require_expression(built_in(expression=True), None)
    for policy, purpose in ((clinic, "patient identification"), (BUILT_IN, None)):
        with pytest.raises(PolicyProhibited) as refused:
            require_expression(policy, purpose)
        assert refused.value.legal_ref == "AI Act Art. 5(1)(f)"


def test_a_change_of_the_policy_is_in_the_log_from_the_next_start_on(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(HEAD + PURPOSE)
    told = []
    for policy_file in (None, None, file, file, None):
        configured = Settings(data_dir=tmp_path / "data", policy_file=policy_file)
        with opened(configured) as deployment:
            with opened_means(configured, deployment.engine, cast(FaceReader, None)) as means:
                means.region(None)
                expected = means.guard.policy.sha256
            with deployment.engine.connect() as connection:
                leaves = connection.execute(select(log_entries.c.leaf).order_by(log_entries.c.entry_index)).scalars()
                changes = [json.loads(leaf) for leaf in leaves]
        told.append(len(changes))
        assert changes[-1]["kind"] == EntryKind.POLICY_CHANGED
        assert changes[-1]["facts"]["sha256"] == expected
        assert changes[-1]["company_id"] == deployment.company_id
    assert told == [1, 1, 2, 2, 3]


def test_every_preset_is_in_the_package() -> None:
    for name in PRESETS:
        assert preset_text(name).startswith("#")
