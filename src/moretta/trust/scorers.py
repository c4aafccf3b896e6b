"""Cues whose single look is a model's score.

Belongs here: when to ask the model, and in which unit its score is kept. Does not belong here: a model.
"""

import math
from dataclasses import dataclass

from moretta.core.ports import AttackScorer
from moretta.core.values import FaceSample
from moretta.trust.sampled import SampledCue, Schedule, Summary

ANTI_SPOOFING = "anti_spoofing_model"
LEARNED_BLENDING = "learned_blending"


def anti_spoofing(scorer: AttackScorer) -> SampledCue:
    """The passive anti-spoofing model (Liu, Stehouwer, Jourabloo and Liu, "Deep tree learning", CVPR 2019).

    A look takes 72 ms, so gaps double: at 0, 1, 3, 7 ... s. Value: mean log-odds of an attack.
    """
    return SampledCue(
        name=ANTI_SPOOFING,
        look=_LogOdds(scorer),
        schedule=Schedule(1.0, growth=2.0),
        absent="the anti-spoofing model gave no score",
        wanted=3,
        summary=Summary.MEAN,
    )


def learned_blending(scorer: AttackScorer) -> SampledCue:
    """The blending detector trained on self-blended images (Shiohara and Yamasaki, CVPR 2022). Value: mean log-odds."""
    return SampledCue(
        name=LEARNED_BLENDING,
        look=_LogOdds(scorer),
        schedule=Schedule(1.0),
        absent="the blending detector gave no score",
        wanted=5,
        summary=Summary.MEAN,
    )


@dataclass(frozen=True, slots=True)
class _LogOdds:
    scorer: AttackScorer

    def __call__(self, sample: FaceSample) -> float | None:
        score = self.scorer.score(sample.frame.pixels, sample.tracked)
        if not math.isfinite(score):
            return None
        score = min(max(score, 1e-3), 1 - 1e-3)  # one saturated frame shall not outvote all others
        return math.log(score / (1 - score))
