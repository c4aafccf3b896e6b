"""`core.callbacks.DeliveryStore` in SQL: each method one transaction.

Belongs here: rows of deliveries, and who may send which message now. Does not belong here: when to try again, what an answer
means.

A claim is one statement that counts the attempt only where nobody else holds the lease, so that of several processes one gets
it. Whoever notes an outcome locks the message's row first: of several receivers' outcomes the last sees all others.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, func, or_, select

from moretta.core.callbacks import Claim, DeliveryCounts, Receiver
from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import to_second
from moretta.core.ledger import LogEntry
from moretta.core.rights import NoticeEvent
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.ledger import append
from moretta.storage.tables_rights import rights_deliveries, rights_notices
from moretta.storage.upsert import insert_into

_NOTICE, _DELIVERY = rights_notices.c, rights_deliveries.c
_OPEN = and_(_DELIVERY.taken_at.is_(None), _DELIVERY.given_up_at.is_(None))
# Sorts before every moment: nobody holds it.
_NOBODY = ""


class SqlDeliveryStore:
    """One region's deliveries. Safe to share between threads and processes; the engine stays open.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._checkpoint = engine, checkpoint

    def claim(self, receiver: Receiver, now: datetime, lease_until: datetime, *, early: bool = False) -> Claim | None:
        """As `DeliveryStore.claim`."""
        free = _free(to_second(now), early=early)
        query = _waiting(receiver).where(or_(_DELIVERY.number.is_(None), free)).order_by(_NOTICE.number).limit(1)
        with reading(self._engine) as connection:
            # Most often there is none; asking takes no lock.
            if connection.execute(query).one_or_none() is None:
                return None
        with self._writing("claim-notice") as connection:
            # Each turn that finds one and does not get it was lost to another process, which got it.
            while (row := connection.execute(query).one_or_none()) is not None:
                attempt = _leased(connection, row.number, receiver.name, to_second(now), to_second(lease_until), free)
                if attempt is not None:
                    event = NoticeEvent(row.event)
                    return Claim(row.number, receiver.name, row.company_id, row.request_id, event, attempt, row.jws)
        return None

    def taken(self, claim: Claim, at: datetime, everyone: Sequence[str], entries: Sequence[LogEntry]) -> None:
        """As `DeliveryStore.taken`."""
        changes = {"taken_at": to_second(at), "given_up_at": None, "leased_until": _NOBODY, "outcome": "taken"}
        with self._writing("notice-taken") as connection:
            _lock(connection, claim)
            open_one = (*_mine(claim), _DELIVERY.taken_at.is_(None))
            changed = connection.execute(rights_deliveries.update().where(*open_one).values(changes)).rowcount == 1
            reached = select(_DELIVERY.receiver).where(
                _DELIVERY.number == claim.number, _DELIVERY.taken_at.is_not(None)
            )
            if set(everyone) <= set(connection.execute(reached).scalars()):
                undelivered = (_NOTICE.number == claim.number, _NOTICE.delivered_at.is_(None))
                connection.execute(rights_notices.update().where(*undelivered).values(delivered_at=to_second(at)))
            if changed:
                append(connection, entries)

    def later(self, claim: Claim, due_at: datetime, outcome: str) -> None:
        """As `DeliveryStore.later`."""
        changes = {"due_at": to_second(due_at), "leased_until": _NOBODY, "outcome": outcome}
        with self._writing("notice-later") as connection:
            _lock(connection, claim)
            connection.execute(rights_deliveries.update().where(*_still(claim)).values(changes))

    def given_up(self, claim: Claim, at: datetime, outcome: str, entries: Sequence[LogEntry]) -> None:
        """As `DeliveryStore.given_up`."""
        changes = {"given_up_at": to_second(at), "leased_until": _NOBODY, "outcome": outcome}
        with self._writing("notice-given-up") as connection:
            _lock(connection, claim)
            if connection.execute(rights_deliveries.update().where(*_still(claim)).values(changes)).rowcount == 1:
                append(connection, entries)

    def again(self, receiver: Receiver, now: datetime) -> int:
        """As `DeliveryStore.again`."""
        theirs = select(_NOTICE.number).where(
            _NOTICE.company_id.in_(sorted(receiver.companies)), _NOTICE.delivered_at.is_(None)
        )
        ended = (
            _DELIVERY.receiver == receiver.name,
            _DELIVERY.given_up_at.is_not(None),
            _DELIVERY.number.in_(theirs),
        )
        changes = {"given_up_at": None, "attempts": 0, "due_at": to_second(now), "leased_until": _NOBODY}
        with self._writing("notices-again") as connection:
            return connection.execute(rights_deliveries.update().where(*ended).values(changes)).rowcount

    def counts(self, receiver: Receiver) -> DeliveryCounts:
        """As `DeliveryStore.counts`."""
        given_up = _undelivered(receiver).where(_DELIVERY.given_up_at.is_not(None))
        with reading(self._engine) as connection:
            numbers = [_number_of(connection, query) for query in (_waiting(receiver), given_up)]
        return DeliveryCounts(*numbers)

    def attempts(self) -> Mapping[str, int]:
        """As `DeliveryStore.attempts`."""
        query = select(_DELIVERY.receiver, func.sum(_DELIVERY.tries)).group_by(_DELIVERY.receiver)
        with reading(self._engine) as connection:
            return {name: int(tries) for name, tries in connection.execute(query).all()}

    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        return between_checkpoints(writing_rows(self._engine), self._checkpoint, what)


def _undelivered(receiver: Receiver) -> Select[tuple[object, ...]]:
    """Messages of the receiver's companies that are not delivered, each with what became of it at this receiver."""
    joined = rights_notices.outerjoin(
        rights_deliveries, and_(_DELIVERY.number == _NOTICE.number, _DELIVERY.receiver == receiver.name)
    )
    return (
        select(_NOTICE.number, _NOTICE.company_id, _NOTICE.request_id, _NOTICE.event, _NOTICE.jws)
        .select_from(joined)
        .where(_NOTICE.company_id.in_(sorted(receiver.companies)), _NOTICE.delivered_at.is_(None))
    )


def _waiting(receiver: Receiver) -> Select[tuple[object, ...]]:
    return _undelivered(receiver).where(or_(_DELIVERY.number.is_(None), _OPEN))


def _free(now: str, *, early: bool) -> ColumnElement[bool]:
    """Whether a row that is there may be claimed."""
    unleased = and_(_OPEN, _DELIVERY.leased_until <= now)
    return unleased if early else and_(unleased, _DELIVERY.due_at <= now)


def _leased(
    connection: Connection, number: int, receiver: str, now: str, until: str, free: ColumnElement[bool]
) -> int | None:
    """The attempt's number, or None where another process was first."""
    new = {"number": number, "receiver": receiver, "attempts": 1, "tries": 1, "due_at": now, "leased_until": until}
    one_more = {"attempts": _DELIVERY.attempts + 1, "tries": _DELIVERY.tries + 1, "leased_until": until}
    kept = (
        insert_into(connection, rights_deliveries)
        .values(new)
        .on_conflict_do_update(index_elements=["number", "receiver"], set_=one_more, where=free)
    )
    return connection.execute(kept.returning(_DELIVERY.attempts)).scalar_one_or_none()


def _lock(connection: Connection, claim: Claim) -> None:
    connection.execute(select(_NOTICE.number).where(_NOTICE.number == claim.number).with_for_update(key_share=True))


def _mine(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    return _DELIVERY.number == claim.number, _DELIVERY.receiver == claim.receiver


def _still(claim: Claim) -> tuple[ColumnElement[bool], ...]:
    """Nobody claimed it since, and it has not ended."""
    return (*_mine(claim), _OPEN, _DELIVERY.attempts == claim.attempt)


def _number_of(connection: Connection, query: Select[tuple[object, ...]]) -> int:
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())
