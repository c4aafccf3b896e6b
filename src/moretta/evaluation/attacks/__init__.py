"""Attacks made from genuine recordings, for calibrating and judging the trust score (species of ISO/IEC 30107-3).

Belongs here: seeded, streaming simulations, one module a species. Does not belong here: reading or writing media.
Simulations are not attacks by people: a figure measured on them says how well the score does on these simulations.
"""

from moretta.evaluation.attacks.photo import photo_attack, photo_still
from moretta.evaluation.attacks.screen import screen_attack, screen_still
from moretta.evaluation.attacks.swap import Donor, swap_attack, swap_still
from moretta.evaluation.attacks.timing import frozen_attack, loop_attack

SPECIES = ("print", "screen", "frozen", "loop", "swap")

__all__ = [
    "SPECIES",
    "Donor",
    "frozen_attack",
    "loop_attack",
    "photo_attack",
    "photo_still",
    "screen_attack",
    "screen_still",
    "swap_attack",
    "swap_still",
]
