"""Tables of consents and notices. What a column means is said here, once."""

from sqlalchemy import Table

tables: tuple[Table, ...] = ()
