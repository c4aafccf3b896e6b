"""The breach register: incidents, their clock, whom they met, and drafts of what is to be told to whom.

Belongs here: what is done with them. Does not belong here: values (see `core.incidents`), HTTP, sending letters.
"""

from moretta.use_cases.incidents.facade import Changes, Incidents, NewIncident

__all__ = ["Changes", "Incidents", "NewIncident"]
