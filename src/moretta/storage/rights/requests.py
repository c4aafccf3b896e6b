"""`core.rights.RightsStore` in SQL: each method one transaction.

Belongs here: transactions and rows of requests and notices. Does not belong here: clocks, fulfilling.

Keys are opened and values sealed before a transaction begins, so that no lock waits for a key service.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, Select, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import from_second, to_second
from moretta.core.errors import Conflict, NotFound, PersonErased
from moretta.core.key_service import SubjectCipher
from moretta.core.ledger import LogEntry
from moretta.core.rights import (
    NoticeEvent,
    RequestDetails,
    RequestedBy,
    RequestState,
    Right,
    RightsNotice,
    RightsRequest,
)
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.ledger import append
from moretta.storage.recognition.persons import absent_person, find_person
from moretta.storage.recognition.sealed import OpenedKeys
from moretta.storage.rights.sealed import open_request, seal_request
from moretta.storage.schema import subject_keys
from moretta.storage.tables_rights import rights_notices, rights_requests

Notice = tuple[NoticeEvent, str]


class SqlRightsStore:
    """One region's requests. Safe to share between threads and processes; the engine stays open.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, cipher: SubjectCipher, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._cipher, self._checkpoint = engine, cipher, checkpoint

    def open_request(self, request: RightsRequest, notice: Notice, entries: Sequence[LogEntry]) -> None:
        """As `RightsStore.open_request`."""
        details = self._sealed(request)
        with self._writing("open-request") as connection:
            if not _lock_key(connection, request.person_id):
                raise absent_person(connection, request.person_id, request.company_id)
            row = {**_columns(request), "details": details}
            connection.execute(rights_requests.insert().values(row))
            _add_notice(connection, request, notice, request.received_at)
            append(connection, entries)

    def request(self, company_id: str, request_id: str) -> RightsRequest:
        """As `RightsStore.request`."""
        mine = (rights_requests.c.request_id == request_id, rights_requests.c.company_id == company_id)
        with reading(self._engine) as connection:
            row = connection.execute(_with_key().where(*mine)).one_or_none()
        if row is None:
            raise NotFound("expected the id of a rights request of this company; list the requests to see the ids")
        return _to_request(row, OpenedKeys(self._cipher))

    def requests(
        self,
        company_id: str,
        limit: int,
        after: str | None = None,
        *,
        person_id: str | None = None,
        state: RequestState | None = None,
    ) -> list[RightsRequest]:
        """As `RightsStore.requests`."""
        query = _with_key().where(rights_requests.c.company_id == company_id)
        if person_id is not None:
            query = query.where(rights_requests.c.person_id == person_id)
        if state is not None:
            query = query.where(rights_requests.c.state == state.value)
        if after is not None:
            query = query.where(rights_requests.c.request_id > after)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(rights_requests.c.request_id).limit(limit)).all()
        keys = OpenedKeys(self._cipher)
        return [_to_request(row, keys) for row in rows]

    def change_request(
        self, request: RightsRequest, expected: RequestState, notice: Notice | None, entries: Sequence[LogEntry]
    ) -> None:
        """As `RightsStore.change_request`."""
        details = self._sealed(request)
        mine = (
            rights_requests.c.request_id == request.request_id,
            rights_requests.c.company_id == request.company_id,
            rights_requests.c.state == expected.value,
        )
        with self._writing("change-request") as connection:
            # Without the key nothing sealed may be put back: the person was erased meanwhile.
            kept = details if _lock_key(connection, request.person_id) else None
            changes = {**_columns(request), "details": kept}
            if connection.execute(rights_requests.update().where(*mine).values(changes)).rowcount != 1:
                raise Conflict("the request was changed meanwhile; look at it again")
            if notice is not None:
                _add_notice(connection, request, notice, request.closed_at or request.received_at)
            append(connection, entries)

    def notices(
        self, company_id: str, limit: int, after: int = 0, *, request_id: str | None = None
    ) -> list[RightsNotice]:
        """As `RightsStore.notices`."""
        query = select(rights_notices).where(rights_notices.c.company_id == company_id, rights_notices.c.number > after)
        if request_id is None:
            query = query.where(rights_notices.c.delivered_at.is_(None))
        else:
            query = query.where(rights_notices.c.request_id == request_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(rights_notices.c.number).limit(limit)).all()
        return [_to_notice(row) for row in rows]

    def delivered(self, company_id: str, number: int, at: datetime) -> None:
        """As `RightsStore.delivered`."""
        mine = (rights_notices.c.company_id == company_id, rights_notices.c.number == number)
        with self._writing("notice-delivered") as connection:
            row = connection.execute(select(rights_notices.c.delivered_at).where(*mine)).one_or_none()
            if row is None:
                raise NotFound("expected the number of a notice of this company")
            if row.delivered_at is None:
                connection.execute(rights_notices.update().where(*mine).values(delivered_at=to_second(at)))

    def _sealed(self, request: RightsRequest) -> bytes | None:
        with reading(self._engine) as connection:
            try:
                row = find_person(connection, request.person_id, request.company_id)
            except PersonErased:
                return None
        key = self._cipher.opened(request.person_id, row.wrapped)
        return seal_request(self._cipher, key, request.request_id, request.details)

    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        return between_checkpoints(writing_rows(self._engine), self._checkpoint, what)


def _lock_key(connection: Connection, person_id: str) -> bool:
    """Whether the person's data key is there; it does not go before the transaction ends."""
    query = select(subject_keys.c.person_id).where(subject_keys.c.person_id == person_id)
    return connection.execute(query.with_for_update(read=True, key_share=True)).one_or_none() is not None


def _columns(request: RightsRequest) -> dict[str, object]:
    return {
        "request_id": request.request_id,
        "company_id": request.company_id,
        "person_id": request.person_id,
        "right_name": request.right.value,
        "state": request.state.value,
        "requested_by": request.by.value,
        "received_at": to_second(request.received_at),
        "due_at": to_second(request.due_at),
        "closed_at": None if request.closed_at is None else to_second(request.closed_at),
        "certificate_id": request.certificate_id,
    }


def _add_notice(connection: Connection, request: RightsRequest, notice: Notice, at: datetime) -> None:
    event, jws = notice
    values = {
        "company_id": request.company_id,
        "request_id": request.request_id,
        "event": event.value,
        "made_at": to_second(at),
        "jws": jws,
        "delivered_at": None,
    }
    connection.execute(rights_notices.insert().values(values))


def _with_key() -> Select[tuple[object, ...]]:
    return select(rights_requests, subject_keys.c.wrapped).join(
        subject_keys, subject_keys.c.person_id == rights_requests.c.person_id, isouter=True
    )


def _to_request(row: Row[tuple[object, ...]], keys: OpenedKeys) -> RightsRequest:
    details = RequestDetails()
    if row.details is not None and row.wrapped is not None:
        key = keys.key(row.person_id, bytes(row.wrapped))
        details = open_request(keys.cipher, key, row.request_id, bytes(row.details))
    return RightsRequest(
        request_id=row.request_id,
        company_id=row.company_id,
        person_id=row.person_id,
        right=Right(row.right_name),
        state=RequestState(row.state),
        by=RequestedBy(row.requested_by),
        received_at=from_second(row.received_at),
        due_at=from_second(row.due_at),
        closed_at=None if row.closed_at is None else from_second(row.closed_at),
        certificate_id=row.certificate_id,
        details=details,
    )


def _to_notice(row: Row[tuple[object, ...]]) -> RightsNotice:
    return RightsNotice(
        number=row.number,
        company_id=row.company_id,
        request_id=row.request_id,
        event=NoticeEvent(row.event),
        made_at=from_second(row.made_at),
        jws=row.jws,
        delivered_at=None if row.delivered_at is None else from_second(row.delivered_at),
    )
