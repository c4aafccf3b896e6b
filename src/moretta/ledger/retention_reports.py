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
    """A `DocumentVerifier` of reports of sweeps."""
    document = parsed_object(content)
    if document.get("type") != RETENTION_REPORT_TYPE:
        raise ProofRejected("expected the report of a retention sweep, got another document")
    key = require_signature(document, trust.keys, trust.check)
    collections = document.get("collections")
    if not isinstance(collections, list) or not all(isinstance(one, dict) for one in collections):
        raise ProofRejected("expected a report that names collections")
    statements = [
        f"sweep {document.get('run_id')} of company {document.get('company_id')}, ended {document.get('ended_at')}"
    ]
    for one in collections:
        kept = one.get("exceptions")
        statements.append(
            f"{one.get('collection_id')}: {one.get('persons_erased')} persons erased, {one.get('photos_destroyed')} photos "
            f"destroyed, {len(kept) if isinstance(kept, list) else 'some'} kept by a legal hold"
        )
    return Verified(RETENTION_REPORT_TYPE, key, tuple(statements))
