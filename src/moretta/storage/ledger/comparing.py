"""Who was compared, as rows: keeping records of comparisons, and since when a person takes part in them.

Belongs here: SQL. Does not belong here: transactions (see `audit`), which persons are compared (the gallery says).
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, false, or_, select

from moretta.core.audit import SearchAbout, SearchKind, SearchRecord
from moretta.core.errors import NotFound
from moretta.core.recognition import PersonState
from moretta.storage.schema import collections, faces, persons
from moretta.storage.tables_ledger import comparable_since, searched_persons, searches


def note_comparable(connection: Connection, person_id: str, now: str) -> None:
    """Note whether a person takes part in comparisons from now on, where that changed: has faces, and a state that permits it."""
    mine = comparable_since.c.person_id == person_id
    query = select(comparable_since).where(mine).order_by(comparable_since.c.number.desc()).limit(1)
    before = connection.execute(query).one_or_none()
    has_faces = exists().where(faces.c.person_id == person_id)
    row = connection.execute(select(persons.c.state, has_faces).where(persons.c.person_id == person_id)).one()
    comparable = PersonState(row[0]).comparable and bool(row[1])
    if before is None or comparable is not before.comparable:
        number = 1 if before is None else before.number + 1
        values = {"person_id": person_id, "number": number, "since": now, "comparable": comparable}
        connection.execute(comparable_since.insert().values(values))


def forget_comparisons_of(connection: Connection, its_people: Select[tuple[str]]) -> None:
    """Delete what tells of comparisons with these people; that there were any stays."""
    for table in (searched_persons, comparable_since):
        connection.execute(table.delete().where(table.c.person_id.in_(its_people)))


def forget_comparisons_in(connection: Connection, collection_id: str) -> None:
    """Delete every record of a collection that is deleted; the people were dealt with before."""
    connection.execute(searches.delete().where(searches.c.collection_id == collection_id))


def lock_named(connection: Connection, search: SearchRecord) -> list[str]:
    """Whom of those that a record names are still there; neither they nor the collection go before the transaction ends.

    Raises:
        NotFound: the collection is gone.
    """
    find = select(collections.c.collection_id).where(collections.c.collection_id == search.collection_id)
    if connection.execute(find.with_for_update(read=True, key_share=True)).one_or_none() is None:
        raise NotFound("the collection was deleted meanwhile")
    named = {*search.matched, *([search.claimed] if search.claimed else [])}
    if not named:
        return []
    there = select(persons.c.person_id).where(
        persons.c.person_id.in_(named), persons.c.collection_id == search.collection_id
    )
    locked = there.order_by(persons.c.person_id).with_for_update(read=True, key_share=True)
    return list(connection.execute(locked).scalars())


def keep_search(connection: Connection, search: SearchRecord, there: Sequence[str], log_index: int) -> None:
    """Keep a record that names those who are `there`, as `lock_named` gave them."""
    values = {
        "search_id": search.search_id,
        "log_index": log_index,
        "kind": search.kind.value,
        "collection_id": search.collection_id,
        "company_id": search.company_id,
        "time": search.time,
        "purpose": search.purpose,
        "caller": search.caller,
        "compared": search.compared,
    }
    connection.execute(searches.insert().values(values))
    matched = set(search.matched)
    rows = [
        {
            "search_id": search.search_id,
            "person_id": person_id,
            "claimed": person_id == search.claimed,
            "matched": person_id in matched,
        }
        for person_id in there
    ]
    if rows:
        connection.execute(searched_persons.insert(), rows)


def find_about(
    connection: Connection, person: Row[tuple[object, ...]], limit: int, before: int | None
) -> list[SearchAbout]:
    """The acts that compared a person (a row of `persons`), the latest first."""
    named = and_(searched_persons.c.search_id == searches.c.search_id, searched_persons.c.person_id == person.person_id)
    query = (
        select(searches, searched_persons.c.claimed, searched_persons.c.matched)
        .join(searched_persons, named, isouter=True)
        .where(searches.c.collection_id == person.collection_id)
        .where(or_(searched_persons.c.person_id.is_not(None), _while_comparable(connection, person)))
        .order_by(searches.c.log_index.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(searches.c.log_index < before)
    return [_to_about(row, person.person_id) for row in connection.execute(query).all()]


def find_search(connection: Connection, search_id: str, company_id: str) -> SearchRecord | None:
    """A record with all whom it names and who are still there."""
    mine = (searches.c.search_id == search_id, searches.c.company_id == company_id)
    row = connection.execute(select(searches).where(*mine)).one_or_none()
    if row is None:
        return None
    theirs = select(searched_persons).where(searched_persons.c.search_id == search_id)
    named = connection.execute(theirs.order_by(searched_persons.c.person_id)).all()
    claimed = next((one.person_id for one in named if one.claimed), None)
    return _to_record(row, claimed, tuple(one.person_id for one in named if one.matched))


def _while_comparable(connection: Connection, person: Row[tuple[object, ...]]) -> ColumnElement[bool]:
    """Searches of the gallery in the times when the person took part; moments within one second count as the same."""
    mine = comparable_since.c.person_id == person.person_id
    changes = connection.execute(select(comparable_since).where(mine).order_by(comparable_since.c.number)).all()
    moments = [(row.since, row.comparable) for row in changes]
    if not moments or not moments[0][1]:  # nothing was noted of the time before: assume that they took part
        moments = [(str(person.created_at), True), *moments]
    ends = [since for since, _ in moments[1:]] + [None]
    spans = [
        and_(searches.c.time >= since, searches.c.time <= end) if end is not None else searches.c.time >= since
        for (since, comparable), end in zip(moments, ends, strict=True)
        if comparable
    ]
    return and_(searches.c.kind == SearchKind.SEARCH.value, or_(false(), *spans))


def _to_about(row: Row[tuple[object, ...]], person_id: str) -> SearchAbout:
    claimed, matched = (person_id if row.claimed else None), bool(row.matched)
    return SearchAbout(_to_record(row, claimed, (person_id,) if matched else ()), matched, row.log_index)


def _to_record(row: Row[tuple[object, ...]], claimed: str | None, matched: tuple[str, ...]) -> SearchRecord:
    return SearchRecord(
        search_id=row.search_id,
        kind=SearchKind(row.kind),
        collection_id=row.collection_id,
        company_id=row.company_id,
        time=row.time,
        purpose=row.purpose,
        caller=row.caller,
        compared=row.compared,
        claimed=claimed,
        matched=matched,
    )
