"""What a command run in the test's own process wrote."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """What a command wrote, and its exit status."""

    status: int
    out: str
    err: str


Moretta = Callable[..., Told]
