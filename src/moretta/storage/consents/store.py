"""`core.consent_store.ConsentStore` in SQL: each method one transaction.

Belongs here: which transaction a method needs, its checkpoints, and that log entries go with the write that they tell of. Does
not belong here: SQL, which the other modules of this package hold by subject.

Keys are opened and values sealed before a transaction begins, so that no lock waits for a key service.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from sqlalchemy import Connection, Engine

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.consent import Challenge, Consent, ConsentState, Notice
from moretta.core.consent_store import ConsentEvent, EndedConsent, NewConsent
from moretta.core.errors import Conflict, ConsentWithdrawn, NotFound, PersonErased
from moretta.core.key_service import SubjectCipher
from moretta.core.ledger import LogEntry
from moretta.core.recognition import CollectionState, Person
from moretta.storage import ledger
from moretta.storage.consents import challenges, notices, rows
from moretta.storage.consents.sealed import seal_details
from moretta.storage.database import between_checkpoints, reading, writing_rows
from moretta.storage.recognition.collections import find_collection, lock_collection
from moretta.storage.recognition.persons import absent_person, find_person, keep_person
from moretta.storage.recognition.sealed import OpenedKeys, seal_profile


class SqlConsentStore:
    """One region's consents. Safe to share between threads and processes; the engine is the caller's.

    Each write passes two checkpoints, `<what>:before-commit` and `<what>:after-commit`.
    """

    def __init__(self, engine: Engine, cipher: SubjectCipher, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._engine, self._cipher, self._checkpoint = engine, cipher, checkpoint

    def add_notice(self, notice: Notice, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a notice."""
        with self._writing("add-notice") as connection:
            notices.add_notice(connection, notice)
            ledger.append(connection, entries)

    def notice(self, company_id: str, notice_id: str, version: int | None = None) -> Notice:
        """That version of a notice, or the newest."""
        with reading(self._engine) as connection:
            return notices.find_notice(connection, company_id, notice_id, version)

    def notices(
        self, company_id: str, limit: int, after: str | None = None, *, collection_id: str | None = None
    ) -> list[Notice]:
        """The newest version of each notice."""
        with reading(self._engine) as connection:
            return notices.list_notices(connection, company_id, limit, after, collection_id)

    def shown(self, company_id: str, collection_id: str) -> list[Notice]:
        """What a collection shows."""
        with reading(self._engine) as connection:
            find_collection(connection, collection_id, company_id)
            return notices.shown_notices(connection, company_id, collection_id)

    def notice_with(self, company_id: str, collection_id: str, sha256: str) -> Notice:
        """The newest version with these exact bytes."""
        with reading(self._engine) as connection:
            return notices.notice_with(connection, company_id, collection_id, sha256)

    def add_challenge(self, challenge: Challenge) -> None:
        """Keep a challenge."""
        with self._writing("add-challenge") as connection:
            find_collection(connection, challenge.collection_id, challenge.company_id)
            challenges.add_challenge(connection, challenge)

    def challenge(self, company_id: str, challenge_id: str) -> Challenge:
        """The challenge, used or not."""
        with reading(self._engine) as connection:
            return challenges.find_challenge(connection, company_id, challenge_id)

    def keep(self, new: NewConsent, entries: Sequence[LogEntry]) -> Consent:
        """Keep a consent or a refusal."""
        consent = new.consent
        profile, details = self._sealed(new)
        with self._writing("keep-consent") as connection:
            if new.challenge_id is not None:
                challenges.use_challenge(connection, consent.company_id, new.challenge_id, consent.given_at)
            collection = lock_collection(connection, consent.collection_id, consent.company_id)
            if collection.state == CollectionState.DELETED or collection.purpose != consent.purpose:
                raise Conflict("the collection changed meanwhile; look at its purpose and its notice again")
            if new.person is not None:
                _keep_new_person(connection, new.person, new.wrapped_key or b"", profile)
            elif consent.person_id is not None:
                _require_person(connection, consent)
            rows.insert_consent(connection, consent, details)
            index = ledger.append(connection, entries)[0]
            event = (consent.consent_id, consent.state, 0, new.record)
            rows.insert_event(connection, *event, entries[0].leaf(), index)
        return consent

    def consent(self, company_id: str, consent_id: str) -> Consent:
        """The consent."""
        with reading(self._engine) as connection:
            row = rows.find_consent(connection, company_id, consent_id)
        return rows.to_consent(row, self._keys())

    def consents(
        self,
        company_id: str,
        limit: int,
        after: str | None = None,
        *,
        collection_id: str | None = None,
        person_id: str | None = None,
    ) -> list[Consent]:
        """Consents in the order of their ids."""
        with reading(self._engine) as connection:
            found = rows.list_consents(connection, company_id, limit, after, collection_id, person_id)
        return self._opened(found)

    def of_person(self, company_id: str, person_id: str) -> list[Consent]:
        """Every consent that names the person."""
        with reading(self._engine) as connection:
            found = rows.consents_of(connection, company_id, person_id)
        return self._opened(found)

    def end(self, ended: EndedConsent, entries: Sequence[LogEntry]) -> Consent:
        """End a given consent."""
        with self._writing("end-consent") as connection:
            seen = rows.find_consent(connection, ended.company_id, ended.consent_id)
            collection = rows.lock_collection_if_there(connection, seen.collection_id)
            rows.end_consent(connection, collection, ended.consent_id, ended.state, ended.at)
            index = ledger.append(connection, entries)[0]
            event = (ended.consent_id, ended.state, 1, ended.record)
            rows.insert_event(connection, *event, entries[0].leaf(), index)
            row = rows.find_consent(connection, ended.company_id, ended.consent_id)
        return rows.to_consent(row, self._keys())

    def run_out(self, now: datetime, limit: int) -> list[Consent]:
        """Given consents whose time is over."""
        with reading(self._engine) as connection:
            found = rows.run_out(connection, now, limit)
        return self._opened(found)

    def erasures_due(self, limit: int) -> list[Consent]:
        """Ended consents whose erasure is due."""
        with reading(self._engine) as connection:
            found = rows.erasures_due(connection, limit)
        return self._opened(found)

    def erasure_done(self, consent_id: str) -> None:
        """The person is erased."""
        with self._writing("erasure-done") as connection:
            rows.erasure_done(connection, consent_id)

    def event(self, company_id: str, consent_id: str, event: ConsentState | None = None) -> ConsentEvent:
        """What is known of an event of a consent."""
        with reading(self._engine) as connection:
            return rows.find_event(connection, company_id, consent_id, event)

    def _sealed(self, new: NewConsent) -> tuple[bytes, bytes | None]:
        """The new person's profile and the consent's details, sealed."""
        consent, wrapped = new.consent, new.wrapped_key
        if consent.person_id is None or (consent.details is None and new.person is None):
            return b"", None
        if wrapped is None:
            with reading(self._engine) as connection:
                wrapped = find_person(connection, consent.person_id, consent.company_id).wrapped
        key = self._cipher.opened(consent.person_id, bytes(wrapped))
        person = new.person
        profile = b"" if person is None else seal_profile(self._cipher, key, person.name, person.attributes)
        details = consent.details
        return profile, None if details is None else seal_details(self._cipher, key, consent.consent_id, details)

    def _opened(self, found: Sequence[rows.ConsentRow]) -> list[Consent]:
        keys = self._keys()
        return [rows.to_consent(row, keys) for row in found]

    def _keys(self) -> OpenedKeys:
        return OpenedKeys(self._cipher)

    def _writing(self, what: str) -> AbstractContextManager[Connection]:
        return between_checkpoints(writing_rows(self._engine), self._checkpoint, what)


def _keep_new_person(connection: Connection, person: Person, wrapped: bytes, profile: bytes) -> None:
    absent = absent_person(connection, person.person_id)
    if isinstance(absent, PersonErased):
        raise absent
    keep_person(connection, person, wrapped, profile)


def _require_person(connection: Connection, consent: Consent) -> None:
    row = find_person(connection, consent.person_id or "", consent.company_id)
    if row.collection_id != consent.collection_id:
        raise NotFound("expected the id of a person of this collection; list its persons to see the ids")
    if rows.is_to_be_erased(connection, row.person_id):
        raise ConsentWithdrawn("the person is about to be erased; ask for consent as of somebody new")
