"""What is in force around a worker, as plain values.

Belongs here: the vocabulary that the mechanisms, the worker, the pool, `moretta doctor` and `/readyz` share.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum


class Mode(StrEnum):
    """What happens where the kernel does not give all of the sandbox."""

    REQUIRED = "required"
    BEST_EFFORT = "best-effort"


class Level(StrEnum):
    """How much of a mechanism is in force."""

    FULL = "full"
    PARTIAL = "partial"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Support:
    """How much of a mechanism there is, and `detail` in words for the operator: what holds, or what is missing and why."""

    level: Level
    detail: str


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One thing the kernel can deny a worker.

    `before_loading` runs while the process has a single thread and nothing but the standard library; what it denies must
    leave reading model files possible. `after_loading` runs once the models are warm, before the first media is received.
    Both return what is then in force and raise `OSError` where the kernel refuses. Without an `essential` mechanism the
    mode `required` refuses to start; the others are second walls behind one that is essential.
    """

    name: str
    available: Callable[[], Support]
    before_loading: Callable[[], Support] | None = None
    after_loading: Callable[[], Support] | None = None
    essential: bool = True


@dataclass(frozen=True, slots=True)
class MechanismStatus:
    """What is in force of one mechanism."""

    name: str
    level: Level
    detail: str
    essential: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """Something that a confined worker tried before it took any media; `denied` tells whether the kernel stopped it."""

    what: str
    denied: bool


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a worker reported about itself: each mechanism, and what it tried and could not do."""

    mechanisms: tuple[MechanismStatus, ...]
    attempts: tuple[Attempt, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """Why the mode `required` would refuse: one sentence for each essential mechanism or denial that is not there."""
        absent = [f"{m.name}: {m.detail}" for m in self.mechanisms if m.essential and m.level is Level.NONE]
        possible = [f"a worker can still {attempt.what}" for attempt in self.attempts if not attempt.denied]
        return (*absent, *possible)

    @property
    def complete(self) -> bool:
        """Whether everything that the mode `required` asks for is in force."""
        return bool(self.mechanisms) and not self.missing

    def to_json(self) -> bytes:
        """The report as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> "Confinement":
        """Read a report.

        Raises:
            ValueError: it has another shape.
        """
        try:
            value = json.loads(raw)
            mechanisms = tuple(
                MechanismStatus(str(m["name"]), Level(m["level"]), str(m["detail"]), bool(m["essential"]))
                for m in value["mechanisms"]
            )
            attempts = tuple(Attempt(str(a["what"]), a["denied"] is True) for a in value["attempts"])
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError("expected a confinement report with mechanisms and attempts") from error
        return cls(mechanisms, attempts)
