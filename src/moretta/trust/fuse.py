"""The calibrated fusion: cues' values become log-likelihood ratios, their weighted sum the trust score.

score = 10 / (1 + exp(-(intercept + sum of weight x coverage x log-likelihood ratio)))

At even prior odds the score divided by ten is the probability of a genuine face, as far as the calibration's own attacks
resemble those at hand; the model card says how far that goes. Basis: Brümmer and du Preez, "Application-independent evaluation
of speaker detection", Computer Speech and Language 20, 2006 (calibrated log-likelihood ratios and their linear fusion).

Belongs here: weighing and abstaining. Does not belong here: measuring, and fitting the weights.
"""

import math

from moretta.core.analysis import Cue, TrustReport
from moretta.core.values import Measurement, MediaKind
from moretta.trust import conditions
from moretta.trust.calibration import Calibration, KindCalibration, read_calibration
from moretta.trust.wording import explanation

# Under this width texture cues see fewer px than the patterns they look for (ISO/IEC 29794-5 asks for 90 px between the eyes).
MIN_FACE_PX = 64.0
MIN_OBSERVED_S = 1.5
MIN_PRESENCE = 0.5  # the mesh model's own even odds that the region holds a face
MAX_TURN_DEG = 50.0
MIN_VOTES = {MediaKind.IMAGE: 2, MediaKind.VIDEO: 3}
MIN_VOTING_SHARE = 0.3
# A calibration on a handful of people cannot be surer than this of what it says about the next one (see the model card).
MOST_CONFIDENCE = 0.95


class CalibratedFusion:
    """The `Fusion` of this release.

    Args:
        calibration: what to weigh with; by default the calibration shipped with the package.
    """

    def __init__(self, calibration: Calibration | None = None) -> None:
        self._calibration = read_calibration() if calibration is None else calibration

    def counted(self, kind: MediaKind) -> frozenset[str]:
        """The names of the cues that can move the score of this kind of media."""
        return frozenset(name for name, cue in self._calibration.of(kind).cues.items() if cue.weight > 0)

    def report(self, kind: MediaKind, measurements: dict[str, Measurement]) -> TrustReport:
        """The report; a cue without a value does not vote; too little evidence gives no score and says why."""
        calibration = self._calibration.of(kind)
        cues = tuple(_cue(name, found, calibration) for name, found in measurements.items() if name != conditions.NAME)
        reasons = [*_unfit(kind, measurements.get(conditions.NAME)), *_too_few(kind, cues, calibration)]
        if reasons:
            return TrustReport(None, 0.0, cues, tuple(reasons))
        total = calibration.intercept + sum(c.weight * c.coverage * (c.log_likelihood_ratio or 0.0) for c in cues)
        score = 10 / (1 + math.exp(-total))
        confidence = voting_share(cues, calibration) * math.erf(abs(total) / calibration.sigma / math.sqrt(2))
        return TrustReport(round(score, 2), round(min(MOST_CONFIDENCE, confidence), 3), cues, ())


def voting_share(cues: tuple[Cue, ...], calibration: KindCalibration) -> float:
    """The share (0-1) of the calibrated weight that voted, each cue counted as far as its evidence was there."""
    whole = sum(cue.weight for cue in calibration.cues.values())
    voted = sum(cue.weight * cue.coverage for cue in cues if cue.log_likelihood_ratio is not None)
    return voted / whole if whole > 0 else 0.0


def _cue(name: str, found: Measurement, calibration: KindCalibration) -> Cue:
    known = calibration.cues.get(name)
    measured = found.value is not None and math.isfinite(found.value)
    ratio = (
        known.log_likelihood_ratio(found.value) if known is not None and measured and found.value is not None else None
    )
    weight = known.weight if known is not None else 0.0
    return Cue(
        name=name,
        log_likelihood_ratio=None if ratio is None else round(ratio, 3),
        weight=weight,
        coverage=round(found.coverage, 3),
        value=round(found.value, 4) if measured and found.value is not None else None,
        explanation=explanation(name, found, ratio, weight),
    )


def _unfit(kind: MediaKind, seen: Measurement | None) -> list[str]:
    """Conditions under which no cue means anything."""
    if seen is None or seen.value is None:
        return ["No face was seen clearly enough to be judged."]
    reasons = []
    if seen.value < MIN_FACE_PX:
        reasons.append(f"The face is {seen.value:.0f} px wide; {MIN_FACE_PX:.0f} px are needed.")
    if seen.detail.get("presence", 1.0) < MIN_PRESENCE:
        reasons.append("The face is not clear enough for its features to be placed.")
    if seen.detail.get("turn_deg", 0.0) > MAX_TURN_DEG:
        turn = seen.detail["turn_deg"]
        reasons.append(f"The head is turned away by {turn:.0f} degrees; up to {MAX_TURN_DEG:.0f} can be judged.")
    observed_s = seen.detail.get("observed_s", 0.0)
    if kind is MediaKind.VIDEO and observed_s < MIN_OBSERVED_S:
        reasons.append(f"The face is in view for {observed_s:.1f} s; {MIN_OBSERVED_S:.1f} s are needed.")
    return reasons


def _too_few(kind: MediaKind, cues: tuple[Cue, ...], calibration: KindCalibration) -> list[str]:
    able = sum(cue.weight > 0 for cue in calibration.cues.values())
    votes = sum(cue.weight > 0 and cue.log_likelihood_ratio is not None for cue in cues)
    if able == 0:
        return ["There is no calibration for this kind of media."]
    if votes < min(MIN_VOTES[kind], able) or voting_share(cues, calibration) < MIN_VOTING_SHARE:
        return [f"Only {votes} of {able} cues that count could be measured, too few for a score."]
    return []
