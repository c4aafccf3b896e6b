"""Tables of matches that wait for a person's confirmation. What a column means is said here, once."""

from sqlalchemy import Table

tables: tuple[Table, ...] = ()
