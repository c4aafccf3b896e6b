"""Imports and which of their items were dealt with.

Belongs here: that an item is enrolled once, however often its import is begun anew. Does not belong here: reading folders.
"""

from sqlalchemy import Connection, select

from moretta.core.errors import Conflict, NotFound
from moretta.storage.schema import import_items, imports
from moretta.storage.upsert import insert_into

_FAILED = "failed:"


def create_import(connection: Connection, import_id: str, collection_id: str, company_id: str, now: str) -> None:
    """Begin an import, or go on with it."""
    row = {"import_id": import_id, "collection_id": collection_id, "company_id": company_id, "created_at": now}
    connection.execute(insert_into(connection, imports).values(row).on_conflict_do_nothing())
    _require_import(connection, import_id, collection_id, company_id)


def outcomes(connection: Connection, import_id: str) -> dict[str, str]:
    """Item keys and outcomes."""
    _require_import(connection, import_id)
    query = select(import_items.c.item_key, import_items.c.outcome).where(import_items.c.import_id == import_id)
    return {row.item_key: row.outcome for row in connection.execute(query).all()}


def mark_enrolled(
    connection: Connection, import_id: str, item_key: str, person_id: str, collection_id: str, company_id: str
) -> None:
    """The item is this person, for good. Raises `Conflict` where it was enrolled already."""
    _require_import(connection, import_id, collection_id, company_id)
    if not _mark(connection, import_id, item_key, person_id):
        raise Conflict("this item of the import was enrolled already; look at the import's items before enrolling")


def mark_failed(connection: Connection, import_id: str, item_key: str, reason: str) -> None:
    """The item cannot be enrolled, unless it was meanwhile."""
    _require_import(connection, import_id)
    _mark(connection, import_id, item_key, f"{_FAILED}{reason}")


def _mark(connection: Connection, import_id: str, item_key: str, outcome: str) -> bool:
    """Note an outcome; False where the item is a person already."""
    row = insert_into(connection, import_items).values(import_id=import_id, item_key=item_key, outcome=outcome)
    kept = row.on_conflict_do_update(
        index_elements=["import_id", "item_key"],
        set_={"outcome": row.excluded.outcome},
        where=import_items.c.outcome.startswith(_FAILED, autoescape=True),
    )
    return connection.execute(kept.returning(import_items.c.item_key)).one_or_none() is not None


def _require_import(
    connection: Connection, import_id: str, collection_id: str | None = None, company_id: str | None = None
) -> None:
    query = select(imports.c.import_id).where(imports.c.import_id == import_id)
    if collection_id is not None:
        query = query.where(imports.c.collection_id == collection_id, imports.c.company_id == company_id)
    if connection.execute(query).one_or_none() is None:
        raise NotFound("expected the id of an import of this collection; begin one first")
