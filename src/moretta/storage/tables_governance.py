"""Tables of approvals of processing, holds, breaches and documents. What a column means is said here, once."""

from sqlalchemy import Table

tables: tuple[Table, ...] = ()
