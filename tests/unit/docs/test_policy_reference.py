"""The reference of the policy file names everything that a file can say, and every refusal."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from moretta.core.policy import Action, Basis, Condition, Context, Minors, Output, Purpose, Situation
from moretta.use_cases.guard import _ERRORS
from moretta.wiring.policy_file import PRESETS

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def reference() -> str:
    return (DOCS / "reference" / "policy.md").read_text()


def test_every_field_word_and_refusal_is_in_the_reference(reference: str) -> None:
    told = set(re.findall(r"`\"?([^`\"\s]+)\"?`", reference))
    expected = {one.name for one in fields(Purpose)} | {one.name for one in fields(Situation)}
    expected |= {value.value for kind in (Action, Context, Minors, Output) for value in kind}
    expected |= set(_ERRORS)
    assert expected <= told, sorted(expected - told)
    assert f"`{min(Basis)}` to `{max(Basis)}`" in reference
    assert f"`{min(Condition)}` to `{max(Condition)}`" in reference


def test_the_guide_names_every_preset_and_command() -> None:
    guide = (DOCS / "how-to" / "policy.md").read_text()
    for words in (*PRESETS, "policy check", "policy test", "policy explain", "approvals grant", "reviews list"):
        assert words in guide
