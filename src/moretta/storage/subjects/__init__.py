"""Links to people's own pages and their sessions, in SQL."""
