"""The mechanisms that confine a worker, in the order in which they are applied.

Belongs here: the standard set. Tests hand a worker another one by naming a function with `standard`'s signature.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moretta.sandbox import landlock, limits, namespaces, privileges, seccomp
from moretta.sandbox.confinement import Level, Mechanism, MechanismStatus, Support


@dataclass(frozen=True, slots=True)
class Terms:
    """What the mechanisms need to know: the server's process, the memory in bytes, and directories that stay readable."""

    parent_pid: int
    memory_bytes: int
    readable: tuple[Path, ...] = ()


def standard(terms: Terms) -> tuple[Mechanism, ...]:
    """All that this project knows to deny, each independent of the others.

    The network namespace is a second wall behind seccomp, and not every container lets a process have one.
    """
    return (
        Mechanism("network namespace", namespaces.available, before_loading=namespaces.apply, essential=False),
        Mechanism(
            "privileges",
            privileges.available,
            before_loading=lambda: privileges.apply_for_loading(terms.parent_pid),
            after_loading=privileges.apply,
        ),
        Mechanism(
            "limits",
            limits.available,
            before_loading=lambda: limits.apply_for_loading(terms.memory_bytes),
            after_loading=lambda: limits.apply(terms.memory_bytes),
        ),
        Mechanism(
            "landlock",
            landlock.available,
            before_loading=landlock.apply_read_only,
            after_loading=lambda: landlock.apply(terms.readable),
        ),
        Mechanism("seccomp", seccomp.available, after_loading=lambda: seccomp.apply(may_read=bool(terms.readable))),
    )


class Confiner:
    """Applies mechanisms in two steps and remembers what came of each."""

    def __init__(self, mechanisms: Sequence[Mechanism]) -> None:
        self._mechanisms = mechanisms
        self._found: dict[str, Support] = {}

    def before_loading(self) -> None:
        """Apply what must, or can, be in force before models are loaded."""
        for mechanism in self._mechanisms:
            self._found[mechanism.name] = mechanism.available()
            self._apply(mechanism, mechanism.before_loading)

    def after_loading(self) -> tuple[MechanismStatus, ...]:
        """Apply the rest, and tell what is now in force."""
        for mechanism in self._mechanisms:
            self._apply(mechanism, mechanism.after_loading)
        return tuple(
            MechanismStatus(m.name, self._found[m.name].level, self._found[m.name].detail, m.essential)
            for m in self._mechanisms
        )

    def _apply(self, mechanism: Mechanism, step: Callable[[], Support] | None) -> None:
        if step is None or self._found[mechanism.name].level is Level.NONE:
            return
        try:
            self._found[mechanism.name] = step()
        except OSError as error:
            self._found[mechanism.name] = Support(Level.NONE, error.strerror or str(error))
