"""Counting what was processed, and the one module that reports it."""
