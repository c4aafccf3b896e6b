"""Comparing nodes: replicas that follow the database, here or in another region, and who answers when one is down."""
