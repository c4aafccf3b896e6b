"""The hub's database, version by version."""
