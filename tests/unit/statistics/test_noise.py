"""OpenDP's discrete Laplace noise, as it is claimed."""

import os
import subprocess
import sys

import numpy as np
import pytest

from moretta.core.errors import ExtraMissing, RequestInvalid
from moretta.statistics.noise import OpenDpLaplace


@pytest.fixture(scope="module")
def opendp() -> OpenDpLaplace:
    return OpenDpLaplace()


@pytest.mark.parametrize("sensitivity", [1, 2, 3, 24, 300, 600, 7200])
@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1 / 11, 1 / 3, 0.5, 1.0, 2.0, 10.0])
def test_opendps_own_privacy_map_is_at_most_the_claim(opendp: OpenDpLaplace, sensitivity: int, epsilon: float) -> None:
    measurement = opendp.measurement(sensitivity, epsilon)
    assert measurement.loss(sensitivity) <= epsilon
    assert measurement.scale == pytest.approx(sensitivity / epsilon, rel=1e-12)


@pytest.mark.parametrize(("sensitivity", "epsilon"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -1.0), (1, float("inf"))])
def test_noise_that_would_be_none_is_refused(opendp: OpenDpLaplace, sensitivity: int, epsilon: float) -> None:
    with pytest.raises(RequestInvalid, match="above 0"):
        opendp.measurement(sensitivity, epsilon)


def test_noise_is_spread_as_the_discrete_laplace_distribution(opendp: OpenDpLaplace) -> None:
    """Chi squared over 11 classes, 4,000 draws: a sound mechanism fails once in 100,000 runs (the 1 - 1e-5 quantile at 10 degrees
    of freedom is 41.3)."""
    drawn = np.array(opendp.measurement(2, 1.0).release([100] * 4000)) - 100
    p = np.exp(-0.5)
    inner = [(1 - p) / (1 + p) * p ** abs(k) for k in range(-4, 5)]
    tail = (1 - sum(inner)) / 2
    expected = np.array([tail, *inner, tail]) * len(drawn)
    seen = np.array([(drawn < -4).sum(), *((drawn == k).sum() for k in range(-4, 5)), (drawn > 4).sum()])
    assert float(((seen - expected) ** 2 / expected).sum()) < 41.3


def test_a_forked_process_draws_noise_of_its_own() -> None:
    """40 values of scale 1,000 are the same by chance once in more than 10^100 runs."""
    code = (
        "import os\n"
        "from moretta.statistics.noise import OpenDpLaplace\n"
        "noise = OpenDpLaplace().measurement(1000, 1.0)\n"
        "noise.release([0])\n"
        "child = os.fork()\n"
        "print(noise.release([0] * 40), flush=True)\n"
        "os._exit(0) if child == 0 else os.waitpid(child, 0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    lines = run.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0] != lines[1]


def test_without_the_library_the_answer_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opendp.prelude", None)
    with pytest.raises(ExtraMissing, match=r"moretta\[statistics\]"):
        OpenDpLaplace()
