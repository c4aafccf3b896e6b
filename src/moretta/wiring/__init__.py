"""Settings into a working application: the only place that picks implementations."""
