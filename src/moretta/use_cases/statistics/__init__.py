"""Anonymous statistics as their readers ask for them."""

from moretta.use_cases.statistics.alarms import AlarmWatch, alarms_of
from moretta.use_cases.statistics.figures import Figure
from moretta.use_cases.statistics.query import LiveSite, Point, Series, Statistics, Step

__all__ = ["AlarmWatch", "Figure", "LiveSite", "Point", "Series", "Statistics", "Step", "alarms_of"]
