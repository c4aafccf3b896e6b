"""The end of a consent: withdrawn or run out, and what rested on it is erased.

Belongs here: ending, erasing, and finishing what a dead process or an unreachable node left due. Does not belong here: how a
person is erased (see the port `Erasure`).

The consent ends in one transaction, which also takes the person out of every comparison; erasing comes after it. So nothing is
compared on a consent that is gone, whatever fails in between, and `sweep` finishes what is due.
"""

import logging
from dataclasses import dataclass

from moretta.core.consent import Consent, ConsentState, WithdrawnBy
from moretta.core.consent_receipts import document_sha256, last_record
from moretta.core.consent_store import EndedConsent
from moretta.core.errors import Conflict, MorettaError, NotFound, PersonErased
from moretta.core.key_service import SubjectKey
from moretta.core.ledger import EntryKind
from moretta.core.recognition import IdKind
from moretta.use_cases.consent.give import log_entry
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.recognition.means import Region

_log = logging.getLogger(__name__)

# Enough for one round of a sweep; the next round takes the rest.
SWEEP = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """A consent after its end. `erased`: nothing of the person is left. `pending`: why erasing is still to be done, as a code."""

    consent: Consent
    erased: bool
    pending: str | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: consents whose time was over, persons erased, and erasures that are still due."""

    expired: int = 0
    erased: int = 0
    pending: int = 0


def withdraw(means: ConsentMeans, company_id: str, consent_id: str, by: WithdrawnBy) -> Ended:
    """See `Consents.withdraw`."""
    region = means.home(consent_id, IdKind.CONSENT)
    consent = region.consents.consent(company_id, consent_id)
    if consent.state is ConsentState.REFUSED:
        raise Conflict("this is a refusal: nothing rests on it, and there is nothing to withdraw")
    if consent.state is ConsentState.GIVEN:
        consent = _end(means, region, consent, ConsentState.WITHDRAWN, by)
    return _erase(means, region, consent)


def withdraw_all(means: ConsentMeans, company_id: str, person_id: str, by: WithdrawnBy) -> list[Ended]:
    """See `Consents.withdraw_all`."""
    region = means.home(person_id, IdKind.PERSON)
    region.store.person(company_id, person_id)
    given = [one for one in region.consents.of_person(company_id, person_id) if one.state is ConsentState.GIVEN]
    ended = [_end(means, region, one, ConsentState.WITHDRAWN, by) for one in given]
    due = next((one for one in ended if one.erasure_due), None)
    done = None if due is None else _erase(means, region, due)
    return [Ended(one, done is not None and done.erased, None if done is None else done.pending) for one in ended]


def sweep(means: ConsentMeans) -> Swept:
    """See `Consents.sweep`."""
    expired = erased = pending = 0
    for name in means.recognition.regions:
        region = means.recognition.regions[name]
        for consent in region.consents.run_out(means.recognition.clock(), SWEEP):
            try:
                _end(means, region, consent, ConsentState.EXPIRED, WithdrawnBy.SWEEPER)
            except Conflict:  # somebody withdrew it at this moment
                continue
            expired += 1
        for consent in region.consents.erasures_due(SWEEP):
            done = _erase(means, region, consent)
            erased, pending = erased + done.erased, pending + (not done.erased)
    return Swept(expired, erased, pending)


def _end(means: ConsentMeans, region: Region, consent: Consent, state: ConsentState, by: WithdrawnBy) -> Consent:
    now = means.recognition.clock().replace(microsecond=0)
    first = region.consents.event(consent.company_id, consent.consent_id, ConsentState.GIVEN)
    record = last_record(first.record, state, now, by)
    kind = EntryKind.CONSENT_WITHDRAWN if state is ConsentState.WITHDRAWN else EntryKind.CONSENT_EXPIRED
    entry = log_entry(kind, consent, document_sha256(record, None), _key(region, consent), now)
    means.recognition.checkpoint("withdraw:before")
    ended = region.consents.end(EndedConsent(consent.company_id, consent.consent_id, state, now, by, record), [entry])
    means.recognition.checkpoint("withdraw:committed")
    return ended


def _erase(means: ConsentMeans, region: Region, consent: Consent) -> Ended:
    """Erase whoever rested on the consent alone; whatever keeps it from being done now, the sweep does it later."""
    if not consent.erasure_due or consent.person_id is None:
        return Ended(consent, erased=_is_gone(region, consent))
    try:
        means.erasure.erase(consent.company_id, consent.person_id, f"consent.{consent.state}")
    except PersonErased:
        pass
    except MorettaError as error:
        _log.warning("consent.erasure_pending: %s", error.code)
        return Ended(consent, erased=False, pending=error.code)
    means.recognition.checkpoint("withdraw:erased")
    region.consents.erasure_done(consent.consent_id)
    return Ended(region.consents.consent(consent.company_id, consent.consent_id), erased=True)


def _is_gone(region: Region, consent: Consent) -> bool:
    try:
        region.store.person(consent.company_id, consent.person_id or "")
    except (PersonErased, NotFound):
        return True
    return False


def _key(region: Region, consent: Consent) -> SubjectKey | None:
    """The data key of the person, where they are still there."""
    if consent.person_id is None:
        return None
    try:
        return region.cipher.opened(consent.person_id, region.store.subject_key(consent.person_id))
    except (PersonErased, NotFound):
        return None
