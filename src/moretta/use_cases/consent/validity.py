"""Whether processing may rest on a consent.

Belongs here: the one check, as a decision over what is on record. Does not belong here: whether a consent is needed (the policy
says so, see `use_cases.guard`).
"""

from collections.abc import Sequence
from datetime import datetime

from moretta.core.consent import Age, Consent, ConsentState, Notice
from moretta.core.consent_store import ConsentStore
from moretta.core.errors import (
    ConsentError,
    ConsentExpired,
    ConsentRequired,
    ConsentWithdrawn,
    NoticeChanged,
    SubjectMismatch,
)
from moretta.core.purposes import Purpose
from moretta.core.recognition import Collection
from moretta.use_cases.guard import Standing


def require_consent(store: ConsentStore, company_id: str, person_id: str, purpose: str, now: datetime) -> Consent:
    """The consent on which processing for `purpose` may rest, the newest of several.

    Raises:
        ConsentRequired: the person never gave one for this purpose.
        ConsentExpired, ConsentWithdrawn: they did, and it ended so.
    """
    return valid_one(store.of_person(company_id, person_id), purpose, now)


def standing(
    store: ConsentStore, company_id: str, person_id: str | None, purpose: str, now: datetime, meant: Purpose | None
) -> Standing:
    """As the guard asks: raises as `require_consent`, but that nothing on record is no error but no consent.

    `meant` is the policy's purpose of that name; where it names notices, a consent to another one is none.

    Raises:
        NoticeChanged: there is a valid consent, and it was given on another notice.
    """
    if person_id is None:
        return Standing()
    consents = store.of_person(company_id, person_id)
    try:
        consent = valid_one(consents, purpose, now)
    except ConsentRequired:
        return Standing()
    if meant is not None and meant.notices:
        consent = _on_named(store, consents, meant, purpose, now)
    details = consent.details
    if details is None:
        return Standing(consent=True, age=Age.UNKNOWN)
    return Standing(consent=True, age=details.age, guardian=bool(details.guardian))


def require_named(purpose: Purpose | None, notice: Notice) -> None:
    """Raises `NoticeChanged` where the purpose names notices, and this is none of them."""
    if purpose is not None and purpose.notices and notice.notice_id not in purpose.notices:
        raise NoticeChanged(
            "expected a consent to a notice that the policy names for this purpose; show that one and ask again, or change the "
            "policy"
        )


def _on_named(store: ConsentStore, consents: Sequence[Consent], meant: Purpose, purpose: str, now: datetime) -> Consent:
    """The newest valid one on a notice that the purpose names, whichever version; raises as `require_named`."""
    refused: NoticeChanged | None = None
    for one in consents:
        if one.purpose == purpose and one.is_valid(now):
            try:
                require_named(meant, store.notice_with(one.company_id, one.collection_id, one.notice_sha256))
            except NoticeChanged as error:
                refused = error
                continue
            return one
    raise refused or _none()


def person_of(store: ConsentStore, collection: Collection, consent_id: str, now: datetime) -> str:
    """Whom a consent names, where it is valid for the collection.

    Raises:
        NotFound: no such consent.
        SubjectMismatch: a consent for another collection.
        ConsentRequired, ConsentExpired, ConsentWithdrawn: as `require_consent`.
    """
    consent = store.consent(collection.company_id, consent_id)
    if consent.collection_id != collection.collection_id:
        raise SubjectMismatch("expected a consent for this collection; got one for another")
    person_id = valid_one([consent], collection.purpose, now).person_id
    if person_id is None:
        raise ConsentRequired("expected a consent that names a person; got a refusal")
    return person_id


def valid_one(consents: Sequence[Consent], purpose: str, now: datetime) -> Consent:
    """The newest valid one for the purpose; raises as `require_consent`. `consents`: the newest first."""
    fitting = [one for one in consents if one.purpose == purpose]
    for one in fitting:
        if one.is_valid(now):
            return one
    raise next((_ended(one) for one in fitting if one.state is not ConsentState.REFUSED), _none())


def _ended(consent: Consent) -> ConsentError:
    if consent.state is ConsentState.WITHDRAWN:
        return ConsentWithdrawn("the person withdrew the consent; ask them anew, and enrol nobody until they consent")
    return ConsentExpired("the consent's time is over; ask the person anew")


def _none() -> ConsentError:
    return ConsentRequired(
        "expected a consent of this person to this purpose; record it first and name it (`consent_id`, or the header "
        "`Consent-Id`)"
    )
