"""The only layer that speaks SQL: API keys, usage, egress."""
