"""What an export of anonymised features was measured to give away and to keep: the form of those figures.

Belongs here: the types. Does not belong here: the figures (see `feature_leakage_measured`), measuring (see `training`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reidentification:
    """How often an attacker ranked the right person first.

    `what` says which media and which columns; `before` is the rate on the same measures with the face's shape left in, `after`
    that of the export; `attack` is the attacker that did best on the export, out of those named in the model card.
    """

    what: str
    people: int
    trials: int
    chance: float
    before: float
    after: float
    interval: tuple[float, float]
    attack: str


@dataclass(frozen=True, slots=True)
class AttributeLeak:
    """How much better than chance a probe guesses an attribute of people it has not seen: balanced accuracy - 1/k."""

    attribute: str
    people: int
    before: float
    after: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is left of a measure's use: `value` of the `figure`, against the same measure before anything was taken out."""

    measure: str
    figure: str
    value: float


@dataclass(frozen=True, slots=True)
class Leakage:
    """All of it; `source` says on whom it was measured. Other people, more of them, or a better attack may give more."""

    source: str
    reidentification: tuple[Reidentification, ...]
    attributes: tuple[AttributeLeak, ...]
    kept: tuple[Kept, ...]
