"""The figures of the card: the shipped fusion applied to the reporting side of the split.

Belongs here: numbers. Does not belong here: words.
"""

import math
import re
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from moretta.core.values import MediaKind
from moretta.evaluation import pad
from moretta.trust.fuse import CalibratedFusion
from training.trust.fitting import FITTED_SPECIES, Row

Interval = tuple[float, float, float]  # value, low, high
MIDDLE = 5.0


@dataclass(frozen=True, slots=True)
class SpeciesFigures:
    """One species (or genuine) on one side of the split."""

    name: str
    items: int
    units: int
    without_score: int
    mean_score: float
    auc: Interval | None
    rate_at_middle: Interval | None


@dataclass(frozen=True, slots=True)
class CueFigures:
    """One cue: its weight, how often it spoke, and its AUC for each species."""

    name: str
    weight: float
    measured: float
    aucs: dict[str, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one kind of media."""

    kind: MediaKind
    species: list[SpeciesFigures]
    auc_all: Interval
    worst_apcer: float
    bpcer_at: dict[float, Interval]
    bpcer_at_each: dict[str, float]
    cllr: Interval
    calibration_error: float
    bins: list[pad.ReliabilityBin]
    cues: list[CueFigures]
    reasons: dict[str, int] = field(default_factory=dict)


def judge(rows: list[Row], kind: MediaKind, fusion: CalibratedFusion, part: str = "report") -> Figures:
    """The figures of `kind` on `part`."""
    rows = [r for r in rows if r.item.kind is kind and r.item.part == part]
    reports = [fusion.report(kind, row.found) for row in rows]
    scores = np.array([np.nan if report.score is None else report.score for report in reports])
    names = np.array([row.item.species for row in rows])
    units = [row.item.unit for row in rows]
    scored = np.isfinite(scores)
    order = ["genuine", *[s for s in dict.fromkeys(names.tolist()) if s != "genuine"]]
    fitted = [s for s in FITTED_SPECIES[kind] if (scored & (names == s)).any()]
    reasons: dict[str, int] = {}
    for row, report in zip(rows, reports, strict=True):
        if row.item.species == "genuine":
            for reason in report.insufficient:
                words = re.sub(r"[0-9]+(\.[0-9]+)?", "N", reason, count=1)
                reasons[words] = reasons.get(words, 0) + 1
    inside = scored & np.isin(names, ["genuine", *fitted])
    kept = _Kept(scores[inside], names[inside], [u for u, i in zip(units, inside, strict=True) if i])
    ratios = np.log(np.clip(kept.scores / 10, 1e-4, 1 - 1e-4) / np.clip(1 - kept.scores / 10, 1e-4, 1))
    genuine = kept.names == "genuine"
    bins = pad.reliability(kept.scores / 10, genuine, pad.balanced_weights(kept.names.tolist()))
    return Figures(
        kind=kind,
        species=[_species(name, scores, names, units) for name in order],
        auc_all=kept.interval(lambda s, n: pad.auc(s[n == "genuine"], s[n != "genuine"])),
        worst_apcer=pad.worst_apcer({s: kept.scores[kept.names == s] for s in fitted}, MIDDLE),
        bpcer_at={t: kept.interval(lambda s, n, t=t: _bpcer_at(s, n, fitted, t)) for t in (0.05, 0.01)},
        bpcer_at_each={s: _bpcer_at(kept.scores, kept.names, [s], 0.05) for s in fitted},
        cllr=kept.interval_of(ratios, lambda r, n: pad.cllr(_some(r[n == "genuine"]), _some(r[n != "genuine"]))),
        calibration_error=pad.expected_calibration_error(bins),
        bins=bins,
        cues=_cues(rows, kind, fusion, order),
        reasons=reasons,
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    scores: npt.NDArray[np.float64]
    names: npt.NDArray[np.str_]
    units: list[str]

    def interval(self, statistic) -> Interval:
        return self.interval_of(self.scores, statistic)

    def interval_of(self, values: npt.NDArray[np.float64], statistic) -> Interval:
        low, high = pad.bootstrap_interval(self.units, lambda i: statistic(values[i], self.names[i]), draws=500)
        return (statistic(values, self.names), low, high)


def _some(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    if len(values) == 0:
        raise ValueError("expected at least one value")
    return values


def _bpcer_at(scores: npt.NDArray[np.float64], names: npt.NDArray[np.str_], species: list[str], target: float) -> float:
    attacks = {s: scores[names == s] for s in species}
    return pad.bpcer_at_apcer(_some(scores[names == "genuine"]), attacks, target)


def _species(
    name: str, scores: npt.NDArray[np.float64], names: npt.NDArray[np.str_], units: list[str]
) -> SpeciesFigures:
    mine = names == name
    usable = np.isfinite(scores) & (mine | (names == "genuine"))
    kept = _Kept(scores[usable], names[usable], [u for u, k in zip(units, usable, strict=True) if k])
    attack = name != "genuine"
    some = bool((kept.names == name).any())
    area = kept.interval(lambda s, n: pad.auc(s[n == "genuine"], s[n == name])) if attack and some else None
    rate = pad.apcer if attack else pad.bpcer
    return SpeciesFigures(
        name=name,
        items=int(mine.sum()),
        units=len({u for u, m in zip(units, mine, strict=True) if m}),
        without_score=int((mine & ~np.isfinite(scores)).sum()),
        mean_score=float(np.mean(scores[mine & np.isfinite(scores)])) if some else math.nan,
        auc=area,
        rate_at_middle=kept.interval(lambda s, n: rate(_some(s[n == name]), MIDDLE)) if some else None,
    )


def _cues(rows: list[Row], kind: MediaKind, fusion: CalibratedFusion, order: list[str]) -> list[CueFigures]:
    """For each cue the share of genuine items of which it could be measured, and its AUC alone for each species."""
    ratios: dict[str, list[float]] = {}
    weights: dict[str, float] = {}
    for row in rows:
        for cue in fusion.report(kind, row.found).cues:
            value = cue.log_likelihood_ratio
            ratios.setdefault(cue.name, []).append(math.nan if value is None else value)
            weights[cue.name] = cue.weight
    names = np.array([row.item.species for row in rows if row.found])
    found = []
    for cue_name, listed in ratios.items():
        values = np.array(listed)
        known = np.isfinite(values)
        genuine = values[known & (names == "genuine")]
        measured = float(known[names == "genuine"].mean())
        aucs = {
            species: pad.auc(genuine, values[known & (names == species)])
            for species in order[1:]
            if (known & (names == species)).any() and len(genuine)
        }
        found.append(CueFigures(cue_name, weights[cue_name], measured, aucs))
    return sorted(found, key=lambda cue: -cue.weight)
