"""Challenges: what a subject is given to sign.

Belongs here: making them, and finding out that one may still be answered. Does not belong here: signatures.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime

from moretta.core.consent import CHALLENGE_LIFE, NONCE_BYTES, Challenge, Consent, ConsentDetails, ConsentMethod, Notice
from moretta.core.consent_proof import PasskeyOptions
from moretta.core.errors import ChallengeExpired, ChallengeUsed, NotFound, SubjectMismatch
from moretta.core.policy import Action
from moretta.core.recognition import Collection, IdKind, new_id
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.consent.notices import require_shown
from moretta.use_cases.guard import ANYBODY
from moretta.use_cases.recognition.means import Region


@dataclass(frozen=True, slots=True)
class Asked:
    """A challenge, the notice that it is about, and what a page hands to the browser where passkeys are set up."""

    challenge: Challenge
    notice: Notice
    passkey: PasskeyOptions | None


def ask(means: ConsentMeans, company_id: str, collection_id: str, notice_sha256: str, person_id: str | None) -> Asked:
    """See `Consents.challenge`."""
    region, collection = means.recognition.opened(company_id, collection_id)
    notice = require_shown(region, collection, notice_sha256)
    # Nobody is asked to agree to what would be refused.
    means.recognition.guard.on(collection, Action.ENROL, standing=lambda: ANYBODY)
    require_member(region, collection, person_id)
    known = key_on_record(region, company_id, person_id)
    now = means.recognition.clock().replace(microsecond=0)
    challenge = Challenge(
        challenge_id=new_id(IdKind.CHALLENGE, region.name),
        company_id=company_id,
        collection_id=collection_id,
        purpose=collection.purpose,
        notice_sha256=notice.sha256,
        person_id=person_id,
        nonce=secrets.token_bytes(NONCE_BYTES),
        created_at=now,
        expires_at=now + CHALLENGE_LIFE,
    )
    region.consents.add_challenge(challenge)
    return Asked(challenge, notice, _options(means, challenge, known))


def answerable(region: Region, company_id: str, challenge_id: str, now: datetime) -> Challenge:
    """The challenge, where it can still be answered.

    Raises:
        NotFound: no such challenge.
        ChallengeUsed, ChallengeExpired: answered before, or too late.
    """
    challenge = region.consents.challenge(company_id, challenge_id)
    if challenge.used_at is not None:
        raise ChallengeUsed("the challenge was answered before; ask for a new one")
    if now >= challenge.expires_at:
        minutes = int(CHALLENGE_LIFE.total_seconds() // 60)
        raise ChallengeExpired(f"the challenge can be answered for {minutes} minutes; ask for a new one")
    return challenge


def require_asked(challenge: Challenge, collection_id: str, notice_sha256: str, person_id: str | None) -> None:
    """Raises `SubjectMismatch` unless the challenge was for this collection, notice and person."""
    asked = (challenge.collection_id, challenge.notice_sha256, challenge.person_id)
    if asked != (collection_id, notice_sha256, person_id):
        raise SubjectMismatch("the challenge was for another person, collection or notice; ask for a new one")


def require_member(region: Region, collection: Collection, person_id: str | None) -> None:
    """Raises `NotFound`, or `PersonErased`, unless the person, where one is named, is of the collection."""
    if person_id is None:
        return
    if region.store.person(collection.company_id, person_id).collection_id != collection.collection_id:
        raise NotFound("expected the id of a person of this collection; list its persons to see the ids")


def key_on_record(region: Region, company_id: str, person_id: str | None) -> Consent | None:
    """The person's newest consent that they signed: its key is theirs."""
    if person_id is None:
        return None
    signed = (one for one in region.consents.of_person(company_id, person_id) if signing_details(one) is not None)
    return next(signed, None)


def signing_details(consent: Consent | None) -> ConsentDetails | None:
    """The details of a consent that the subject signed, with their public key."""
    if consent is None or consent.details is None or not consent.details.public_key:
        return None
    return consent.details


def _options(means: ConsentMeans, challenge: Challenge, known: Consent | None) -> PasskeyOptions | None:
    if means.passkeys is None or (known is not None and known.method is not ConsentMethod.PASSKEY):
        return None
    return means.passkeys.options(challenge, signing_details(known))
