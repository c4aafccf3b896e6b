"""What a database holds of one person, found in every table that names a person.

Belongs here: which rows are theirs, and windows of what is sealed in them. Does not belong here: deleting.

The tables are found by their column `person_id`, so that a table that is added later is counted without being named here; one
whose rows outlive the person must be named in `OUTLIVING`, or every erasure says that something of the person was left.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, LargeBinary, Table, func, or_, select, true

from moretta.core.erasure import MARKER_BYTES, Keeper, PersonHoldings
from moretta.storage.schema import persons, service_metadata

# Tables whose rows stay as evidence, and their columns that are sealed under the person's key: what is emptied is theirs.
OUTLIVING: dict[str, tuple[str, ...]] = {
    "consent_challenges": (),
    "consents": ("details",),
    "erased_persons": (),
    "erasures": (),
    "holds": ("words",),
    "rights_requests": ("details",),
    "subject_sessions": (),
}
# Before the nonce: form and master key of a wrapped key (`keys.wrapped`), form of a sealed value (`keys.envelope`).
_WRAPPED_NONCE, _SEALED_NONCE = 9, 1


def find_holdings(connection: Connection, company_id: str, person_id: str) -> PersonHoldings:
    """What the database holds of a person of the company; nothing where there is none."""
    keeper = Keeper.POSTGRESQL if connection.dialect.name == "postgresql" else Keeper.SQLITE
    mine = (persons.c.person_id == person_id, persons.c.company_id != company_id)
    if connection.execute(select(persons.c.person_id).where(*mine)).one_or_none() is not None:
        return PersonHoldings(keeper, ())
    tables = [table for table in service_metadata.sorted_tables if "person_id" in table.c]
    counts = [(table.name, _count(connection, table, person_id)) for table in tables if _goes(table.name)]
    markers = tuple(marker for table in tables for marker in _markers(connection, table, person_id))
    return PersonHoldings(keeper, tuple(counts), markers)


def marker_of(sealed: bytes, *, wrapped: bool = False) -> bytes:
    """The window of a sealed value, or of a wrapped key, that begins with its nonce."""
    start = _WRAPPED_NONCE if wrapped else _SEALED_NONCE
    return sealed[start : start + MARKER_BYTES]


def _goes(table_name: str) -> bool:
    """Whether rows of the table go with the person, or are emptied."""
    return table_name not in OUTLIVING or bool(OUTLIVING[table_name])


def _count(connection: Connection, table: Table, person_id: str) -> int:
    sealed = OUTLIVING.get(table.name)
    filled: ColumnElement[bool] = true() if sealed is None else or_(*(table.c[name].is_not(None) for name in sealed))
    query = select(func.count()).select_from(table).where(table.c.person_id == person_id, filled)
    return int(connection.execute(query).scalar_one())


def _markers(connection: Connection, table: Table, person_id: str) -> Iterable[bytes]:
    names = OUTLIVING.get(table.name, tuple(c.name for c in table.columns if isinstance(c.type, LargeBinary)))
    columns = [table.c[name] for name in names]
    if not columns:
        return
    for row in connection.execute(select(*columns).where(table.c.person_id == person_id)).all():
        for name, value in zip(names, row, strict=True):
            marker = b"" if value is None else marker_of(bytes(value), wrapped=name == "wrapped")
            if len(marker) == MARKER_BYTES:
                yield marker
