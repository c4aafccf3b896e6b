"""Consent, put together: the settings' origin of pages, the checks of signatures, and what erases when a consent ends.

Belongs here: which implementations they are. Does not belong here: what they do (see `use_cases.consent`).
"""

from moretta.keys.passkeys import WebAuthnPasskeys
from moretta.keys.subjects import SubjectKeyCheck
from moretta.ledger.proofs import proof_of
from moretta.settings import Settings
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.consent.means import ConsentMeans, Erasure
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.recognition.means import Means


class Deletion:
    """An `Erasure` that deletes the person from every store, without a certificate."""

    def __init__(self, means: Means) -> None:
        self._recognition = Recognition(means)

    def erase(self, company_id: str, person_id: str, reason: str) -> None:
        """As `Erasure.erase`. The reason stands in the log with the consent's end."""
        del reason
        self._recognition.delete_person(company_id, person_id)


def consents_of(means: Means, settings: Settings, erasure: Erasure | None = None) -> Consents:
    """Consent over the regions and the policy of `means`; `erasure` left out, people are deleted without a certificate.

    Raises:
        RequestInvalid: the origin in the settings is none.
    """
    passkeys = None
    if settings.subject_origin is not None:
        passkeys = WebAuthnPasskeys(settings.subject_origin, means.guard.policy.controller.name)
    return Consents(ConsentMeans(means, SubjectKeyCheck(), passkeys, erasure or Deletion(means), proof_of))
