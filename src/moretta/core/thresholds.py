"""At which similarity the shipped embedders meet a false match rate, as measured.

Belongs here: data, written by `python -m training.calibrate_recognition`; never edited by hand.
Does not belong here: which rate a collection takes (see `use_cases.recognition.thresholds`).

Source: LFW development people, 3,027 photos of 1,615 people (at most ten of each), 4,516 genuine and 4,575,335 impostor
comparisons, model mobilefacenet:d8ba40c0127f. A rate stands here only where at least 30 false matches were expected.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class MeasuredThreshold:
    """The similarity from which strangers match at the rate `fmr`, and the FNMR there; 95 % intervals by subject."""

    fmr: float
    similarity: float
    similarity_interval: tuple[float, float]
    fnmr: float
    fnmr_interval: tuple[float, float]


SOURCE = "LFW development people"

THRESHOLDS: Mapping[str, tuple[MeasuredThreshold, ...]] = MappingProxyType(
    {
        "mobilefacenet": (
            MeasuredThreshold(0.01, 0.350, (0.346, 0.353), 0.0040, (0.001, 0.0084)),
            MeasuredThreshold(0.001, 0.454, (0.449, 0.459), 0.0140, (0.0062, 0.0249)),
            MeasuredThreshold(0.0001, 0.532, (0.524, 0.543), 0.0379, (0.0244, 0.0557)),
            MeasuredThreshold(1e-05, 0.601, (0.577, 0.625), 0.0793, (0.0494, 0.1162)),
        ),
    }
)
