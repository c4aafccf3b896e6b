"""`core.erasure.ErasureStore` in SQL: each method one transaction.

Belongs here: transactions and rows of erasures and certificates. Does not belong here: deleting a person (see
`recognition.persons`), signing.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, Engine, Row, func, or_, select

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import from_second
from moretta.core.erasure import BytesSearched, Erasure, ErasureStep, KeptTemplate, PersonHoldings, StoredCertificate
from moretta.core.errors import NotFound
from moretta.core.key_service import SubjectCipher
from moretta.core.ledger import LogEntry
from moretta.core.recognition import Person, PersonState
from moretta.storage.byte_search import search_files
from moretta.storage.database import (
    between_checkpoints,
    is_postgresql,
    overwritten,
    reading,
    writing_rows,
)
from moretta.storage.governance.holding import require_not_held
from moretta.storage.ledger import append
from moretta.storage.recognition.faces import faces_of
from moretta.storage.recognition.persons import PersonRow, find_person, list_persons
from moretta.storage.recognition.sealed import OpenedKeys
from moretta.storage.rights.holdings import find_holdings
from moretta.storage.rights.records import to_erasure, to_record, without_traces
from moretta.storage.schema import faces, persons
from moretta.storage.sqlite import database_files
from moretta.storage.tables_rights import certificates, erasures
from moretta.storage.upsert import insert_into


class SqlErasureStore:
    """One region's erasures. Safe to share between threads and processes; the engine stays open.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, cipher: SubjectCipher, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._cipher, self._checkpoint = engine, cipher, checkpoint

    def holdings(self, company_id: str, person_id: str) -> PersonHoldings:
        """As `ErasureStore.holdings`."""
        with reading(self._engine) as connection:
            return find_holdings(connection, company_id, person_id)

    def whereabouts(self, company_id: str, person_id: str) -> Person:
        """As `ErasureStore.whereabouts`."""
        with reading(self._engine) as connection:
            return _without_words(find_person(connection, person_id, company_id))

    def templates(self, company_id: str, person_id: str, *, opened: bool = True) -> list[KeptTemplate]:
        """As `ErasureStore.templates`."""
        with reading(self._engine) as connection:
            person = find_person(connection, person_id, company_id)
            records = faces_of(connection, person_id)
            theirs = select(faces.c.face_id, faces.c.payload, faces.c.segment_id).where(faces.c.person_id == person_id)
            stored = {row.face_id: row for row in connection.execute(theirs).all()}
        keys = OpenedKeys(self._cipher)
        found = []
        for face in records:
            row, payload = stored[face.face_id], None
            if opened and row.payload is not None:
                payload = keys.payload(person_id, bytes(person.wrapped), face.face_id, bytes(row.payload))
            found.append(KeptTemplate(face, payload, row.segment_id))
        return found

    def search_bytes(self, markers: Sequence[bytes]) -> BytesSearched:
        """As `ErasureStore.search_bytes`."""
        if is_postgresql(self._engine):
            return BytesSearched(unsearched="the server's files are out of this program's reach")
        return search_files(database_files(self._engine), markers)

    def begin(self, erasure: Erasure, entries: Sequence[LogEntry] = ()) -> Erasure:
        """As `ErasureStore.begin`."""
        values = {
            "certificate_id": erasure.certificate_id,
            "company_id": erasure.company_id,
            "person_id": erasure.person_id,
            "collection_id": erasure.collection_id,
            "step": erasure.step.value,
            "revision": erasure.revision,
            "waiting": False,
            "record": to_record(erasure),
        }
        with self._writing("begin-erasure") as connection:
            require_not_held(connection, [erasure.person_id])
            new = insert_into(connection, erasures).values(values).on_conflict_do_nothing()
            if connection.execute(new.returning(erasures.c.certificate_id)).one_or_none() is not None:
                append(connection, entries)
            return _found(connection, erasure.company_id, erasure.person_id)

    def erasure_of(self, company_id: str, person_id: str) -> Erasure:
        """As `ErasureStore.erasure_of`."""
        with reading(self._engine) as connection:
            return _found(connection, company_id, person_id)

    def advance(self, erasure: Erasure, entries: Sequence[LogEntry] = ()) -> Erasure:
        """As `ErasureStore.advance`."""
        before = list(ErasureStep)[erasure.step.place - 1]
        mine = (erasures.c.certificate_id == erasure.certificate_id, erasures.c.step == before.value)
        with self._writing(f"erasure-{erasure.step}") as connection:
            changed = erasures.update().where(*mine).values(step=erasure.step.value, record=to_record(erasure))
            if connection.execute(changed).rowcount == 1:
                append(connection, entries)
            return _found(connection, erasure.company_id, erasure.person_id)

    def unfinished(self, limit: int) -> list[Erasure]:
        """As `ErasureStore.unfinished`."""
        wanted = or_(erasures.c.waiting.is_(True), _without_certificate())
        query = select(erasures).where(wanted).order_by(erasures.c.certificate_id).limit(limit)
        with reading(self._engine) as connection:
            return [_to_erasure(row) for row in connection.execute(query).all()]

    def people(self, collection_id: str, limit: int) -> list[Person]:
        """As `ErasureStore.people`."""
        with reading(self._engine) as connection:
            return [_without_words(row) for row in list_persons(connection, collection_id, limit, None)]

    def count(self, collection_id: str) -> int:
        """As `ErasureStore.count`."""
        query = select(func.count()).select_from(persons).where(persons.c.collection_id == collection_id)
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def of_collection(
        self, company_id: str, collection_id: str, limit: int, after: str | None = None, *, unfinished: bool = False
    ) -> list[Erasure]:
        """As `ErasureStore.of_collection`."""
        query = select(erasures).where(erasures.c.collection_id == collection_id, erasures.c.company_id == company_id)
        if after is not None:
            query = query.where(erasures.c.certificate_id > after)
        if unfinished:
            query = query.where(_without_certificate())
        with reading(self._engine) as connection:
            found = connection.execute(query.order_by(erasures.c.certificate_id).limit(limit)).all()
        return [_to_erasure(row) for row in found]

    def certify(self, erasure: Erasure, body: bytes, entry: LogEntry) -> int | None:
        """As `ErasureStore.certify`."""
        kept = without_traces(replace(erasure, step=ErasureStep.CERTIFIED))
        mine = (
            erasures.c.certificate_id == erasure.certificate_id,
            erasures.c.revision == erasure.revision - 1,
            erasures.c.step.in_((ErasureStep.SWEPT.value, ErasureStep.CERTIFIED.value)),
        )
        changes = {
            "step": kept.step.value,
            "revision": kept.revision,
            "waiting": bool(kept.findings.waiting),
            "record": to_record(kept),
        }
        with self._writing("certify") as connection:
            if connection.execute(erasures.update().where(*mine).values(changes)).rowcount != 1:
                return None
            return _keep(connection, erasure.company_id, erasure.certificate_id, erasure.revision, body, entry)

    def uncertified(self, certificate_id: str) -> tuple[bytes, bytes, int] | None:
        """As `ErasureStore.uncertified`."""
        query = select(certificates).where(certificates.c.certificate_id == certificate_id)
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(certificates.c.revision.desc()).limit(1)).one_or_none()
        if row is None or row.document is not None:
            return None
        return bytes(row.body), bytes(row.entry), row.log_index

    def certify_part(self, company_id: str, certificate_id: str, body: bytes, entry: LogEntry) -> int:
        """As `ErasureStore.certify_part`."""
        with self._writing("certify-part") as connection:
            return _keep(connection, company_id, certificate_id, 1, body, entry)

    def keep_document(self, certificate_id: str, revision: int, document: bytes) -> None:
        """As `ErasureStore.keep_document`."""
        mine = (
            certificates.c.certificate_id == certificate_id,
            certificates.c.revision == revision,
            certificates.c.document.is_(None),
        )
        with self._writing("keep-certificate") as connection:
            connection.execute(certificates.update().where(*mine).values(document=document))

    def certificate(self, company_id: str, certificate_id: str) -> StoredCertificate:
        """As `ErasureStore.certificate`."""
        mine = (
            certificates.c.certificate_id == certificate_id,
            certificates.c.company_id == company_id,
            certificates.c.document.is_not(None),
        )
        query = select(certificates).where(*mine).order_by(certificates.c.revision.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise NotFound("expected the id of a certificate of this company")
        return StoredCertificate(row.certificate_id, row.company_id, row.revision, row.log_index, bytes(row.document))

    def overwrite_deleted(self) -> bool:
        """As `ErasureStore.overwrite_deleted`."""
        return overwritten(self._engine)

    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        return between_checkpoints(writing_rows(self._engine), self._checkpoint, what)


def _keep(
    connection: Connection, company_id: str, certificate_id: str, revision: int, body: bytes, entry: LogEntry
) -> int:
    (index,) = append(connection, [entry])
    row = {
        "certificate_id": certificate_id,
        "revision": revision,
        "company_id": company_id,
        "log_index": index,
        "entry": entry.leaf(),
        "body": body,
        "document": None,
    }
    connection.execute(certificates.insert().values(row))
    return index


def _found(connection: Connection, company_id: str, person_id: str) -> Erasure:
    mine = (erasures.c.person_id == person_id, erasures.c.company_id == company_id)
    row = connection.execute(select(erasures).where(*mine)).one_or_none()
    if row is None:
        raise NotFound("expected the id of a person of this company whose erasure was begun")
    return _to_erasure(row)


def _without_certificate() -> ColumnElement[bool]:
    """Not certified, or the certificate's document is not signed yet."""
    unsigned = select(certificates.c.certificate_id).where(certificates.c.document.is_(None))
    return or_(erasures.c.step != ErasureStep.CERTIFIED.value, erasures.c.certificate_id.in_(unsigned))


def _without_words(row: PersonRow) -> Person:
    created_at, state = from_second(row.created_at), PersonState(row.state)
    return Person(row.person_id, row.collection_id, row.company_id, created_at, state, faces=row.faces)


def _to_erasure(row: Row[tuple[object, ...]]) -> Erasure:
    return to_erasure(
        bytes(row.record),
        certificate_id=row.certificate_id,
        company_id=row.company_id,
        person_id=row.person_id,
        collection_id=row.collection_id,
        step=row.step,
        revision=row.revision,
    )
