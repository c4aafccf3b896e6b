"""Policies for tests that are about something else than policies."""

from pathlib import Path

from moretta.core.policy import (
    ANY,
    Action,
    Basis,
    Condition,
    Context,
    Controller,
    Output,
    Policy,
    Purpose,
)

# Any purpose, without a consent: what a test of enrolling or searching wants to say nothing about.
OPEN = Policy(
    Controller("a test"),
    (
        Purpose(
            ANY,
            Basis.CONSENT,
            Condition.EXPLICIT_CONSENT,
            contexts=frozenset({Context.OTHER}),
            actions=frozenset(Action),
            outputs=frozenset(Output),
            consent_required=False,
        ),
    ),
    "open",
)
# Nothing at all.
CLOSED = Policy(Controller("a test"), (), "closed")


def open_policy_file(folder: Path, *purposes: str) -> Path:
    """A policy file by which people may be enrolled for these purposes without a consent: on a public task, by law."""
    actions = (
        "collection",
        "enrol",
        "import",
        "read",
        "verify",
        "compare",
        "search",
        "photo",
        "export",
        "reissue",
        "reenrol",
    )
    listed = "".join(
        f"""
[[purposes]]
name = "{purpose}"
basis = "e"
condition = "g"
contexts = ["other"]
actions = [{", ".join(f'"{action}"' for action in actions if action != "compare" or number == 0)}]
retention_days = 36500
outputs = ["bands", "photo"]
consent_required = false
"""
        for number, purpose in enumerate(purposes)
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "policy.toml"
    path.write_text(f'[controller]\nname = "a test"\n{listed}')
    return path
