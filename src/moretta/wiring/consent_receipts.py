"""What makes receipts of consent, and what checks them offline, put together.

Belongs here: which implementations it uses. Does not belong here: what a receipt must prove (see `use_cases.consent.verifying`).
"""

from collections.abc import Callable, Iterator, Mapping

from moretta.core.documents import DocumentVerifier, Trust
from moretta.core.ledger import LogEntry
from moretta.keys.consent_proofs import is_subjects_signature
from moretta.ledger.proofs import proof_of, require_proof
from moretta.use_cases.consent.receipts import receipts
from moretta.use_cases.consent.verifying import ReceiptCheck
from moretta.use_cases.recognition.means import Means


def receipts_over(means: Means) -> Callable[[str, str], Iterator[tuple[str, str]]]:
    """What gives event and JWS of each receipt of a consent (company, consent id), as rights hand them out."""

    def found(company_id: str, consent_id: str) -> Iterator[tuple[str, str]]:
        for one in receipts(means, proof_of, company_id, consent_id):
            yield one.event.value, one.jws

    return found


def receipt_verifier() -> DocumentVerifier:
    """What checks receipts of consent offline."""
    return ReceiptCheck(_require_log_proof, is_subjects_signature)


def _require_log_proof(proof: Mapping[str, object], trust: Trust) -> tuple[LogEntry, str, int]:
    entry, note, _ = require_proof(proof, trust)
    return entry, note.origin, note.size
