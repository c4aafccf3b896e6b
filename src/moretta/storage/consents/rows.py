"""Consents as rows: kept, ended, found.

Belongs here: a consent's row and the events of it. Does not belong here: what a consent must prove.

Whoever changes consents of a collection locks its row first, as whoever changes its gallery does.
"""

from datetime import datetime

from sqlalchemy import Connection, Row, Select, or_, select

from moretta.core.clock import from_second, to_second
from moretta.core.consent import Consent, ConsentMethod, ConsentState
from moretta.core.consent_store import ConsentEvent
from moretta.core.errors import Conflict, NotFound
from moretta.core.recognition import PersonState
from moretta.storage.consents.sealed import open_details
from moretta.storage.ledger.comparing import note_comparable
from moretta.storage.recognition.collections import CollectionRow, advance
from moretta.storage.recognition.sealed import OpenedKeys
from moretta.storage.schema import collections, persons, subject_keys
from moretta.storage.tables_consent import consent_events, consents

ConsentRow = Row[tuple[object, ...]]


def insert_consent(connection: Connection, consent: Consent, details: bytes | None) -> None:
    """A new consent's row."""
    values = {
        "consent_id": consent.consent_id,
        "company_id": consent.company_id,
        "collection_id": consent.collection_id,
        "person_id": consent.person_id,
        "purpose": consent.purpose,
        "notice_sha256": consent.notice_sha256,
        "state": consent.state.value,
        "method": consent.method.value,
        "given_at": to_second(consent.given_at),
        "expires_at": _to_text(consent.expires_at),
        "withdrawn_at": None,
        "erasure_due": False,
        "details": details,
    }
    connection.execute(consents.insert().values(values))


def insert_event(
    connection: Connection, consent_id: str, event: ConsentState, position: int, record: bytes, entry: bytes, index: int
) -> None:
    """What became of a consent."""
    values = {
        "consent_id": consent_id,
        "event": event.value,
        "position": position,
        "log_index": index,
        "entry": entry,
        "record": record,
    }
    connection.execute(consent_events.insert().values(values))


def find_consent(connection: Connection, company_id: str, consent_id: str) -> ConsentRow:
    """The row of a consent, with its person's wrapped key where there is one. Raises `NotFound`."""
    query = _with_key().where(consents.c.consent_id == consent_id, consents.c.company_id == company_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("expected the id of a consent of this company; list the consents to see the ids")
    return row


def list_consents(
    connection: Connection,
    company_id: str,
    limit: int,
    after: str | None,
    collection_id: str | None,
    person_id: str | None,
) -> list[ConsentRow]:
    """Rows as `find_consent` gives, in the order of their ids."""
    query = _with_key().where(consents.c.company_id == company_id)
    if collection_id is not None:
        query = query.where(consents.c.collection_id == collection_id)
    if person_id is not None:
        query = query.where(consents.c.person_id == person_id)
    if after is not None:
        query = query.where(consents.c.consent_id > after)
    return list(connection.execute(query.order_by(consents.c.consent_id).limit(limit)).all())


def consents_of(connection: Connection, company_id: str, person_id: str) -> list[ConsentRow]:
    """Rows as `find_consent` gives, the newest first."""
    query = _with_key().where(consents.c.company_id == company_id, consents.c.person_id == person_id)
    return list(connection.execute(query.order_by(consents.c.given_at.desc(), consents.c.consent_id)).all())


def run_out(connection: Connection, now: datetime, limit: int) -> list[ConsentRow]:
    """Given ones whose time is over, the longest over first."""
    over = (consents.c.state == ConsentState.GIVEN.value, consents.c.expires_at <= to_second(now))
    query = _with_key().where(*over).order_by(consents.c.expires_at, consents.c.consent_id)
    return list(connection.execute(query.limit(limit)).all())


def erasures_due(connection: Connection, limit: int) -> list[ConsentRow]:
    """Ended ones whose person is still to be erased."""
    query = _with_key().where(consents.c.erasure_due.is_(True)).order_by(consents.c.consent_id)
    return list(connection.execute(query.limit(limit)).all())


def is_to_be_erased(connection: Connection, person_id: str) -> bool:
    """Whether the person's erasure is due."""
    due = select(consents.c.consent_id).where(consents.c.person_id == person_id, consents.c.erasure_due.is_(True))
    return connection.execute(due.limit(1)).one_or_none() is not None


def end_consent(
    connection: Connection, collection: CollectionRow | None, consent_id: str, state: ConsentState, at: datetime
) -> None:
    """End a given consent and, where nothing else carries the person, take them out of comparisons and have them erased.

    Raises:
        Conflict: it is not given any more.
    """
    mine = consents.c.consent_id == consent_id
    row = connection.execute(select(consents).where(mine).with_for_update()).one()
    if row.state != ConsentState.GIVEN:
        raise Conflict("the consent was ended meanwhile; look at it again")
    ended: dict[str, object] = {"state": state.value}
    if state is ConsentState.WITHDRAWN:
        ended["withdrawn_at"] = to_second(at)
    connection.execute(consents.update().where(mine).values(ended))
    if collection is not None and row.person_id is not None and not _is_carried(connection, collection, row, at):
        _take_out(connection, collection, row, to_second(at))


def erasure_done(connection: Connection, consent_id: str) -> None:
    """The person is erased."""
    connection.execute(consents.update().where(consents.c.consent_id == consent_id).values(erasure_due=False))


def find_event(connection: Connection, company_id: str, consent_id: str, event: ConsentState | None) -> ConsentEvent:
    """That event of a consent, or its newest. Raises `NotFound`."""
    find_consent(connection, company_id, consent_id)
    query = select(consent_events).where(consent_events.c.consent_id == consent_id)
    if event is not None:
        query = query.where(consent_events.c.event == event.value)
    row = connection.execute(query.order_by(consent_events.c.position.desc()).limit(1)).one_or_none()
    if row is None:
        raise NotFound(f"expected an event of this consent; there was none of the kind {event}")
    return ConsentEvent(row.consent_id, ConsentState(row.event), bytes(row.record), bytes(row.entry), row.log_index)


def to_consent(row: ConsentRow, keys: OpenedKeys) -> Consent:
    """The value that a row stands for, opened where the person's data key is there."""
    details = None
    if row.details is not None and row.wrapped is not None and row.person_id is not None:
        key = keys.key(row.person_id, bytes(row.wrapped))
        details = open_details(keys.cipher, key, row.consent_id, bytes(row.details))
    return Consent(
        consent_id=row.consent_id,
        company_id=row.company_id,
        collection_id=row.collection_id,
        person_id=row.person_id,
        purpose=row.purpose,
        notice_sha256=row.notice_sha256,
        state=ConsentState(row.state),
        method=ConsentMethod(row.method),
        given_at=from_second(row.given_at),
        expires_at=_from_text(row.expires_at),
        withdrawn_at=_from_text(row.withdrawn_at),
        erasure_due=row.erasure_due,
        details=details,
    )


def lock_collection_if_there(connection: Connection, collection_id: str) -> CollectionRow | None:
    """The row of a collection, locked; None where it was deleted: consents outlive it."""
    query = select(collections).where(collections.c.collection_id == collection_id).with_for_update()
    return connection.execute(query).one_or_none()


def _is_carried(connection: Connection, collection: CollectionRow, ended: ConsentRow, at: datetime) -> bool:
    other = select(consents.c.consent_id).where(
        consents.c.person_id == ended.person_id,
        consents.c.consent_id != ended.consent_id,
        consents.c.state == ConsentState.GIVEN.value,
        consents.c.purpose == collection.purpose,
        or_(consents.c.expires_at.is_(None), consents.c.expires_at > to_second(at)),
    )
    return connection.execute(other.limit(1)).one_or_none() is not None


def _take_out(connection: Connection, collection: CollectionRow, ended: ConsentRow, at: str) -> None:
    mine = persons.c.person_id == ended.person_id
    person = connection.execute(select(persons.c.state).where(mine)).one_or_none()
    if person is None:
        return
    if person.state == PersonState.ACTIVE:
        advance(connection, collection)
        connection.execute(persons.update().where(mine).values(state=PersonState.OBJECTED.value))
        note_comparable(connection, ended.person_id, at)
    this = consents.c.consent_id == ended.consent_id
    connection.execute(consents.update().where(this).values(erasure_due=True))


def _with_key() -> Select[tuple[object, ...]]:
    return select(consents, subject_keys.c.wrapped).join(
        subject_keys, subject_keys.c.person_id == consents.c.person_id, isouter=True
    )


def _to_text(moment: datetime | None) -> str | None:
    return None if moment is None else to_second(moment)


def _from_text(text: str | None) -> datetime | None:
    return None if text is None else from_second(text)
