"""Inserting where there may be a row already: SQLite and PostgreSQL say it alike, but SQLAlchemy has no common statement."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert with `on_conflict_do_nothing` and `on_conflict_do_update`, of the database that `connection` leads to."""
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
