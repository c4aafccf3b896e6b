"""Looking for bytes in every row of a database on a server, whose files this program cannot read.

Belongs here: reading rows as the server sends them. Does not belong here: files (see `byte_search`), what is looked for.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Engine, text

from moretta.storage.database import reading


def find_in_rows(engine: Engine, markers: Sequence[bytes]) -> tuple[int, int, list[tuple[int, int]]]:
    """How many tables and bytes were read, and for each marker that stands in a row its number and first offset."""
    found: dict[int, int] = {}
    size = tables = 0
    longest = max((len(marker) for marker in markers), default=1)
    with reading(engine) as connection:
        for table in _tables(connection):
            tables += 1
            kept = b""
            for piece in _copied(connection, table):
                window = kept + piece
                for number, marker in enumerate(markers):
                    at = window.find(marker) if number not in found else -1
                    if at >= 0:
                        found[number] = size - len(kept) + at
                size += len(piece)
                kept = window[-(longest - 1) :]
    return tables, size, sorted(found.items())


def _tables(connection: Connection) -> list[str]:
    query = text("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1")
    return [str(name) for name in connection.execute(query).scalars()]


def _copied(connection: Connection, table: str) -> Iterator[bytes]:
    """A table's rows in the server's binary form: values as they are, not escaped."""
    driver = connection.connection.driver_connection
    if driver is None:
        return
    quoted = table.replace('"', '""')
    with driver.cursor() as cursor, cursor.copy(f'COPY "{quoted}" TO STDOUT (FORMAT binary)') as copy:
        for piece in copy:
            yield bytes(piece)
