"""The calibration of the fusion: what `training/calibrate_trust.py` fits and writes as `calibration.json`.

Belongs here: its shape and its reading. Does not belong here: fitting.
"""

import json
from dataclasses import dataclass
from importlib import resources

import numpy as np

from moretta.core.values import MediaKind


@dataclass(frozen=True, slots=True)
class CueCalibration:
    """How one cue's value becomes evidence: `log_ratios` (nats) at the rising `knots`, straight lines between, flat beyond.

    `weight` is what the fusion gives to it, 0 where it did not discriminate on people it was not fitted on.
    """

    weight: float
    knots: tuple[float, ...]
    log_ratios: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = all(a < b for a, b in zip(self.knots, self.knots[1:], strict=False))
        if len(self.knots) != len(self.log_ratios) or not self.knots or not rising or self.weight < 0:
            raise ValueError("expected rising knots with one log ratio each and a weight of at least 0")

    def log_likelihood_ratio(self, value: float) -> float:
        """Natural-log likelihood ratio of genuine against attack at `value`."""
        return float(np.interp(value, self.knots, self.log_ratios))


@dataclass(frozen=True, slots=True)
class KindCalibration:
    """The calibration for stills or for video. `sigma` (nats): standard error of the summed log ratio."""

    intercept: float
    sigma: float
    cues: dict[str, CueCalibration]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Both kinds."""

    image: KindCalibration
    video: KindCalibration

    def of(self, kind: MediaKind) -> KindCalibration:
        """The calibration for `kind`."""
        return self.image if kind is MediaKind.IMAGE else self.video


def read_calibration() -> Calibration:
    """The calibration that this release was shipped with.

    Raises:
        ValueError: the file does not have the shape above; the installation is damaged.
    """
    return parse_calibration(resources.files("moretta.trust").joinpath("calibration.json").read_text("utf-8"))


def parse_calibration(text: str) -> Calibration:
    """The calibration in JSON `text`.

    Raises:
        ValueError: it has another shape.
    """
    try:
        raw = json.loads(text)
        return Calibration(_kind(raw["image"]), _kind(raw["video"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            "expected a calibration with `image` and `video`, each with intercept, sigma and cues"
        ) from error


def _kind(raw: dict[str, object]) -> KindCalibration:
    cues = raw["cues"]
    if not isinstance(cues, dict):
        raise TypeError
    return KindCalibration(_number(raw["intercept"]), _number(raw["sigma"]), {k: _cue(v) for k, v in cues.items()})


def _cue(raw: dict[str, object]) -> CueCalibration:
    knots, ratios = raw["knots"], raw["log_ratios"]
    if not isinstance(knots, list) or not isinstance(ratios, list):
        raise TypeError
    return CueCalibration(_number(raw["weight"]), tuple(map(_number, knots)), tuple(map(_number, ratios)))


def _number(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError
    return float(raw)
