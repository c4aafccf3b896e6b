"""Whether processing may rest on a consent.

Belongs here: the one check, as a decision over what is on record. Does not belong here: whether a consent is needed (the policy
says so, see `use_cases.guard`).
"""

from collections.abc import Sequence
from datetime import datetime

from moretta.core.consent import Age, Consent, ConsentState
from moretta.core.consent_store import ConsentStore
from moretta.core.errors import ConsentError, ConsentExpired, ConsentRequired, ConsentWithdrawn, SubjectMismatch
from moretta.core.recognition import Collection
from moretta.use_cases.guard import Standing


def require_consent(store: ConsentStore, company_id: str, person_id: str, purpose: str, now: datetime) -> Consent:
    """The consent on which processing for `purpose` may rest, the newest of several.

    Raises:
        ConsentRequired: the person never gave one for this purpose.
        ConsentExpired, ConsentWithdrawn: they did, and it ended so.
    """
    return valid_one(store.of_person(company_id, person_id), purpose, now)


def standing(store: ConsentStore, company_id: str, person_id: str | None, purpose: str, now: datetime) -> Standing:
    """As the guard asks: raises as `require_consent`, but that nothing on record is no error but no consent."""
    if person_id is None:
        return Standing()
    try:
        consent = require_consent(store, company_id, person_id, purpose, now)
    except ConsentRequired:
        return Standing()
    details = consent.details
    if details is None:
        return Standing(consent=True, age=Age.UNKNOWN)
    return Standing(consent=True, age=details.age, guardian=bool(details.guardian))


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
