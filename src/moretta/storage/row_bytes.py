"""Looking for bytes in every row of a database on a server, whose files this program cannot read.

Belongs here: reading rows as the server sends them. Does not belong here: files (see `byte_search`), what is looked for.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Engine

from moretta.storage.byte_scan import PIECE, Markers
from moretta.storage.database import reading
from moretta.storage.postgresql import server_tables


def find_in_rows(engine: Engine, markers: Sequence[bytes]) -> tuple[int, int, list[tuple[int, int]]]:
    """How many tables and bytes were read, and for each marker that stands in a row its number and first offset."""
    found: dict[int, int] = {}
    size = tables = 0
    looked_for = Markers(list(markers))
    with reading(engine) as connection:
        for table in server_tables(connection):
            tables += 1
            for window in _windows(_copied(connection, table)):
                for number, at in looked_for.first_places(window).items():
                    found.setdefault(number, size + at)
                size += len(window)
    return tables, size, sorted(found.items())


def _windows(rows: Iterator[bytes]) -> Iterator[bytes]:
    """The rows, many at once; a value is never divided."""
    held, size = list[bytes](), 0
    for row in rows:
        held.append(row)
        size += len(row)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    yield b"".join(held)


def _copied(connection: Connection, table: str) -> Iterator[bytes]:
    """A table's rows in the server's binary form: values as they are, not escaped."""
    driver = connection.connection.driver_connection
    if driver is None:
        return
    quoted = table.replace('"', '""')
    with driver.cursor() as cursor, cursor.copy(f'COPY "{quoted}" TO STDOUT (FORMAT binary)') as copy:
        for piece in copy:
            yield bytes(piece)
