"""Retention, legal holds and the breach register in a region's database."""
