"""Trains the blending detector (`moretta.trust.blending_detector`) from genuine faces alone. See `training/README.md`."""
