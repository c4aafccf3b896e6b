"""Notices as rows: added, found, never changed.

Belongs here: versions, and which of them a collection shows. Does not belong here: what a notice must say.
"""

from sqlalchemy import Connection, Row, func, select

from moretta.core.clock import from_second, to_second
from moretta.core.consent import Notice
from moretta.core.errors import Conflict, NotFound
from moretta.storage.recognition.collections import lock_collection
from moretta.storage.tables_consent import notices


def add_notice(connection: Connection, notice: Notice) -> None:
    """Keep it. Raises `Conflict`, `NotFound` as `ConsentStore.add_notice` does."""
    lock_collection(connection, notice.collection_id, notice.company_id)
    shown = _newest_in(connection, notice.collection_id, notice.language)
    expected = (notice.notice_id, 1) if shown is None else (shown.notice_id, shown.version + 1)
    if (notice.notice_id, notice.version) != expected:
        raise Conflict("the collection's notice in this language changed meanwhile; look at it and try again")
    values = {
        "notice_id": notice.notice_id,
        "version": notice.version,
        "company_id": notice.company_id,
        "collection_id": notice.collection_id,
        "language": notice.language,
        "controller": notice.controller,
        "purpose": notice.purpose,
        "sha256": notice.sha256,
        "created_at": to_second(notice.created_at),
        "text": notice.text.encode(),
    }
    connection.execute(notices.insert().values(values))


def find_notice(connection: Connection, company_id: str, notice_id: str, version: int | None) -> Notice:
    """That version, or the newest. Raises `NotFound`."""
    query = select(notices).where(notices.c.notice_id == notice_id, notices.c.company_id == company_id)
    if version is not None:
        query = query.where(notices.c.version == version)
    return _one(connection.execute(query.order_by(notices.c.version.desc()).limit(1)).one_or_none())


def list_notices(
    connection: Connection, company_id: str, limit: int, after: str | None, collection_id: str | None
) -> list[Notice]:
    """The newest version of each, in the order of their ids."""
    newest = select(notices.c.notice_id, func.max(notices.c.version).label("version")).group_by(notices.c.notice_id)
    chosen = newest.where(notices.c.company_id == company_id).subquery()
    query = select(notices).join(
        chosen, (chosen.c.notice_id == notices.c.notice_id) & (chosen.c.version == notices.c.version)
    )
    if collection_id is not None:
        query = query.where(notices.c.collection_id == collection_id)
    if after is not None:
        query = query.where(notices.c.notice_id > after)
    return [to_notice(row) for row in connection.execute(query.order_by(notices.c.notice_id).limit(limit)).all()]


def shown_notices(connection: Connection, company_id: str, collection_id: str) -> list[Notice]:
    """The newest version in each language."""
    query = select(notices).where(notices.c.collection_id == collection_id, notices.c.company_id == company_id)
    newest: dict[str, Notice] = {}
    for row in connection.execute(query.order_by(notices.c.language, notices.c.version)).all():
        newest[row.language] = to_notice(row)
    return list(newest.values())


def notice_with(connection: Connection, company_id: str, collection_id: str, sha256: str) -> Notice:
    """The newest version with these exact bytes. Raises `NotFound`."""
    query = select(notices).where(
        notices.c.collection_id == collection_id, notices.c.company_id == company_id, notices.c.sha256 == sha256
    )
    newest = query.order_by(notices.c.created_at.desc(), notices.c.version.desc()).limit(1)
    return _one(connection.execute(newest).one_or_none())


def to_notice(row: Row[tuple[object, ...]]) -> Notice:
    """The value that a row stands for."""
    return Notice(
        notice_id=row.notice_id,
        version=row.version,
        company_id=row.company_id,
        collection_id=row.collection_id,
        language=row.language,
        controller=row.controller,
        purpose=row.purpose,
        text=bytes(row.text).decode(),
        created_at=from_second(row.created_at),
    )


def _newest_in(connection: Connection, collection_id: str, language: str) -> Row[tuple[object, ...]] | None:
    query = select(notices).where(notices.c.collection_id == collection_id, notices.c.language == language)
    return connection.execute(query.order_by(notices.c.version.desc()).limit(1)).one_or_none()


def _one(row: Row[tuple[object, ...]] | None) -> Notice:
    if row is None:
        raise NotFound("expected the id of a notice of this company; list the notices to see the ids")
    return to_notice(row)
