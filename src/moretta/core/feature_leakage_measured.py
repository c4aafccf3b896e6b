"""What anonymised features were measured to give away and to keep.

Belongs here: data, written by `python -m training.measure_features --out`; never edited by hand.
"""

from moretta.core.feature_leakage import Leakage
from moretta.core.features import Detail

LEAKAGE = {detail: Leakage(source="", reidentification=(), attributes=(), kept=()) for detail in Detail}
