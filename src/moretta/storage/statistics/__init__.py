"""Budgets and releases of anonymous statistics in SQL."""
