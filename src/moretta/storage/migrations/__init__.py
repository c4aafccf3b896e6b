"""The migrations of every kind of database; Alembic runs them, `versions` starts it."""
