"""What anonymised features were measured to give away and to keep.

Belongs here: data, written by `python -m training.measure_features --out`; never edited by hand.
"""

from moretta.core.feature_leakage import Leakage

LEAKAGE = Leakage(source="", reidentification=(), attributes=(), kept=())
