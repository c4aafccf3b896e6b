"""Collections as rows: finding, locking, changing, deleting.

Belongs here: the row of a collection and whatever goes with it as a whole. Does not belong here: single persons and faces.
"""

from sqlalchemy import Connection, Row, Select, literal, null, select

from moretta.core.clock import from_second, to_second
from moretta.core.errors import Conflict, NotFound
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, CollectionState, Thresholds
from moretta.storage.consents.forgetting import forget_challenges, forget_people
from moretta.storage.governance.holding import forget_words_about, require_not_held
from moretta.storage.ledger.comparing import forget_comparisons_in, forget_comparisons_of
from moretta.storage.recognition.outside import Kind, doom, take
from moretta.storage.rights.forgetting import forget_requests_of
from moretta.storage.schema import (
    announced,
    collections,
    erased_persons,
    faces,
    import_items,
    imports,
    persons,
    removed_rows,
    segments,
    subject_keys,
)
from moretta.storage.subjects.forgetting import forget_links_of

CollectionRow = Row[tuple[object, ...]]


def create_collection(connection: Connection, collection: Collection) -> None:
    """Keep a new collection and take its key off the announced ones."""
    take(connection, Kind.KEY, [collection.key_id])
    values = {
        "collection_id": collection.collection_id,
        "company_id": collection.company_id,
        "scheme": collection.scheme.value,
        "model_id": collection.model_id,
        "dimension": collection.dimension,
        "key_id": collection.key_id,
        "home": collection.home,
        "created_at": to_second(collection.created_at),
        "sequence": 0,
        "next_row": 1,
    }
    connection.execute(collections.insert().values(**values, **_changeable(collection)))


def find_collection(connection: Connection, collection_id: str, company_id: str | None = None) -> CollectionRow:
    """The row of a collection (of `company_id` where given). Raises `NotFound`."""
    return _one(connection, _query(collection_id, company_id))


def list_collections(connection: Connection, company_id: str | None, limit: int, after: str | None) -> list[Collection]:
    """Collections (of `company_id` where given) in the order of their ids, from after the id `after`."""
    query = select(collections).order_by(collections.c.collection_id).limit(limit)
    if company_id is not None:
        query = query.where(collections.c.company_id == company_id)
    if after is not None:
        query = query.where(collections.c.collection_id > after)
    return [to_collection(row) for row in connection.execute(query).all()]


def lock_collection(connection: Connection, collection_id: str, company_id: str | None = None) -> CollectionRow:
    """As `find_collection`, and nobody else changes its gallery until the transaction ends."""
    return _one(connection, _query(collection_id, company_id).with_for_update())


def require_standing(row: CollectionRow) -> None:
    """Raise `NotFound` where the collection is being taken down: nothing may be added to it any more."""
    if row.state == CollectionState.DELETED:
        raise _unknown()


def require_writable(row: CollectionRow, key_id: str) -> None:
    """Raise `Conflict` unless templates under `key_id` may be written now, and as `require_standing`."""
    require_standing(row)
    require_present_key(row, key_id)


def require_present_key(row: CollectionRow, key_id: str) -> None:
    """Raise `Conflict` unless `key_id` is the collection's key, and no other is about to take its place."""
    if row.key_id != key_id or row.state == CollectionState.REISSUING:
        raise Conflict("the collection's key is changing or has changed; protect again under its present key")


def advance(connection: Connection, row: CollectionRow, rows: int = 0) -> int:
    """The sequence of a change of the gallery that adds `rows`, which the collection, locked before, now stands at."""
    sequence = int(row.sequence) + 1
    mine = collections.c.collection_id == row.collection_id
    changed = {"sequence": sequence, "next_row": int(row.next_row) + rows}
    connection.execute(collections.update().where(mine).values(changed))
    return sequence


def update_collection(connection: Connection, collection: Collection) -> None:
    """Change what may change.

    Raises:
        PersonHeld: it is to be deleted, and a hold keeps somebody.
        NotFound: it is being deleted, and that is never taken back.
    """
    row = lock_collection(connection, collection.collection_id, collection.company_id)
    if collection.state is CollectionState.DELETED:
        require_not_held(connection, people_of(collection.collection_id))
    else:
        require_standing(row)
    mine = collections.c.collection_id == collection.collection_id
    connection.execute(collections.update().where(mine).values(**_changeable(collection)))


def delete_collection(connection: Connection, collection_id: str, company_id: str, now: str) -> None:
    """Delete it with all that is its; what lies outside of the database is to be deleted. Raises `PersonHeld`."""
    row = lock_collection(connection, collection_id, company_id)
    require_not_held(connection, people_of(collection_id))
    _doom_all(connection, row, now)
    people = select(persons.c.person_id, persons.c.company_id, literal(now)).where(
        persons.c.collection_id == collection_id
    )
    connection.execute(erased_persons.insert().from_select(["person_id", "company_id", "erased_at"], people))
    its_imports = select(imports.c.import_id).where(imports.c.collection_id == collection_id)
    its_people = people_of(collection_id)
    forget_comparisons_of(connection, its_people)
    forget_comparisons_in(connection, collection_id)
    forget_people(connection, its_people)
    forget_requests_of(connection, its_people)
    forget_words_about(connection, its_people)
    forget_links_of(connection, its_people)
    forget_challenges(connection, collection_id)
    connection.execute(import_items.delete().where(import_items.c.import_id.in_(its_imports)))
    connection.execute(subject_keys.delete().where(subject_keys.c.person_id.in_(its_people)))
    for table in (imports, removed_rows, segments, faces, persons, collections):
        connection.execute(table.delete().where(table.c.collection_id == collection_id))


def people_of(collection_id: str) -> Select[tuple[str]]:
    """The ids of everybody in a collection, as a query."""
    return select(persons.c.person_id).where(persons.c.collection_id == collection_id)


def to_collection(row: CollectionRow) -> Collection:
    """The value that a row stands for."""
    return Collection(
        collection_id=row.collection_id,
        company_id=row.company_id,
        name=row.name,
        purpose=row.purpose,
        scheme=Scheme(row.scheme),
        model_id=row.model_id,
        dimension=row.dimension,
        key_id=row.key_id,
        thresholds=Thresholds(
            row.match_similarity, row.duplicate_similarity, row.false_match_rate, row.threshold_source
        ),
        home=row.home,
        replicas=frozenset(row.replicas.split()),
        created_at=from_second(row.created_at),
        retention_days=row.retention_days,
        min_quality=row.min_quality,
        bands=row.bands,
        state=CollectionState(row.state),
        sequence=row.sequence,
    )


def threshold_columns(thresholds: Thresholds) -> dict[str, float | str]:
    """Thresholds as columns."""
    return {
        "match_similarity": thresholds.match,
        "duplicate_similarity": thresholds.duplicate,
        "false_match_rate": thresholds.fmr,
        "threshold_source": thresholds.source,
    }


def _changeable(collection: Collection) -> dict[str, object]:
    return {
        "name": collection.name,
        "purpose": collection.purpose,
        "replicas": " ".join(sorted(collection.replicas)),
        "retention_days": collection.retention_days,
        "min_quality": collection.min_quality,
        "bands": collection.bands,
        "state": collection.state.value,
        **threshold_columns(collection.thresholds),
    }


def _doom_all(connection: Connection, row: CollectionRow, now: str) -> None:
    its_photos = (
        select(literal(Kind.BLOB.value), faces.c.photo_id, null(), literal(now))
        .where(faces.c.collection_id == row.collection_id, faces.c.photo_id.is_not(None))
        .distinct()
    )
    connection.execute(announced.insert().from_select(["kind", "id", "owner", "announced_at"], its_photos))
    present = select(segments.c.segment_id).where(
        segments.c.collection_id == row.collection_id, segments.c.dropped_sequence.is_(None)
    )
    doom(connection, Kind.SEGMENT, connection.execute(present).scalars().all(), now)
    doom(connection, Kind.KEY, [row.key_id], now)


def _query(collection_id: str, company_id: str | None) -> Select[tuple[object, ...]]:
    query = select(collections).where(collections.c.collection_id == collection_id)
    return query if company_id is None else query.where(collections.c.company_id == company_id)


def _one(connection: Connection, query: Select[tuple[object, ...]]) -> CollectionRow:
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("expected the id of a collection of this company; list the collections to see the ids")
