"""What checks receipts of consent offline, put together.

Belongs here: which implementations it uses. Does not belong here: what a receipt must prove (see `use_cases.consent.verifying`).
"""

from collections.abc import Mapping

from moretta.core.documents import DocumentVerifier, Trust
from moretta.core.ledger import LogEntry
from moretta.keys.consent_proofs import is_subjects_signature
from moretta.ledger.proofs import require_proof
from moretta.use_cases.consent.verifying import ReceiptCheck


def receipt_verifier() -> DocumentVerifier:
    """What checks receipts of consent offline."""
    return ReceiptCheck(_require_log_proof, is_subjects_signature)


def _require_log_proof(proof: Mapping[str, object], trust: Trust) -> tuple[LogEntry, str, int]:
    entry, note, _ = require_proof(proof, trust)
    return entry, note.origin, note.size
