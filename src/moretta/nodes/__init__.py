"""Comparing nodes: galleries that follow the database, in this process or in another region."""
