"""Policies for tests that are about something else than policies."""

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
