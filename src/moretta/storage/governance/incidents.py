"""`core.incidents.IncidentStore` in SQL: each method one transaction.

Belongs here: the register's rows and the query of the affected. Does not belong here: what an incident is.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Engine, and_, exists, func, or_, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import to_second
from moretta.core.errors import Conflict, NotFound
from moretta.core.incidents import Affected, AffectedQuery, Incident
from moretta.core.ledger import LogEntry
from moretta.storage import ledger
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.governance.rows import incident_record, to_incident
from moretta.storage.schema import collections, erased_persons, persons
from moretta.storage.tables_governance import incidents
from moretta.storage.tables_ledger import searched_persons, searches
from moretta.storage.upsert import insert_into


class SqlIncidentStore:
    """One region's breach register. Safe to share between threads and processes; the engine stays open.

    `keep` passes two checkpoints, `incident:before-commit` and `incident:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._checkpoint = engine, checkpoint

    def keep(self, incident: Incident, entries: Sequence[LogEntry] = ()) -> None:
        """As `IncidentStore.keep`."""
        values = {
            "incident_id": incident.incident_id,
            "revision": incident.revision,
            "company_id": incident.company_id,
            "record": incident_record(incident),
        }
        newest = select(func.max(incidents.c.revision)).where(incidents.c.incident_id == incident.incident_id)
        with between_checkpoints(writing_rows(self._engine), self._checkpoint, "incident") as connection:
            follows = (connection.execute(newest).scalar_one_or_none() or 0) == incident.revision - 1
            new = insert_into(connection, incidents).values(values).on_conflict_do_nothing()
            kept = follows and connection.execute(new.returning(incidents.c.revision)).one_or_none() is not None
            if not kept:
                raise Conflict("expected a change of the incident as it stands; it changed meanwhile: read it again")
            ledger.append(connection, entries)

    def incident(self, company_id: str, incident_id: str) -> Incident:
        """As `IncidentStore.incident`."""
        return self.history(company_id, incident_id)[-1]

    def history(self, company_id: str, incident_id: str) -> list[Incident]:
        """As `IncidentStore.history`."""
        mine = (incidents.c.incident_id == incident_id, incidents.c.company_id == company_id)
        query = select(incidents.c.record).where(*mine).order_by(incidents.c.revision)
        with reading(self._engine) as connection:
            records = connection.execute(query).scalars().all()
        if not records:
            raise NotFound("expected the id of an incident of this company; list them to see the ids")
        return [to_incident(bytes(record)) for record in records]

    def incidents(self, company_id: str, limit: int, after: str | None = None) -> list[Incident]:
        """As `IncidentStore.incidents`."""
        later = incidents.alias()
        newer = exists().where(later.c.incident_id == incidents.c.incident_id, later.c.revision > incidents.c.revision)
        query = select(incidents.c.record).where(incidents.c.company_id == company_id, ~newer)
        if after is not None:
            query = query.where(incidents.c.incident_id > after)
        with reading(self._engine) as connection:
            records = connection.execute(query.order_by(incidents.c.incident_id).limit(limit)).scalars().all()
        return [to_incident(bytes(record)) for record in records]

    def affected(self, company_id: str, query: AffectedQuery, limit: int, after: str | None = None) -> Affected:
        """As `IncidentStore.affected`."""
        mine = select(persons.c.person_id).where(persons.c.company_id == company_id, *_met(query))
        mine = mine.order_by(persons.c.person_id).limit(limit + 1)
        if after is not None:
            mine = mine.where(persons.c.person_id > after)
        gone = select(func.count()).select_from(erased_persons).where(erased_persons.c.company_id == company_id)
        if query.since is not None:
            gone = gone.where(erased_persons.c.erased_at >= to_second(query.since))
        with reading(self._engine) as connection:
            found = list(connection.execute(mine).scalars())
            erased = connection.execute(gone).scalar_one()
        told = tuple(found[:limit])
        return Affected(told, told[-1] if len(found) > limit else None, erased)


def _met(query: AffectedQuery) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if query.collection_id is not None:
        conditions.append(persons.c.collection_id == query.collection_id)
    if query.until is not None:
        conditions.append(persons.c.created_at <= to_second(query.until))
    if query.key_id is not None:
        conditions.append(or_(_under_key(query.key_id), _named_by(query)))
    return conditions


def _under_key(key_id: str) -> ColumnElement[bool]:
    return exists().where(collections.c.collection_id == persons.c.collection_id, collections.c.key_id == key_id)


def _named_by(query: AffectedQuery) -> ColumnElement[bool]:
    window = [searches.c.caller == query.key_id]
    if query.since is not None:
        window.append(searches.c.time >= to_second(query.since))
    if query.until is not None:
        window.append(searches.c.time <= to_second(query.until))
    return exists().where(
        searched_persons.c.person_id == persons.c.person_id,
        and_(searches.c.search_id == searched_persons.c.search_id, *window),
    )
