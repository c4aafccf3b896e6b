"""What the store of consents and notices must do, in both kinds of database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from tests.consent_rig import TEXT, a_challenge, a_consent, a_notice, to_keep, told
from tests.storage_rig import COMPANY, NOW, OTHER_COMPANY, a_person, created, some_faces, stored_bytes

from moretta.core.clock import to_second
from moretta.core.consent import Consent, ConsentState, Notice, WithdrawnBy
from moretta.core.consent_receipts import last_record
from moretta.core.consent_store import EndedConsent
from moretta.core.errors import ChallengeUsed, Conflict, ConsentWithdrawn, NotFound, PersonErased
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.recognition import Collection, Person, PersonState
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.consents.store import SqlConsentStore
from moretta.storage.ledger.store import SqlLedger
from moretta.storage.recognition.store import SqlRecognitionStore

LATER = NOW + timedelta(days=1)


@pytest.fixture
def cipher() -> Envelope:
    return Envelope(MemoryKeyService())


@pytest.fixture
def people(engine: Engine, cipher: Envelope) -> Iterator[SqlRecognitionStore]:
    store = SqlRecognitionStore(engine, cipher, clock=lambda: NOW)
    yield store
    store.close()


@pytest.fixture
def store(engine: Engine, cipher: Envelope) -> SqlConsentStore:
    return SqlConsentStore(engine, cipher)


@pytest.fixture
def ledger(engine: Engine) -> SqlLedger:
    return SqlLedger(engine)


@pytest.fixture
def collection(people: SqlRecognitionStore) -> Collection:
    return created(people)


@pytest.fixture
def notice(store: SqlConsentStore, collection: Collection) -> Notice:
    notice = a_notice(collection)
    store.add_notice(notice)
    return notice


class Registrar:
    """Keeps consents as a use case does."""

    def __init__(self, store: SqlConsentStore, cipher: Envelope, collection: Collection, notice: Notice) -> None:
        self.store, self.cipher, self.collection, self.notice = store, cipher, collection, notice

    def new_person(self, name: str = "Erika Mustermann", **changed: object) -> tuple[Person, Consent]:
        person = a_person(self.collection, name)
        consent = replace(a_consent(self.collection, self.notice, person.person_id), **changed)  # type: ignore[arg-type]
        new = to_keep(self.cipher, self.collection, self.notice, consent, person)
        return person, self.store.keep(new, told(new))

    def again(self, person: Person, **changed: object) -> Consent:
        consent = replace(a_consent(self.collection, self.notice, person.person_id), **changed)  # type: ignore[arg-type]
        new = to_keep(self.cipher, self.collection, self.notice, consent)
        return self.store.keep(new, told(new))

    def ended(self, consent: Consent, state: ConsentState = ConsentState.WITHDRAWN) -> Consent:
        first = self.store.event(COMPANY, consent.consent_id)
        record = last_record(first.record, state, LATER, WithdrawnBy.OPERATOR)
        kind = EntryKind.CONSENT_WITHDRAWN if state is ConsentState.WITHDRAWN else EntryKind.CONSENT_EXPIRED
        entry = LogEntry(kind, to_second(LATER), COMPANY)
        ended = EndedConsent(COMPANY, consent.consent_id, state, LATER, WithdrawnBy.OPERATOR, record)
        return self.store.end(ended, [entry])


@pytest.fixture
def registrar(store: SqlConsentStore, cipher: Envelope, collection: Collection, notice: Notice) -> Registrar:
    return Registrar(store, cipher, collection, notice)


def test_a_collection_shows_the_newest_version_of_its_notice_in_each_language(
    store: SqlConsentStore, collection: Collection, notice: Notice
) -> None:
    german = a_notice(collection, "# Ihr Gesicht an der Tür\n", "de")
    newer = replace(notice, version=2, text="# Your face at the gate\n")
    for one in (german, newer):
        store.add_notice(one)
    assert store.shown(COMPANY, collection.collection_id) == [german, newer]
    assert store.notice(COMPANY, notice.notice_id) == newer
    assert store.notice(COMPANY, notice.notice_id, 1) == notice
    assert store.notice_with(COMPANY, collection.collection_id, notice.sha256) == notice
    assert {one.notice_id for one in store.notices(COMPANY, 10)} == {notice.notice_id, german.notice_id}
    first = store.notices(COMPANY, 1, collection_id=collection.collection_id)[0]
    assert store.notices(COMPANY, 5, first.notice_id)[0].notice_id == max(notice.notice_id, german.notice_id)


@pytest.mark.parametrize("text", ["été \r\n\t\n", "ends without a newline", "naïve \u2028 ☂ \U0001f642\n\n\n"])
def test_a_notice_is_kept_byte_by_byte(store: SqlConsentStore, collection: Collection, text: str) -> None:
    notice = a_notice(collection, text)
    store.add_notice(notice)
    assert store.notice(COMPANY, notice.notice_id).text == text


def test_only_the_next_version_of_the_one_notice_in_a_language_is_taken(
    store: SqlConsentStore, collection: Collection, notice: Notice
) -> None:
    for wrong in (notice, replace(notice, version=3), a_notice(collection, "another\n")):
        with pytest.raises(Conflict):
            store.add_notice(wrong)
    assert store.shown(COMPANY, collection.collection_id) == [notice]


def test_another_companys_notices_challenges_and_consents_are_unknown(
    store: SqlConsentStore, registrar: Registrar, notice: Notice
) -> None:
    challenge = a_challenge(notice)
    store.add_challenge(challenge)
    person, consent = registrar.new_person()
    asked = [
        lambda: store.notice(OTHER_COMPANY, notice.notice_id),
        lambda: store.notice_with(OTHER_COMPANY, notice.collection_id, notice.sha256),
        lambda: store.shown(OTHER_COMPANY, notice.collection_id),
        lambda: store.challenge(OTHER_COMPANY, challenge.challenge_id),
        lambda: store.add_challenge(replace(challenge, company_id=OTHER_COMPANY)),
        lambda: store.consent(OTHER_COMPANY, consent.consent_id),
        lambda: store.event(OTHER_COMPANY, consent.consent_id),
        lambda: store.add_notice(replace(notice, version=2, company_id=OTHER_COMPANY)),
    ]
    for ask in asked:
        with pytest.raises(NotFound):
            ask()
    assert store.consents(OTHER_COMPANY, 10) == store.of_person(OTHER_COMPANY, person.person_id) == []
    assert store.notices(OTHER_COMPANY, 10) == []


def test_a_consent_makes_a_person_without_a_face_and_stands_in_the_log(
    store: SqlConsentStore, people: SqlRecognitionStore, ledger: SqlLedger, registrar: Registrar
) -> None:
    before = ledger.head().size
    person, consent = registrar.new_person()
    assert people.person(COMPANY, person.person_id) == person
    assert store.consent(COMPANY, consent.consent_id) == consent
    event = store.event(COMPANY, consent.consent_id)
    assert (event.event, event.log_index, ledger.head().size) == (ConsentState.GIVEN, before, before + 1)
    assert ledger.leaves(before, 1)[0].leaf == event.entry
    assert people.enrol(registrar.collection, person, some_faces(1))[0].person_id == person.person_id


def test_a_refusal_makes_nobody(store: SqlConsentStore, registrar: Registrar, cipher: Envelope) -> None:
    consent = a_consent(registrar.collection, registrar.notice, None)
    new = to_keep(cipher, registrar.collection, registrar.notice, consent)
    store.keep(new, told(new))
    assert store.consents(COMPANY, 10) == [consent]
    assert store.consent(COMPANY, consent.consent_id).details is None


def test_consents_are_listed_by_collection_and_person_and_in_pages(
    store: SqlConsentStore, registrar: Registrar
) -> None:
    person, first = registrar.new_person()
    second = registrar.again(person, given_at=LATER)
    other, third = registrar.new_person("Otto")
    assert store.of_person(COMPANY, person.person_id) == [second, first]
    ids = sorted([first.consent_id, second.consent_id, third.consent_id])
    found = store.consents(COMPANY, 2, collection_id=registrar.collection.collection_id)
    found += store.consents(COMPANY, 2, found[-1].consent_id, collection_id=registrar.collection.collection_id)
    assert [one.consent_id for one in found] == ids
    assert store.consents(COMPANY, 10, person_id=other.person_id) == [third]


def test_a_challenge_is_used_once_even_at_the_same_moment(
    store: SqlConsentStore, registrar: Registrar, cipher: Envelope
) -> None:
    challenge = a_challenge(registrar.notice)
    store.add_challenge(challenge)

    def answer(_: int) -> bool:
        person = a_person(registrar.collection)
        consent = a_consent(registrar.collection, registrar.notice, person.person_id)
        new = to_keep(cipher, registrar.collection, registrar.notice, consent, person, challenge.challenge_id)
        try:
            store.keep(new, told(new))
        except ChallengeUsed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(answer, range(8))) == 1
    assert len(store.consents(COMPANY, 10)) == 1
    assert store.challenge(COMPANY, challenge.challenge_id).used_at == NOW


def test_a_consent_that_cannot_be_kept_leaves_its_challenge_unused_and_the_log_as_it_was(
    store: SqlConsentStore, people: SqlRecognitionStore, ledger: SqlLedger, registrar: Registrar, cipher: Envelope
) -> None:
    challenge = a_challenge(registrar.notice)
    store.add_challenge(challenge)
    people.update_collection(replace(registrar.collection, purpose="marketing"))
    size = ledger.head().size
    person = a_person(registrar.collection)
    consent = a_consent(registrar.collection, registrar.notice, person.person_id)
    new = to_keep(cipher, registrar.collection, registrar.notice, consent, person, challenge.challenge_id)
    with pytest.raises(Conflict):
        store.keep(new, told(new))
    assert store.challenge(COMPANY, challenge.challenge_id).used_at is None
    assert (store.consents(COMPANY, 10), ledger.head().size) == ([], size)
    with pytest.raises(NotFound):
        people.person(COMPANY, person.person_id)


def test_challenges_are_forgotten_a_day_after_they_expired(store: SqlConsentStore, notice: Notice) -> None:
    old, recent = a_challenge(notice), a_challenge(notice)
    recent = replace(recent, created_at=LATER, expires_at=LATER + timedelta(minutes=5))
    newest = replace(
        a_challenge(notice), created_at=LATER + timedelta(minutes=10), expires_at=LATER + timedelta(hours=1)
    )
    for one in (old, recent, newest):
        store.add_challenge(one)
    assert store.challenge(COMPANY, recent.challenge_id) == recent
    with pytest.raises(NotFound):
        store.challenge(COMPANY, old.challenge_id)


def test_a_withdrawn_consent_takes_its_person_out_of_comparisons_and_has_them_erased(
    store: SqlConsentStore, people: SqlRecognitionStore, registrar: Registrar
) -> None:
    person, consent = registrar.new_person()
    rows = [face.row for face in people.enrol(registrar.collection, person, some_faces(2))]
    ended = registrar.ended(consent)
    assert (ended.state, ended.withdrawn_at, ended.erasure_due) == (ConsentState.WITHDRAWN, LATER, True)
    assert people.person(COMPANY, person.person_id).state is PersonState.OBJECTED
    assert people.excluded_rows(registrar.collection.collection_id) == rows
    assert people.faces_at(registrar.collection.collection_id, rows) == {}
    assert store.erasures_due(10) == [ended]
    assert store.event(COMPANY, consent.consent_id).event is ConsentState.WITHDRAWN
    assert store.event(COMPANY, consent.consent_id, ConsentState.GIVEN).event is ConsentState.GIVEN
    with pytest.raises(Conflict):
        registrar.ended(consent)


def test_another_valid_consent_carries_the_person_and_one_for_another_purpose_does_not(
    people: SqlRecognitionStore, registrar: Registrar
) -> None:
    person, first = registrar.new_person()
    second = registrar.again(person)
    assert not registrar.ended(first).erasure_due
    assert people.person(COMPANY, person.person_id).state is PersonState.ACTIVE
    registrar.again(person, expires_at=LATER)
    assert registrar.ended(second).erasure_due
    other, third = registrar.new_person("Otto")
    people.update_collection(replace(registrar.collection, purpose="marketing"))
    assert registrar.ended(third).erasure_due
    assert people.person(COMPANY, other.person_id).state is PersonState.OBJECTED


def test_nobody_consents_again_while_they_are_about_to_be_erased(registrar: Registrar) -> None:
    person, consent = registrar.new_person()
    registrar.ended(consent)
    with pytest.raises(ConsentWithdrawn):
        registrar.again(person)


def test_an_erased_person_leaves_the_bare_record_and_no_sealed_byte(
    engine: Engine, store: SqlConsentStore, people: SqlRecognitionStore, registrar: Registrar
) -> None:
    person, consent = registrar.new_person()
    ended = registrar.ended(consent)
    people.delete_person(COMPANY, person.person_id)
    assert store.consent(COMPANY, consent.consent_id) == replace(ended, details=None, erasure_due=False)
    assert store.erasures_due(10) == []
    assert store.event(COMPANY, consent.consent_id, ConsentState.GIVEN).record
    with pytest.raises(PersonErased):
        registrar.again(person)


def test_consents_outlive_their_collection_without_what_was_sealed(
    store: SqlConsentStore, people: SqlRecognitionStore, registrar: Registrar
) -> None:
    person, consent = registrar.new_person()
    challenge = a_challenge(registrar.notice, person.person_id)
    store.add_challenge(challenge)
    people.delete_collection(COMPANY, registrar.collection.collection_id)
    assert store.consent(COMPANY, consent.consent_id) == replace(consent, details=None)
    ended = registrar.ended(consent)
    assert (ended.state, ended.erasure_due) == (ConsentState.WITHDRAWN, False)
    assert store.notice(COMPANY, registrar.notice.notice_id) == registrar.notice
    with pytest.raises(NotFound):
        store.challenge(COMPANY, challenge.challenge_id)


def test_what_has_run_out_is_found_and_ends_as_expired(store: SqlConsentStore, registrar: Registrar) -> None:
    _, short = registrar.new_person(expires_at=LATER)
    registrar.new_person("Otto", expires_at=LATER + timedelta(seconds=1))
    registrar.new_person("Ute")
    assert store.run_out(LATER - timedelta(seconds=1), 10) == []
    assert store.run_out(LATER, 10) == [short]
    ended = registrar.ended(short, ConsentState.EXPIRED)
    assert (ended.state, ended.withdrawn_at) == (ConsentState.EXPIRED, None)
    assert store.run_out(LATER, 10) == []
    store.erasure_done(short.consent_id)
    assert store.erasures_due(10) == []


def test_no_name_guardian_proof_or_evidence_stands_in_any_stored_byte(engine: Engine, registrar: Registrar) -> None:
    person, consent = registrar.new_person()
    assert consent.details is not None
    stored = stored_bytes(engine)
    for plain in (consent.consent_id, person.person_id, registrar.notice.sha256, TEXT):
        assert plain.encode() in stored
    details = consent.details
    for secret in (person.name, "Mustermann", details.guardian, details.evidence_sha256, details.recorded_by):
        assert secret.encode() not in stored
