"""The command-line door: translates, never decides."""
