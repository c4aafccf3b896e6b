"""Consent, put together: the settings' origin of pages, the checks of signatures, and what erases when a consent ends.

Belongs here: which implementations they are. Does not belong here: what they do (see `use_cases.consent`).
"""

from collections.abc import Mapping

from moretta.core.documents import DocumentVerifier, Trust
from moretta.core.ledger import LogEntry
from moretta.keys.consent_proofs import is_subjects_signature
from moretta.keys.passkeys import WebAuthnPasskeys
from moretta.keys.subjects import SubjectKeyCheck
from moretta.ledger.proofs import proof_of, require_proof
from moretta.settings import Settings
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.consent.means import ConsentMeans, Erasure
from moretta.use_cases.consent.verifying import ReceiptCheck
from moretta.use_cases.recognition.means import Means


def consents_of(means: Means, settings: Settings, erasure: Erasure) -> Consents:
    """Consent over the regions and the policy of `means`.

    Raises:
        RequestInvalid: the origin in the settings is none.
    """
    passkeys = None
    if settings.subject_origin is not None:
        passkeys = WebAuthnPasskeys(settings.subject_origin, means.guard.policy.controller.name)
    return Consents(ConsentMeans(means, SubjectKeyCheck(), passkeys, erasure, proof_of))


def receipt_verifier() -> DocumentVerifier:
    """What checks receipts of consent offline."""
    return ReceiptCheck(_require_log_proof, is_subjects_signature)


def _require_log_proof(proof: Mapping[str, object], trust: Trust) -> tuple[LogEntry, str, int]:
    entry, note, _ = require_proof(proof, trust)
    return entry, note.origin, note.size
