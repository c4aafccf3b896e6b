"""At which similarity a collection decides.

Belongs here: the shipped thresholds, where they come from, and the floor of a key. Does not belong here: measuring them.
"""

from moretta.core.errors import RequestInvalid
from moretta.core.recognising import EmbedderCard
from moretta.core.recognition import Thresholds
from moretta.core.thresholds import THRESHOLDS

# False match rate and similarity of each shipped embedder; `core.thresholds` has the sample and the misses at each.
SHIPPED: dict[str, tuple[tuple[float, float], ...]] = {
    name: tuple((one.fmr, one.similarity) for one in measured) for name, measured in THRESHOLDS.items()
}
# Searching N people multiplies the rate by about N: 1e-4 keeps a gallery of 1,000 under one false candidate in ten photos. At
# 1e-5 twice as many genuine photos are missed (7.9 % instead of 3.8 %): larger galleries take it knowingly, with `thresholds`.
MATCH_FMR = 1e-4
# A duplicate is looked for in the whole gallery, so it is a search and takes the same rate: looser, and every enrolment into a
# large gallery would report somebody.
DUPLICATE_FMR = 1e-4
# Under it a key opens nothing, whatever is asked (see `KeyHolder.create`): a threshold that one stranger in a hundred passes
# decides nothing, it only tells how alike two people are.
FLOOR_FMR = 1e-2
# For a network of the operator's own, of which no impostor rate is known: at 128 or more dimensions unrelated unit vectors have a
# standard deviation of at most 0.09, so a real threshold lies above this, and calibration has room.
UNKNOWN_FLOOR = 0.2


def default_thresholds(card: EmbedderCard) -> Thresholds:
    """The thresholds of the embedder's card. Raises `RequestInvalid` where it has none."""
    return Thresholds(at_rate(card, MATCH_FMR), at_rate(card, DUPLICATE_FMR), MATCH_FMR)


def at_rate(card: EmbedderCard, fmr: float) -> float:
    """The similarity that stands for a false match rate of the card.

    Raises:
        RequestInvalid: the card does not have that rate.
    """
    for rate, similarity in card.similarities:
        if abs(rate - fmr) <= 1e-9:
            return similarity
    if not card.similarities:
        raise RequestInvalid(
            "no threshold is known for this model: give the collection's thresholds, and measure them with `moretta calibrate`"
        )
    known = ", ".join(f"{rate:g}" for rate, _ in card.similarities)
    raise RequestInvalid(f"expected a false match rate out of {known}; got another number")


def floor(card: EmbedderCard) -> float:
    """The similarity under which a key for this embedder opens nothing."""
    return at_rate(card, FLOOR_FMR) if card.similarities else UNKNOWN_FLOOR


def require_usable(thresholds: Thresholds, card: EmbedderCard) -> Thresholds:
    """`thresholds`, which a key of this embedder opens at.

    Raises:
        RequestInvalid: not similarities from the key's floor to 1, or no rate.
    """
    least = floor(card)
    if not (least <= thresholds.match <= 1 and least <= thresholds.duplicate <= 1):
        raise RequestInvalid(f"expected thresholds from {least:g} (the floor of the collection's key) to 1")
    if not 0 < thresholds.fmr < 1:
        raise RequestInvalid("expected the false match rate of the thresholds between 0 and 1")
    return thresholds
