"""Consent, put together: the settings' origin of pages, the checks of signatures, and what erases when a consent ends.

Belongs here: which implementations they are. Does not belong here: what they do (see `use_cases.consent`).
"""

from moretta.keys.passkeys import WebAuthnPasskeys
from moretta.keys.subjects import SubjectKeyCheck
from moretta.ledger.proofs import proof_of
from moretta.settings import Settings
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.consent.means import ConsentMeans, Erasure
from moretta.use_cases.recognition.means import Means
from moretta.wiring.rights import rights_over


def consents_of(means: Means, settings: Settings, erasure: Erasure | None = None) -> Consents:
    """Consent over the regions and the policy of `means`; `erasure` left out, that of rights, which certifies.

    Raises:
        RequestInvalid: the origin in the settings is none.
    """
    passkeys = None
    if settings.subject_origin is not None:
        passkeys = WebAuthnPasskeys(settings.subject_origin, means.guard.policy.controller.name)
    return Consents(ConsentMeans(means, SubjectKeyCheck(), passkeys, erasure or rights_over(means), proof_of))
