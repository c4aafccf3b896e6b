"""Tables of rights requests, certificates and who searched whom. What a column means is said here, once."""

from sqlalchemy import Table

tables: tuple[Table, ...] = ()
