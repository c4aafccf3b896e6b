"""The evaluation of recognition: templates of an operator's photos, judged under each scheme.

Belongs here: the order of the work. Does not belong here: any measure (see `evaluation.recognition`), terminals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from moretta.core.errors import RequestInvalid
from moretta.core.protection import Scheme
from moretta.core.recognising import EmbedderCard, FaceReader
from moretta.core.recognition import Thresholds
from moretta.evaluation.recognition.agreement import agreements
from moretta.evaluation.recognition.comparisons import Pairs, Scores, all_pairs, pair_similarities
from moretta.evaluation.recognition.intervals import Interval, share_interval
from moretta.evaluation.recognition.open_set import open_set, search_scores
from moretta.evaluation.recognition.rates import FMR_TARGETS
from moretta.evaluation.recognition.report import (
    Json,
    PlainRates,
    Sample,
    SchemeRates,
    SearchRate,
    plain_json,
    plain_rates,
    sample_json,
    scheme_json,
    search_rates,
    told_curve,
)
from moretta.protection.schemes import STATED_ERROR
from moretta.wiring.dataset import Dataset, Tell, Templates, templates_of
from moretta.wiring.scheme_decisions import BARE_DECISIONS, Decide, Decisions, decisions

# Where a scheme tells bands, its curve is asked for at FMRs up to this one: each step below it names more matches one by one.
_CURVE_FROM_FMR = 0.05


@dataclass(frozen=True, slots=True)
class Accuracy:
    """What an evaluation found. `schemes` holds every protected scheme that was asked for."""

    model_id: str
    sample: Sample
    fte_interval: Interval
    plain: PlainRates
    search: tuple[SearchRate, ...]
    schemes: dict[Scheme, SchemeRates] = field(default_factory=dict)

    def to_json(self) -> Json:
        """The form that `moretta evaluate accuracy --json` writes."""
        entries = {scheme.value: scheme_json(found, self.plain) for scheme, found in self.schemes.items()}
        entries[Scheme.PLAIN.value] = entries.get(Scheme.PLAIN.value, {}) | plain_json(self.plain, self.search)
        sample = sample_json(self.sample) | {"fte_interval": list(self.fte_interval)}
        return {"model": self.model_id, "sample": sample, "schemes": entries}


def evaluate_accuracy(
    dataset: Dataset,
    reader: FaceReader,
    card: EmbedderCard,
    schemes: Sequence[Scheme],
    tell: Tell,
    *,
    at_once: int = 1,
    decide: Decide = decisions,
) -> Accuracy:
    """Measure the embedder of `card` on a dataset, and what each of `schemes` decides about it.

    Raises:
        RequestInvalid: too few photos show a face to compare.
        ModelMismatch: the workers do not have the model.
    """
    found = templates_of(dataset, reader, card, tell, at_once=at_once)
    return judged(dataset, found, card.model_id, schemes, tell, decide=decide)


def calibrated(
    dataset: Dataset, reader: FaceReader, card: EmbedderCard, fmr: float, tell: Tell, *, at_once: int = 1
) -> Thresholds:
    """The thresholds at which strangers of the dataset match at the rate `fmr`; a duplicate is looked for at the same rate.

    Raises:
        RequestInvalid: the dataset has too few comparisons to say anything about so small a rate; or as `evaluate_accuracy`.
    """
    if not 0 < fmr < 1:
        raise RequestInvalid("expected a false match rate between 0 and 1, such as 1e-4")
    found = judged(
        dataset, templates_of(dataset, reader, card, tell, at_once=at_once), card.model_id, (), tell, targets=(fmr,)
    )
    for _, reason in found.plain.unsupported:
        raise RequestInvalid(f"expected more photos, or a higher rate: {reason}")
    threshold = found.plain.at[0].threshold
    return Thresholds(threshold, threshold, fmr, "calibrated")


def judged(
    dataset: Dataset,
    found: Templates,
    model_id: str,
    schemes: Sequence[Scheme],
    tell: Tell,
    *,
    targets: Sequence[float] = FMR_TARGETS,
    decide: Decide = decisions,
) -> Accuracy:
    """As `evaluate_accuracy`, of templates that were made before."""
    subjects = np.unique(found.subjects, return_inverse=True)[1].reshape(-1).astype(np.intp)
    pairs = all_pairs(subjects)
    if not pairs.same.any() or pairs.same.all():
        raise RequestInvalid(
            "expected photos in which a face is found of two people or more, of somebody twice; "
            f"got {len(subjects)} such photos of {len(np.unique(subjects))} people"
        )
    tell("working out intervals", 0, 1)
    scores = pair_similarities(found.vectors, pairs)
    plain = plain_rates(pairs.scores(scores), targets)
    who = open_set(subjects)
    searched = (
        () if who is None else search_rates(search_scores(found.vectors, subjects, who), len(who.gallery), plain.at)
    )
    rates = {}
    for scheme in schemes:
        ladder = plain.thresholds() if scheme in BARE_DECISIONS else _ladder(plain)
        reached = decide(scheme, found.vectors, model_id, ladder, tell)[pairs.first, pairs.second]
        rates[scheme] = _scheme_rates(scores, reached, pairs, plain, ladder, STATED_ERROR[scheme])
    failed = np.concatenate([np.ones(len(found.failed_subjects)), np.zeros(len(found.subjects))])
    everybody = np.concatenate([np.array(found.failed_subjects, np.intp), found.subjects])
    sample = Sample(dataset.people, len(dataset.paths), found.failures, len(np.unique(subjects)), len(subjects))
    return Accuracy(model_id, sample, share_interval(failed, everybody), plain, searched, rates)


def _ladder(plain: PlainRates) -> list[float]:
    """The rising thresholds at which schemes are asked to decide: those of the rates, and between them those of the curve."""
    curve = [point.threshold for point in plain.det if point.fmr <= _CURVE_FROM_FMR]
    return sorted({*plain.thresholds(), *curve})


def _scheme_rates(
    scores: Scores, reached: Decisions, pairs: Pairs, plain: PlainRates, ladder: Sequence[float], error: float
) -> SchemeRates:
    wanted = set(plain.thresholds())
    told = tuple(found for found in agreements(scores, reached, pairs, ladder, error) if found.threshold in wanted)
    return SchemeRates(error, told, told_curve(ladder, reached, pairs))
