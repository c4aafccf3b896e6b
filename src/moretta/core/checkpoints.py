"""Named steps of a write, at which tests end the process or raise.

Belongs here: what every store's steps have in common. Does not belong here: the checkpoints of a log (see `ledger`).
"""

from collections.abc import Callable

# Called with the name of a step, before the next one.
Checkpoint = Callable[[str], None]


def no_checkpoint(_step: str) -> None:
    """Do nothing, as outside tests."""
