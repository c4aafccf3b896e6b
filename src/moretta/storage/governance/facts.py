"""`core.governance.FactStore` in SQL: counts for documents, and notices as anybody may read them.

Belongs here: reading. Does not belong here: what documents say.
"""

from datetime import datetime

from sqlalchemy import Connection, Engine, Select, Table, func, select

from moretta.core.clock import to_second
from moretta.core.consent import ConsentState, Notice
from moretta.core.errors import NotFound
from moretta.core.governance import CollectionCounts, CompanyCounts
from moretta.core.recognition import PersonState
from moretta.core.rights import RequestState
from moretta.storage.consents.notices import to_notice
from moretta.storage.database import reading
from moretta.storage.schema import faces, persons
from moretta.storage.tables_consent import consents, notices
from moretta.storage.tables_governance import holds, incidents, retention_runs
from moretta.storage.tables_ledger import searches
from moretta.storage.tables_review import approvals
from moretta.storage.tables_rights import certificates, rights_requests

_COMPARABLE = [state.value for state in PersonState if state.comparable]
_OPEN = [state.value for state in RequestState if state.open]


class SqlFactStore:
    """One region's numbers. Safe to share between threads and processes; the engine stays open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collection_counts(self, collection_id: str) -> CollectionCounts:
        """As `FactStore.collection_counts`."""
        mine = persons.c.collection_id == collection_id
        photos = select(func.count(faces.c.photo_id.distinct())).where(faces.c.collection_id == collection_id)
        given = (consents.c.collection_id == collection_id, consents.c.state == ConsentState.GIVEN.value)
        with reading(self._engine) as connection:
            return CollectionCounts(
                persons=_count(connection, _all(persons).where(mine)),
                restricted=_count(connection, _all(persons).where(mine, persons.c.state.not_in(_COMPARABLE))),
                faces=_count(connection, _all(faces).where(faces.c.collection_id == collection_id)),
                photos=_count(connection, photos),
                consents=_count(connection, _all(consents).where(*given)),
                searches=_count(connection, _all(searches).where(searches.c.collection_id == collection_id)),
                holds=_count(
                    connection, _all(holds).where(holds.c.collection_id == collection_id, holds.c.held.is_not(None))
                ),
            )

    def company_counts(self, company_id: str, now: datetime) -> CompanyCounts:
        """As `FactStore.company_counts`."""
        signed = select(func.count(certificates.c.certificate_id.distinct())).where(
            certificates.c.company_id == company_id, certificates.c.document.is_not(None)
        )
        register = select(func.count(incidents.c.incident_id.distinct())).where(incidents.c.company_id == company_id)
        waiting = _all(rights_requests).where(
            rights_requests.c.company_id == company_id, rights_requests.c.state.in_(_OPEN)
        )
        moment = to_second(now)
        standing = _all(approvals).where(
            approvals.c.company_id == company_id, approvals.c.revoked_at.is_(None), approvals.c.until > moment
        )
        with reading(self._engine) as connection:
            return CompanyCounts(
                certificates=_count(connection, signed),
                requests_open=_count(connection, waiting),
                requests_late=_count(connection, waiting.where(rights_requests.c.due_at < moment)),
                sweeps=_count(connection, _all(retention_runs).where(retention_runs.c.company_id == company_id)),
                incidents=_count(connection, register),
                approvals=_count(connection, standing),
            )

    def published(self, notice_id: str) -> Notice:
        """As `FactStore.published`."""
        query = select(notices).where(notices.c.notice_id == notice_id).order_by(notices.c.version.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("expected the id of a notice, as printed on a sign")
        return to_notice(row)


def _all(table: Table) -> Select[int]:
    return select(func.count()).select_from(table)


def _count(connection: Connection, query: Select[int]) -> int:
    return connection.execute(query).scalar_one()
