"""Anonymous statistics as their readers ask for them."""

from moretta.use_cases.statistics.query import Figure, LiveSite, Point, Series, Statistics, Step

__all__ = ["Figure", "LiveSite", "Point", "Series", "Statistics", "Step"]
