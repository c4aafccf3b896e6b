"""From measurements to a calibration.

Out-of-fold everywhere: the weights are fitted on log-likelihood ratios of people whom the ratios were not fitted on.

Belongs here: choices of fitting. Does not belong here: densities and regression (`moretta.evaluation.likelihood`), and figures
for the card.
"""

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.values import Measurement, MediaKind
from moretta.evaluation.likelihood import MOST_WEIGHT, Mapping, Weights, fit_mapping, fit_weights
from moretta.evaluation.pad import auc, balanced_weights, cllr
from moretta.trust import conditions
from moretta.trust.fuse import MIN_FACE_PX
from training.trust.items import Item

FITTED_SPECIES = {
    MediaKind.VIDEO: ("print", "screen", "frozen", "loop", "swap"),
    MediaKind.IMAGE: ("print", "screen", "swap"),
}
# Which side is genuine, as the cue's published basis has it; 0 where either extreme may betray an attack.
DIRECTIONS = {
    "planar_motion": 1,
    "facial_motion": 1,
    "surround_coherence": 1,
    "blink_dynamics": 1,
    "pulse_presence": 1,
    "pulse_coherence": 1,
    "frozen_frames": 1,
    "repeated_frames": 1,
    "identity_stability": 0,
    "boundary_sharpness": 0,
    "inner_detail": 0,
    "noise_inconsistency": 0,
    "moire_peaks": -1,
    "spectral_falloff": 0,
    "tone_range": 1,
    "colour_diversity": 0,
    "highlights": 0,
    "print_texture": -1,
    "screen_texture": -1,
    "anti_spoofing_model": -1,
    "learned_blending": -1,
}
# Shares of genuine videos known to look like attacks to a cue, whatever four people show. People at rest blink 17 times a
# minute (Bentivoglio et al. 1997), so a fifth of windows of 5.6 s holds no blink (exp(-1.6)). A camera held by hand moves face
# and background alike (Anjos et al. 2014 film from a stand): we allow for three videos in ten.
ALIKE = {"blink_dynamics": 0.2, "surround_coherence": 0.3, "learned_blending": 0.3}
# Weights before any data: 1 for a cue that alone answers for a species; where several answer for the same, they share.
STANDS_ALONE = frozenset({"frozen_frames", "repeated_frames", "learned_blending"})
SHARED = 0.35
# The blending detector was trained on frames of the four clips that the video side is fitted on, where it therefore looks
# better than it is: on video it gets half a vote before scaling, and the allowance above. Of stills it saw 1,200 people.
MOST = {"learned_blending": 0.5}
MIN_VALUES = 8
MIN_UNITS = 2  # of the people left when one of the four of the clips is out; ratios then shrink by half
# A cue votes if, on people whom it was not fitted on, it orders at least one species this well and misleads about all of them
# together hardly more than a coin.
LEAST_AUC_OF_A_SPECIES = 0.65
LEAST_AUC = 0.45
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
LEAST_SIGMA = 0.5
MOST_SCALE = 2.0


@dataclass(frozen=True, slots=True)
class Row:
    """An item and what was measured of it."""

    item: Item
    found: dict[str, Measurement]

    @property
    def usable(self) -> bool:
        seen = self.found.get(conditions.NAME)
        return seen is not None and seen.value is not None and seen.value >= MIN_FACE_PX


@dataclass(frozen=True, slots=True)
class Fitted:
    """The calibration of one kind. `dropped` says why a cue has no vote."""

    kind: MediaKind
    mappings: dict[str, Mapping]
    weights: dict[str, float]
    intercept: float
    sigma: float
    penalty: float
    dropped: dict[str, str]

    def as_json(self) -> dict[str, object]:
        cues = {
            name: {
                "weight": round(self.weights.get(name, 0.0), 3),
                "knots": [round(float(k), 5) for k in mapping.knots],
                "log_ratios": [round(float(r), 3) for r in mapping.log_ratios],
            }
            for name, mapping in self.mappings.items()
        }
        return {"intercept": round(self.intercept, 3), "sigma": round(self.sigma, 3), "cues": cues}


def fit(rows: list[Row], kind: MediaKind) -> Fitted:
    """The calibration for `kind` from the fitting side of the split."""
    species = ("genuine", *FITTED_SPECIES[kind])
    rows = [r for r in rows if r.item.kind is kind and r.item.part == "fit" and r.usable and r.item.species in species]
    folds = _folds(rows, kind)
    mappings: dict[str, Mapping] = {}
    columns: dict[str, npt.NDArray[np.float64]] = {}
    dropped: dict[str, str] = {}
    for name in DIRECTIONS:
        mapping = _mapping(rows, name)
        if mapping is None:
            dropped[name] = "too few values to fit"
            continue
        mappings[name] = mapping
        ratios = _out_of_fold(rows, name, folds)
        reason = _unfit(rows, ratios)
        if reason:
            dropped[name] = reason
        else:
            coverage = np.array([r.found[name].coverage if name in r.found else 0.0 for r in rows])
            columns[name] = np.nan_to_num(ratios) * coverage
    names = sorted(columns)
    evidence = np.stack([columns[name] for name in names], axis=1)
    genuine = np.array([r.item.species == "genuine" for r in rows])
    balance = balanced_weights([r.item.species for r in rows])
    limits = MOST if kind is MediaKind.VIDEO else {}
    most = np.array([limits.get(name, MOST_WEIGHT) for name in names])
    prior = np.minimum([1.0 if name in STANDS_ALONE else SHARED for name in names], most)
    penalty, totals = _best_penalty(evidence, genuine, balance, folds, prior, most)
    weights = _scaled(fit_weights(evidence, genuine, balance, penalty, prior, most), totals, genuine, balance)
    for name, weight in zip(names, weights.columns, strict=True):
        if weight < 0.02:
            dropped[name] = "adds nothing to the other cues"
    kept = {n: float(w) for n, w in zip(names, weights.columns, strict=True) if w >= 0.02}
    return Fitted(kind, mappings, kept, weights.intercept, _sigma(rows, totals), penalty, dropped)


def calibration_json(image: Fitted, video: Fitted) -> str:
    """The file that the package ships."""
    made = "made by training/calibrate_trust.py; see docs/model-cards/trust-score.md"
    return json.dumps({"note": made, "image": image.as_json(), "video": video.as_json()}, indent=1) + "\n"


def _folds(rows: list[Row], kind: MediaKind) -> npt.NDArray[np.int64]:
    """The fold of each row: one a person for the few of the clips, five by hash for stills."""
    if kind is MediaKind.VIDEO:
        units = sorted({r.item.unit for r in rows})
        return np.array([units.index(r.item.unit) for r in rows])
    return np.array([hashlib.sha256(r.item.unit.encode()).digest()[0] % 5 for r in rows])


def _value(row: Row, name: str) -> float:
    found = row.found.get(name)
    return np.nan if found is None or found.value is None else found.value


def _mapping(rows: list[Row], name: str) -> Mapping | None:
    values = np.array([_value(r, name) for r in rows])
    known = np.isfinite(values)
    genuine = np.array([r.item.species == "genuine" for r in rows]) & known
    attack = known & ~genuine
    units = len({r.item.unit for r, g in zip(rows, genuine, strict=True) if g})
    if genuine.sum() < MIN_VALUES or attack.sum() < MIN_VALUES or units < MIN_UNITS:
        return None
    balance = balanced_weights([r.item.species for r, a in zip(rows, attack, strict=True) if a])
    alike = ALIKE.get(name, 0.0) if rows[0].item.kind is MediaKind.VIDEO else 0.0
    return fit_mapping(values[genuine], values[attack], balance, units, DIRECTIONS[name], alike)


def _out_of_fold(rows: list[Row], name: str, folds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """The ratio of each row under a mapping fitted without its fold; NaN where there is none."""
    ratios = np.full(len(rows), np.nan)
    values = np.array([_value(r, name) for r in rows])
    for fold in np.unique(folds):
        mapping = _mapping([r for r, f in zip(rows, folds, strict=True) if f != fold], name)
        here = (folds == fold) & np.isfinite(values)
        if mapping is not None:
            ratios[here] = mapping(values[here])
    return ratios


def _unfit(rows: list[Row], ratios: npt.NDArray[np.float64]) -> str:
    """Why a cue with these out-of-fold ratios shall not vote, or nothing."""
    known = np.isfinite(ratios)
    species = np.array([r.item.species for r in rows])
    genuine = ratios[known & (species == "genuine")]
    found = {}
    for name in sorted(set(species) - {"genuine"}):
        attacks = ratios[known & (species == name)]
        if len(attacks) >= MIN_VALUES and len(genuine) >= MIN_VALUES:
            found[name] = auc(genuine, attacks)
    if not found:
        return "too few values to judge"
    best, mean = max(found.values()), float(np.mean(list(found.values())))
    if best < LEAST_AUC_OF_A_SPECIES or mean < LEAST_AUC:
        return f"does not discriminate between people of the fitting side (best AUC {best:.2f}, mean {mean:.2f})"
    return ""


def _best_penalty(
    evidence: npt.NDArray[np.float64],
    genuine: npt.NDArray[np.bool_],
    balance: npt.NDArray[np.float64],
    folds: npt.NDArray[np.int64],
    prior: npt.NDArray[np.float64],
    most: npt.NDArray[np.float64],
) -> tuple[float, npt.NDArray[np.float64]]:
    """The penalty of the lowest cost on people left out, and the summed ratios out of fold under it."""
    tried = []
    for penalty in PENALTIES:
        totals = np.zeros(len(evidence))
        for fold in np.unique(folds):
            others = folds != fold
            weights: Weights = fit_weights(evidence[others], genuine[others], balance[others], penalty, prior, most)
            totals[~others] = weights(evidence[~others])
        tried.append((cllr(totals[genuine], totals[~genuine]), penalty, totals))
    _, penalty, totals = min(tried, key=lambda trial: trial[0])
    return penalty, totals


def _scaled(
    weights: Weights, totals: npt.NDArray[np.float64], genuine: npt.NDArray[np.bool_], balance: npt.NDArray[np.float64]
) -> Weights:
    """The weights times the scale from 1 to `MOST_SCALE` that makes the ratios of people left out most honest."""
    sign = np.where(genuine, 1.0, -1.0)
    scales = np.linspace(1.0, MOST_SCALE, 21)
    costs = [float(balance @ np.logaddexp(0, -sign * scale * totals)) for scale in scales]
    scale = float(scales[int(np.argmin(costs))])
    return Weights(weights.columns * scale, weights.intercept * scale)


def _sigma(rows: list[Row], totals: npt.NDArray[np.float64]) -> float:
    """The spread between people of the summed ratio of genuine items."""
    by_unit: dict[str, list[float]] = {}
    for row, total in zip(rows, totals, strict=True):
        if row.item.species == "genuine":
            by_unit.setdefault(row.item.unit, []).append(float(total))
    return max(LEAST_SIGMA, float(np.std([np.mean(values) for values in by_unit.values()], ddof=1)))
