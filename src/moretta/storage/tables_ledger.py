"""Tables of the transparency log. What a column means is said here, once."""

from sqlalchemy import Table

tables: tuple[Table, ...] = ()
