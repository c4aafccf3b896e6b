"""The erasure drill: somebody made up is enrolled and erased, and the bytes of every store are searched for them.

Belongs here: the marked subject, what is looked for and where. Does not belong here: erasing (see `use_cases.rights`).
"""

from moretta.wiring.drill.report import DrillReport, Finding
from moretta.wiring.drill.run import run_drill

__all__ = ["DrillReport", "Finding", "run_drill"]
