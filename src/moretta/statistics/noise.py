"""The only place where noise is drawn: the discrete Laplace mechanism of OpenDP.

Belongs here: the port, and OpenDP behind it. Does not belong here: what is counted, what is spent.

OpenDP takes its randomness from the operating system; there is no seed. Tests that need the same figures twice implement
`Mechanism`.
"""

import math
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, Protocol

from moretta.core.errors import ExtraMissing, RequestInvalid

# Far beyond any figure of a site, and far from where 64-bit integers end.
_MOST_SENSITIVE = 10**9


class Measurement(Protocol):
    """A mechanism set up for one sensitivity and epsilon."""

    @property
    def scale(self) -> float:
        """That of the discrete Laplace noise which each value gets."""

    def release(self, values: Sequence[int]) -> tuple[int, ...]:
        """`values`, each with noise of its own, drawn anew at every call."""


class Mechanism(Protocol):
    """Where measurements come from."""

    @property
    def name(self) -> str:
        """What a release names as its mechanism, the library's version included."""

    def measurement(self, sensitivity: int, epsilon: float) -> Measurement:
        """Noise that makes values which one visit changes by at most `sensitivity` (L1) epsilon-private.

        Raises:
            RequestInvalid: a sensitivity below 1 or an epsilon that is not above 0.
        """


class OpenDpLaplace:
    """`Mechanism` over OpenDP. Loads the library when made, so that a process can be confined afterwards.

    Raises:
        ExtraMissing: OpenDP is not installed.
    """

    def __init__(self) -> None:
        try:
            import opendp.prelude as dp
        except ModuleNotFoundError as error:
            raise ExtraMissing(
                "anonymous statistics need OpenDP; install it with `pip install 'moretta[statistics]'`"
            ) from error
        # The Laplace constructor is reviewed and proven, but OpenDP has all of its constructors behind this switch.
        dp.enable_features("contrib")
        self._opendp: Any = dp
        self._name = f"discrete-laplace/opendp-{version('opendp')}"
        self._made: dict[tuple[int, float], OpenDpMeasurement] = {}

    @property
    def name(self) -> str:
        """As `Mechanism.name`."""
        return self._name

    def measurement(self, sensitivity: int, epsilon: float) -> "OpenDpMeasurement":
        """As `Mechanism.measurement`; OpenDP's own privacy map of it is at most `epsilon`."""
        if not 1 <= sensitivity <= _MOST_SENSITIVE or not 0 < epsilon < math.inf:
            raise RequestInvalid(
                f"expected a sensitivity from 1 and an epsilon above 0, got {sensitivity} and {epsilon:g}"
            )
        made = self._made.get((sensitivity, epsilon))
        if made is None:
            # A site asks for the same few over and over; they hold no noise.
            made = self._made[sensitivity, epsilon] = self._measurement(sensitivity, epsilon)
        return made

    def _measurement(self, sensitivity: int, epsilon: float) -> "OpenDpMeasurement":
        dp = self._opendp
        space = dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64")
        scale = sensitivity / epsilon
        measurement = dp.m.make_laplace(*space, scale=scale)
        while measurement.map(sensitivity) > epsilon:  # the map rounds up: the next scales pay for it
            scale = math.nextafter(scale, math.inf)
            measurement = dp.m.make_laplace(*space, scale=scale)
        return OpenDpMeasurement(measurement, scale)


class OpenDpMeasurement:
    """`Measurement` of OpenDP."""

    def __init__(self, measurement: Any, scale: float) -> None:
        self._measurement, self._scale = measurement, scale

    @property
    def scale(self) -> float:
        """As `Measurement.scale`."""
        return self._scale

    def loss(self, distance: int) -> float:
        """By OpenDP's own map: the epsilon at which values are told apart that differ by `distance` (L1)."""
        return float(self._measurement.map(distance))

    def release(self, values: Sequence[int]) -> tuple[int, ...]:
        """As `Measurement.release`."""
        return tuple(self._measurement(list(values)))
