"""The HTTP door: translates, never decides."""
