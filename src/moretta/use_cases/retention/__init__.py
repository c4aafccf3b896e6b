"""Retention and legal holds: rules of collections, the sweeper that erases what is over its time, holds that keep it.

Belongs here: what is done when. Does not belong here: deadlines (see `core.retention`), how a person is erased, HTTP, schedules.
"""

from moretta.use_cases.retention.facade import Retention
from moretta.use_cases.retention.means import Erase, RetentionMeans

__all__ = ["Erase", "Retention", "RetentionMeans"]
