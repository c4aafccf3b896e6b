"""The service's database, version by version."""
