"""The four protection schemes, each with a protecting, a comparing and an opening side that meet in `core.protection` only."""
