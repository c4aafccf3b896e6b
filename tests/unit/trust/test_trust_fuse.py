"""The fusion weighs calibrated evidence, abstains where there is too little, and says what it did."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.values import Measurement, MediaKind
from moretta.trust.calibration import parse_calibration, read_calibration
from moretta.trust.cues import standard_cues
from moretta.trust.fuse import CalibratedFusion

SLOPE = {"knots": [0.0, 1.0], "log_ratios": [-2.0, 2.0]}
CUES = {
    "planar_motion": SLOPE | {"weight": 1.0},
    "blink_dynamics": SLOPE | {"weight": 0.5},
    "moire_peaks": SLOPE | {"weight": 0.5},
    "tone_range": SLOPE | {"weight": 0.0},
}
KIND = {"intercept": 0.0, "sigma": 1.0, "cues": CUES}
FUSION = CalibratedFusion(parse_calibration(json.dumps({"image": KIND, "video": KIND})))
GOOD = Measurement(150.0, 1.0, detail={"presence": 0.9, "turn_deg": 5.0, "observed_s": 8.0})


def report(values: dict[str, Measurement], conditions: Measurement = GOOD, kind: MediaKind = MediaKind.VIDEO):
    return FUSION.report(kind, {"conditions": conditions, **values})


def votes(value: float, coverage: float = 1.0) -> dict[str, Measurement]:
    return {name: Measurement(value, coverage) for name in CUES}


def test_score_is_ten_times_the_logistic_of_the_weighted_sum() -> None:
    found = report(votes(0.75))
    assert found.score == pytest.approx(10 / (1 + math.exp(-2.0)), abs=0.01)
    assert found.insufficient == ()


def test_evidence_of_half_coverage_counts_half() -> None:
    assert report(votes(0.75, 0.5)).score == pytest.approx(10 / (1 + math.exp(-1.0)), abs=0.01)


def test_balanced_evidence_scores_five_with_no_confidence() -> None:
    found = report(votes(0.5))
    assert found.score == 5.0
    assert found.confidence == 0.0


def test_cue_without_value_does_not_vote_and_says_so() -> None:
    found = report(votes(0.75) | {"planar_motion": Measurement(None, 0.0, "the head turned too little")})
    planar = next(cue for cue in found.cues if cue.name == "planar_motion")
    assert planar.log_likelihood_ratio is None
    assert planar.explanation == "Not measured: the head turned too little."


def test_cue_of_weight_zero_is_shown_and_not_counted() -> None:
    found = report(votes(0.75) | {"tone_range": Measurement(0.0, 1.0)})
    assert found.score == report(votes(0.75)).score
    assert "Shown, not counted" in next(cue for cue in found.cues if cue.name == "tone_range").explanation


def test_cue_unknown_to_the_calibration_is_shown_and_not_counted() -> None:
    found = report(votes(0.75) | {"mouth_audio_synchrony": Measurement(0.4, 1.0)})
    assert found.score == report(votes(0.75)).score
    assert next(cue for cue in found.cues if cue.name == "mouth_audio_synchrony").weight == 0


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        (Measurement(None, 0.0, "never in view"), "No face"),
        (Measurement(40.0, 1.0, detail={"observed_s": 8.0}), "40 px wide; 64 px are needed"),
        (Measurement(150.0, 1.0, detail={"observed_s": 0.4}), "0.4 s"),
        (Measurement(150.0, 1.0, detail={"observed_s": 8.0, "presence": 0.2}), "not clear enough"),
        (Measurement(150.0, 1.0, detail={"observed_s": 8.0, "turn_deg": 70.0}), "70 degrees"),
    ],
)
def test_unfit_conditions_give_no_score_and_say_why(conditions: Measurement, words: str) -> None:
    found = report(votes(0.9), conditions)
    assert found.score is None
    assert found.confidence == 0
    assert words in found.insufficient[0]


def test_missing_conditions_fail_closed() -> None:
    assert FUSION.report(MediaKind.VIDEO, votes(0.9)).score is None


def test_short_view_matters_only_for_video() -> None:
    still = Measurement(150.0, 1.0, detail={"observed_s": 0.0, "presence": 0.9})
    assert report(votes(0.9), still, MediaKind.IMAGE).score is not None


def test_too_few_votes_give_no_score() -> None:
    few = {name: Measurement(None, 0.0, "absent") for name in CUES} | {"moire_peaks": Measurement(0.9, 1.0)}
    found = report(few)
    assert found.score is None
    assert "1 of 3" in found.insufficient[0]


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3), st.floats(0, 1))
def test_score_and_confidence_stay_in_range_and_rise_with_genuine_evidence(
    values: list[float], coverage: float
) -> None:
    names = ("planar_motion", "blink_dynamics", "moire_peaks")
    lower = report({n: Measurement(v, coverage) for n, v in zip(names, values, strict=True)})
    higher = report({n: Measurement(v + 0.5, coverage) for n, v in zip(names, values, strict=True)})
    if lower.score is not None and higher.score is not None:
        assert 0 <= lower.score <= higher.score <= 10
        assert 0 <= lower.confidence <= 1


@pytest.mark.parametrize("text", ["{}", '{"image": {}, "video": {}}', "[]", "nonsense"])
def test_damaged_calibration_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_calibration(text)


def test_shipped_calibration_can_be_read() -> None:
    calibration = read_calibration()
    assert calibration.video.sigma > 0
    assert calibration.image.sigma > 0


def test_shipped_calibration_knows_only_standard_cues_and_lets_some_of_each_kind_vote() -> None:
    calibration = read_calibration()
    kinds = {cue.name: cue.kinds for cue in standard_cues(object(), object(), object())}
    for kind in MediaKind:
        cues = calibration.of(kind).cues
        assert all(kind in kinds[name] for name in cues)
        assert sum(cue.weight > 0 for cue in cues.values()) >= 5
