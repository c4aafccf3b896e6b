"""The policy in force: the file that the settings name, or the built-in one.

Belongs here: finding it, and what it says of analyses. Does not belong here: deciding (see `core.policy`), guarding recognition
(see `use_cases.guard`), writing into the log that it changed (see `recognition`).
"""

from moretta.core.policy import Action, Allow, Policy, Situation, built_in, decide
from moretta.settings import Settings
from moretta.wiring.policy_file import read_policy


def policy_in_force(settings: Settings) -> Policy:
    """The policy of the settings.

    Raises:
        NotFound, RequestInvalid: the file that they name cannot be used; then nothing is allowed to begin.
    """
    if settings.policy_file is None:
        return built_in(expression=settings.allow_expression)
    return read_policy(settings.policy_file).policy


def reads_expressions(policy: Policy) -> bool:
    """Whether expressions may be read for any purpose at all: otherwise workers do not even load the model."""
    return any(
        isinstance(decide(policy, Situation(Action.EXPRESSION, purpose=one.name)), Allow) for one in policy.purposes
    )
