"""Reports of retention sweeps, checked with nothing but the region's public key.

Belongs here: the check. Does not belong here: how a report is made (see `use_cases.retention.sweep`).

The region's log has an entry of kind `retention` that commits to the digest of the whole signed report; whoever has that entry
can compare. What a report says was destroyed is the region's word; the certificates that it names prove each erasure.
"""

from moretta.core.documents import Trust, Verified
from moretta.core.errors import ProofRejected
from moretta.core.retention import RETENTION_REPORT_TYPE
from moretta.core.signing import require_signature
from moretta.ledger.proofs import parsed_object


def verify_retention_report(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of reports of sweeps.

    Raises:
        ProofRejected: another kind of document, altered, or not signed by a key that is trusted.
    """
    document = parsed_object(content)
    if document.get("type") != RETENTION_REPORT_TYPE:
        raise ProofRejected("expected the report of a retention sweep, got another document")
    key = require_signature(document, trust.keys, trust.check)
    kept = document.get("exceptions")
    if not isinstance(kept, list):
        raise ProofRejected("expected a report that names its exceptions")
    statements = (
        f"sweep {document.get('run_id')} of collection {document.get('collection_id')}, ended {document.get('ended_at')}",
        f"{document.get('persons_erased')} persons erased, {document.get('photos_destroyed')} photos destroyed, {len(kept)} "
        "persons kept by a legal hold",
    )
    return Verified(RETENTION_REPORT_TYPE, key, statements)
