"""Attacks made from genuine clips, and what the cues make of them."""
