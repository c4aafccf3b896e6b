"""Stand-ins for `statistics.noise.Mechanism`: without noise, and with too little of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from moretta.statistics.noise import Measurement, Mechanism


@dataclass(frozen=True)
class NoNoise:
    """Releases the truth, and remembers how often it was asked to; for tests that compare figures."""

    name: str = "no-noise-for-tests-only"
    draws: list[int] = field(default_factory=list)
    asked: list[tuple[int, float]] = field(default_factory=list)

    def measurement(self, sensitivity: int, epsilon: float) -> "Truth":
        self.asked.append((sensitivity, epsilon))
        return Truth(sensitivity / epsilon, self.draws)


@dataclass(frozen=True)
class Truth:
    scale: float
    draws: list[int]

    def release(self, values: Sequence[int]) -> tuple[int, ...]:
        self.draws.append(len(values))
        return tuple(values)


@dataclass(frozen=True)
class TooLittleNoise:
    """A broken mechanism: it claims `epsilon` and adds the noise of `times` as much."""

    honest: Mechanism
    times: float = 2.0
    name: str = "too-little-noise-for-tests-only"

    def measurement(self, sensitivity: int, epsilon: float) -> "Understated":
        claimed = self.honest.measurement(sensitivity, epsilon).scale
        return Understated(claimed, self.honest.measurement(sensitivity, epsilon * self.times))


@dataclass(frozen=True)
class Understated:
    scale: float
    real: Measurement

    def release(self, values: Sequence[int]) -> tuple[int, ...]:
        return self.real.release(values)
