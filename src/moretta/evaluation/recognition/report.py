"""The figures of one evaluation together, and their form as JSON.

Belongs here: which figures are told. Does not belong here: how each is worked out (the modules beside this one), printing.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from moretta.evaluation.recognition.agreement import Agreement, Reached
from moretta.evaluation.recognition.comparisons import Pairs, ScoreSet
from moretta.evaluation.recognition.intervals import DRAWS, Interval, rate_intervals, share_interval
from moretta.evaluation.recognition.open_set import SearchScores, fnir, fpir
from moretta.evaluation.recognition.rates import (
    FMR_TARGETS,
    DetPoint,
    det_curve,
    equal_error,
    fmr,
    fnmr,
    threshold_at_fmr,
    unsupported,
)

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class RateAt:
    """The threshold at which the FMR is `target`, and the FNMR there; 95 % intervals by subject beside both."""

    target: float
    threshold: float
    threshold_interval: Interval
    fmr: float
    fnmr: float
    fnmr_interval: Interval


@dataclass(frozen=True, slots=True)
class PlainRates:
    """What the embedder's own similarities give. `unsupported`: why there is no figure at some targets."""

    eer: float
    eer_interval: Interval
    eer_threshold: float
    at: tuple[RateAt, ...]
    unsupported: tuple[tuple[float, str], ...]
    det: tuple[DetPoint, ...]
    genuine: int
    impostor: int

    def thresholds(self) -> list[float]:
        """Those that schemes are asked to decide at, rising: of the EER and of each supported rate."""
        return sorted({self.eer_threshold, *(rate.threshold for rate in self.at)})


@dataclass(frozen=True, slots=True)
class SearchRate:
    """FPIR and FNIR of an open-set search at the threshold of a verification rate, with intervals by subject."""

    target: float
    fpir: float
    fnir: float
    strangers: int
    mated: int
    gallery: int


@dataclass(frozen=True, slots=True)
class SchemeRates:
    """A protected scheme: decisions at `PlainRates.thresholds`, and at more where it can tell them at once."""

    error: float
    agreements: tuple[Agreement, ...]
    curve: tuple[DetPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """Who took part: people and photos given and used, and why photos failed to enrol, by reason."""

    people: int
    photos: int
    failures: Mapping[str, int]
    people_compared: int
    photos_compared: int

    @property
    def fte(self) -> float:
        """Failure-to-enrol rate: the share (0-1) of drawn photos of which no template could be made."""
        failed = sum(self.failures.values())
        return failed / max(failed + self.photos_compared, 1)


def plain_rates(scores: ScoreSet, targets: Sequence[float] = FMR_TARGETS, draws: int = DRAWS) -> PlainRates:
    """The rates of `scores` at each target that their number supports.

    Raises:
        ValueError: there is no genuine or no impostor score.
    """
    eer, eer_threshold = equal_error(scores.genuine, scores.impostor)
    reasons = {target: unsupported(len(scores.impostor), target) for target in targets}
    supported = [target for target in targets if reasons[target] is None]
    intervals = rate_intervals(scores, supported, draws)
    at = []
    for target, low_high, missed in zip(supported, intervals.thresholds, intervals.fnmr, strict=True):
        threshold = threshold_at_fmr(scores.impostor, target)
        measured = fmr(scores.impostor, threshold)
        at.append(RateAt(target, threshold, low_high, measured, fnmr(scores.genuine, threshold), missed))
    return PlainRates(
        eer=eer,
        eer_interval=intervals.eer,
        eer_threshold=eer_threshold,
        at=tuple(at),
        unsupported=tuple((target, reason) for target, reason in reasons.items() if reason is not None),
        det=tuple(det_curve(scores.genuine, scores.impostor)),
        genuine=len(scores.genuine),
        impostor=len(scores.impostor),
    )


def search_rates(found: SearchScores, gallery: int, at: Sequence[RateAt]) -> tuple[SearchRate, ...]:
    """The open-set rates at each threshold."""
    return tuple(
        SearchRate(
            rate.target,
            fpir(found, rate.threshold),
            fnir(found, rate.threshold),
            len(found.strangers),
            len(found.own),
            gallery,
        )
        for rate in at
    )


def told_curve(thresholds: Sequence[float], reached: Reached, pairs: Pairs) -> tuple[DetPoint, ...]:
    """FMR and FNMR of a scheme at each of the rising `thresholds`, of which each pair reached so many."""
    mates, others = reached[pairs.same], reached[~pairs.same]
    return tuple(
        DetPoint(value, float(np.mean(others > i)), float(np.mean(mates <= i))) for i, value in enumerate(thresholds)
    )


def plain_json(rates: PlainRates, search: Sequence[SearchRate]) -> Json:
    """The plain scheme's entry."""
    missing = {_key(target): None for target, _ in rates.unsupported}
    return {
        "eer": rates.eer,
        "eer_interval": _interval(rates.eer_interval),
        "fnmr_at_fmr": {_key(rate.target): rate.fnmr for rate in rates.at} | missing,
        "fnmr_at_fmr_interval": {_key(rate.target): _interval(rate.fnmr_interval) for rate in rates.at},
        "thresholds": {_key(rate.target): rate.threshold for rate in rates.at} | missing,
        "thresholds_interval": {_key(rate.target): _interval(rate.threshold_interval) for rate in rates.at},
        "not_supported": {_key(target): reason for target, reason in rates.unsupported},
        "genuine_comparisons": rates.genuine,
        "impostor_comparisons": rates.impostor,
        "det": _curve(rates.det),
        "search": {
            _key(found.target): {
                "fpir": found.fpir,
                "fnir": found.fnir,
                "strangers": found.strangers,
                "mated_searches": found.mated,
                "gallery": found.gallery,
            }
            for found in search
        },
    }


def scheme_json(found: SchemeRates, plain: PlainRates) -> Json:
    """A protected scheme's entry: its decisions at the plain thresholds, and how they differ from the plain ones."""
    by_threshold = {agreement.threshold: agreement for agreement in found.agreements}
    at_eer = by_threshold[plain.eer_threshold]
    at = {_key(rate.target): by_threshold[rate.threshold] for rate in plain.at}
    missing = {_key(target): None for target, _ in plain.unsupported}
    return {
        "eer": (at_eer.fmr + at_eer.fnmr) / 2,
        "fnmr_at_fmr": {key: agreement.fnmr for key, agreement in at.items()} | missing,
        "fmr_at_threshold": {key: agreement.fmr for key, agreement in at.items()},
        "fnmr_change": {key: agreement.fnmr_change for key, agreement in at.items()},
        "fnmr_change_interval": {key: _interval(agreement.fnmr_change_interval) for key, agreement in at.items()},
        "thresholds": {key: agreement.threshold for key, agreement in at.items()} | missing,
        "decisions": at_eer.comparisons,
        "decisions_differing_from_plain": {key: agreement.differing for key, agreement in at.items()},
        "decisions_outside_stated_error": {key: agreement.outside_error for key, agreement in at.items()},
        "stated_error": found.error,
        "det": _curve(found.curve),
    }


def sample_json(sample: Sample) -> Json:
    """Who took part."""
    return {
        "people": sample.people,
        "photos": sample.photos,
        "people_compared": sample.people_compared,
        "photos_compared": sample.photos_compared,
        "failures_to_enrol": dict(sample.failures),
        "fte": sample.fte,
    }


def fte_interval(failed: Sequence[bool], subjects: Sequence[int]) -> Interval:
    """The 95 % interval of the failure-to-enrol rate by subject."""
    return share_interval(np.array(failed, np.float64), np.array(subjects, np.intp))


def _curve(points: Sequence[DetPoint]) -> list[list[float]]:
    return [[point.threshold, point.fmr, point.fnmr] for point in points]


def _interval(values: Interval) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def _key(target: float) -> str:
    """`0.001`: JSON has no numbers as keys."""
    return f"{target:.10f}".rstrip("0")
