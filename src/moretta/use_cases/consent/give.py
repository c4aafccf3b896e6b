"""Give and refuse: a decision of a subject becomes a record, an entry of the log, and a person to whom something may be enrolled.

Belongs here: the order of the checks, and that all of it is one transaction. Does not belong here: signatures themselves, the
end of a consent (see `end`).
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime

from moretta.core.clock import to_second
from moretta.core.consent import (
    MAX_WORDS,
    Age,
    Challenge,
    Consent,
    ConsentDetails,
    ConsentMethod,
    ConsentState,
    Notice,
    require_sha256,
)
from moretta.core.consent_proof import KeyProof, PaperProof, PasskeyProof, Proof, Proved
from moretta.core.consent_receipts import Circumstances, declaration, document_sha256, first_record
from moretta.core.consent_store import NewConsent
from moretta.core.errors import RequestInvalid, SubjectMismatch
from moretta.core.key_service import SubjectKey
from moretta.core.ledger import NONCE_BYTES, EntryKind, LogEntry, content_commitment, subject_commitment
from moretta.core.policy import Action
from moretta.core.recognition import Collection, IdKind, Person, new_id
from moretta.use_cases.consent.challenges import (
    answerable,
    key_on_record,
    require_asked,
    require_member,
    signing_details,
)
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.consent.notices import require_shown
from moretta.use_cases.consent.validity import require_named
from moretta.use_cases.guard import Standing
from moretta.use_cases.recognition.acts import by_whom
from moretta.use_cases.recognition.means import Region
from moretta.use_cases.recognition.words import require_words


@dataclass(frozen=True, slots=True)
class Agreement:
    """What is consented to, by whom, and how they prove it.

    `person_id` is None for somebody new, whom the consent makes; `name` and `attributes` are then the operator's words for them.
    """

    collection_id: str
    notice_sha256: str
    proof: Proof
    person_id: str | None = None
    age: Age = Age.UNKNOWN
    guardian: str = field(default="", repr=False)
    expires_at: datetime | None = None
    name: str = field(default="", repr=False)
    attributes: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def give(means: ConsentMeans, company_id: str, agreement: Agreement) -> Consent:
    """See `Consents.give`."""
    now = means.recognition.clock().replace(microsecond=0)
    _require_sound(agreement, now)
    region, collection = means.recognition.opened(company_id, agreement.collection_id)
    challenge = _challenge(region, company_id, agreement, now)
    notice = require_shown(region, collection, agreement.notice_sha256)
    require_named(means.recognition.guard.policy.purpose(collection.purpose), notice)
    around = _around(means, collection, notice)
    require_member(region, collection, agreement.person_id)
    found = Standing(consent=True, age=agreement.age, guardian=bool(agreement.guardian))
    means.recognition.guard.on(collection, Action.ENROL, standing=lambda: found)
    details = _details(means, region, agreement, challenge)
    person, key = _person(region, collection, agreement, now)
    consent = _consent(collection, agreement, details, key.subject_id, now)
    record = first_record(consent, around)
    entry = _entry(EntryKind.CONSENT_GIVEN, consent, record, key, now)
    challenge_id = None if challenge is None else challenge.challenge_id
    wrapped = None if person is None else key.wrapped
    means.recognition.checkpoint("consent:before")
    kept = region.consents.keep(NewConsent(consent, record, person, wrapped, challenge_id), [entry])
    means.recognition.checkpoint("consent:committed")
    return kept


def refuse(
    means: ConsentMeans, company_id: str, collection_id: str, notice_sha256: str, person_id: str | None
) -> Consent:
    """See `Consents.refuse`."""
    now = means.recognition.clock().replace(microsecond=0)
    region, collection = means.recognition.opened(company_id, collection_id)
    notice = require_shown(region, collection, require_sha256(notice_sha256, "the notice"))
    require_member(region, collection, person_id)
    consent = Consent(
        consent_id=new_id(IdKind.CONSENT, collection.home),
        company_id=company_id,
        collection_id=collection_id,
        person_id=person_id,
        purpose=collection.purpose,
        notice_sha256=notice.sha256,
        state=ConsentState.REFUSED,
        method=ConsentMethod.NONE,
        given_at=now,
    )
    record = first_record(consent, _around(means, collection, notice))
    key = None if person_id is None else region.cipher.opened(person_id, region.store.subject_key(person_id))
    entry = _entry(EntryKind.CONSENT_REFUSED, consent, record, key, now)
    return region.consents.keep(NewConsent(consent, record), [entry])


def log_entry(kind: EntryKind, consent: Consent, document: bytes, key: SubjectKey | None, now: datetime) -> LogEntry:
    """The entry of an event of a consent; `document` is the SHA-256 of its document. It names no consent, so links none."""
    facts = (("collection", consent.collection_id), ("method", consent.method.value), *by_whom())
    nonce = secrets.token_bytes(NONCE_BYTES)
    return LogEntry(
        kind,
        to_second(now),
        consent.company_id,
        facts,
        nonce,
        b"" if key is None else subject_commitment(key.key, key.subject_id, nonce),
        content_commitment(nonce, document),
    )


def _around(means: ConsentMeans, collection: Collection, notice: Notice) -> Circumstances:
    """What the policy says beside the consent."""
    policy = means.recognition.guard.policy
    purpose = policy.purpose(collection.purpose)
    return Circumstances(
        notice,
        collection,
        () if purpose is None else purpose.recipients,
        tuple(policy.place(region) for region in sorted(collection.regions)),
        policy.jurisdictions(collection.regions),
    )


def _entry(kind: EntryKind, consent: Consent, record: bytes, key: SubjectKey | None, now: datetime) -> LogEntry:
    return log_entry(kind, consent, document_sha256(record, declaration(consent.details)), key, now)


def _challenge(region: Region, company_id: str, agreement: Agreement, now: datetime) -> Challenge | None:
    """The challenge that is answered; None on paper."""
    if isinstance(agreement.proof, PaperProof):
        return None
    challenge = answerable(region, company_id, agreement.proof.challenge_id, now)
    require_asked(challenge, agreement.collection_id, agreement.notice_sha256, agreement.person_id)
    return challenge


def _details(means: ConsentMeans, region: Region, agreement: Agreement, challenge: Challenge | None) -> ConsentDetails:
    """What the proof proves. Raises as `SubjectKeys.proved` and `Passkeys.proved` do."""
    proof = agreement.proof
    said = ConsentDetails("", age=agreement.age, guardian=agreement.guardian)
    if isinstance(proof, PaperProof):
        sha256 = require_sha256(proof.evidence_sha256, "the signed form")
        return replace(said, evidence_sha256=sha256, recorded_by=proof.recorded_by)
    if challenge is None:
        raise RequestInvalid("expected the challenge that was signed")
    proved = _proved(means, region, challenge, proof)
    return replace(
        said,
        evidence_sha256=proved.sha256,
        proof=proved.document.decode("ascii"),
        public_key=proved.public_key,
        credential_id=proved.credential_id,
        sign_count=proved.sign_count,
    )


def _proved(means: ConsentMeans, region: Region, challenge: Challenge, proof: KeyProof | PasskeyProof) -> Proved:
    before = key_on_record(region, challenge.company_id, challenge.person_id)
    known = signing_details(before)
    wanted = ConsentMethod.KEY if isinstance(proof, KeyProof) else ConsentMethod.PASSKEY
    if before is not None and before.method is not wanted:
        raise SubjectMismatch(f"this person signs with a {before.method}; expected a signature of that one")
    if isinstance(proof, KeyProof):
        if known is not None and known.public_key != proof.public_key:
            raise SubjectMismatch("expected a signature of the key that stands for this person; got another key's")
        return means.keys.proved(challenge, proof)
    if means.passkeys is None:
        raise RequestInvalid("passkeys need the origin of the pages that ask for them: set MORETTA_SUBJECT_ORIGIN")
    return means.passkeys.proved(challenge, proof, known)


def _person(
    region: Region, collection: Collection, agreement: Agreement, now: datetime
) -> tuple[Person | None, SubjectKey]:
    """The person whom the consent makes, or None, and their data key."""
    known = agreement.person_id
    if known is not None:
        return None, region.cipher.opened(known, region.store.subject_key(known))
    person = Person(
        new_id(IdKind.PERSON, collection.home),
        collection.collection_id,
        collection.company_id,
        now,
        name=agreement.name,
        attributes=agreement.attributes,
    )
    return person, region.cipher.new_key(person.person_id)


def _consent(
    collection: Collection, agreement: Agreement, details: ConsentDetails, person_id: str, now: datetime
) -> Consent:
    methods = {PaperProof: ConsentMethod.PAPER, KeyProof: ConsentMethod.KEY, PasskeyProof: ConsentMethod.PASSKEY}
    return Consent(
        consent_id=new_id(IdKind.CONSENT, collection.home),
        company_id=collection.company_id,
        collection_id=collection.collection_id,
        person_id=person_id,
        purpose=collection.purpose,
        notice_sha256=agreement.notice_sha256,
        state=ConsentState.GIVEN,
        method=methods[type(agreement.proof)],
        given_at=now,
        expires_at=agreement.expires_at,
        details=details,
    )


def _require_sound(agreement: Agreement, now: datetime) -> None:
    require_sha256(agreement.notice_sha256, "the notice")
    require_words(agreement.name, agreement.attributes)
    if agreement.person_id is not None and (agreement.name or agreement.attributes):
        raise RequestInvalid(
            "expected a name or attributes only of somebody new; change a known person's by themselves"
        )
    if len(agreement.guardian) > MAX_WORDS:
        raise RequestInvalid(f"expected the guardian's relation in at most {MAX_WORDS} characters, and no name")
    if agreement.expires_at is not None and agreement.expires_at <= now:
        raise RequestInvalid("expected an end of the consent that is still to come")
