"""Who and what is over its time: the queries of the retention sweeper.

Belongs here: SQL that reads. Does not belong here: deadlines (see `core.retention`), deleting.
"""

from sqlalchemy import ColumnElement, Select, and_, exists, false, or_, select, true

from moretta.core.clock import to_second
from moretta.core.retention import Deadlines
from moretta.storage.schema import faces, persons
from moretta.storage.tables_governance import holds
from moretta.storage.tables_ledger import searched_persons, searches


def overdue_persons(collection_id: str, limits: Deadlines) -> Select[tuple[object, ...]]:
    """Ids of the collection's persons who are over their time, in their order."""
    mine = (persons.c.collection_id == collection_id, _over_time(limits))
    return select(persons.c.person_id).where(*mine).order_by(persons.c.person_id)


def overdue_photos(collection_id: str, limits: Deadlines) -> Select[tuple[object, ...]]:
    """Face, person and photo of photos that are over their time and of nobody who is held, the oldest first."""
    held = exists().where(holds.c.held == faces.c.person_id)
    mine = (faces.c.collection_id == collection_id, faces.c.photo_id.is_not(None), ~held)
    old = false() if limits.photos is None else faces.c.created_at <= to_second(limits.photos)
    query = select(faces.c.face_id, faces.c.person_id, faces.c.photo_id).where(*mine, old)
    return query.order_by(faces.c.created_at, faces.c.face_id)


def _over_time(limits: Deadlines) -> ColumnElement[bool]:
    if limits.everybody:
        return true()
    told = []
    if limits.enrolled is not None:
        told.append(_not_enrolled_since(to_second(limits.enrolled)))
    if limits.interacted is not None:
        since = to_second(limits.interacted)
        told.append(and_(_not_enrolled_since(since), ~_matched_since(since)))
    return or_(false(), *told)


def _not_enrolled_since(moment: str) -> ColumnElement[bool]:
    later = exists().where(faces.c.person_id == persons.c.person_id, faces.c.created_at > moment)
    return and_(persons.c.created_at <= moment, ~later)


def _matched_since(moment: str) -> ColumnElement[bool]:
    return exists().where(
        searched_persons.c.person_id == persons.c.person_id,
        searched_persons.c.matched.is_(True),
        searches.c.search_id == searched_persons.c.search_id,
        searches.c.time > moment,
    )
