"""Erasure certificates, checked with nothing but the region's public key.

Belongs here: the check. Does not belong here: how a certificate is made (see `use_cases.rights.certify`).

A certificate that holds was signed by the region, unaltered, and its digest is in the log that the same region signed. What it
says of stores is the region's word: the log keeps it from saying something else later.
"""

import hashlib
from collections.abc import Mapping

from moretta.core.documents import Trust, Verified
from moretta.core.erasure import CERTIFICATE_TYPE
from moretta.core.errors import ProofRejected
from moretta.core.ledger import EntryKind, LogEntry, content_commitment
from moretta.core.signing import require_signature
from moretta.core.usage import canonical_json
from moretta.ledger.proofs import parsed_object, require_proof

_KINDS = frozenset({EntryKind.ERASED, EntryKind.FACE_REMOVED})


def verify_certificate(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of erasure certificates.

    Raises:
        ProofRejected: another kind of document, altered, or not signed by a key that is trusted.
    """
    document = parsed_object(content)
    if document.get("type") != CERTIFICATE_TYPE:
        raise ProofRejected("expected an erasure certificate, got another document")
    key = require_signature(document, trust.keys, trust.check)
    proof = document.get("log")
    if not isinstance(proof, Mapping):
        raise ProofRejected("expected a certificate with the log's proof")
    entry, note, _ = require_proof(proof, trust)
    body = {name: value for name, value in document.items() if name not in ("log", "signature")}
    _require_committed(entry, body)
    left = document.get("exceptions")
    statements = [
        f"certificate {body.get('certificate_id')}, revision {body.get('revision')}: {body.get('scope')}",
        f"completed at {body.get('completed_at')}; the digest of this certificate is entry {proof.get('index')} of the log "
        f"{note.origin}, which this key signed with {note.size} entries",
        "nothing that was looked at remained"
        if left == []
        else f"{len(left) if isinstance(left, list) else 'some'} exceptions are named; read them",
    ]
    backups = body.get("backups")
    if isinstance(backups, Mapping) and isinstance(backups.get("statement"), str):
        statements.append(f"of backups it says: {backups['statement']}")
    return Verified(CERTIFICATE_TYPE, key, tuple(statements))


def _require_committed(entry: LogEntry, body: Mapping[str, object]) -> None:
    """The entry is of this certificate, of its subject, and of these very words."""
    subject = body.get("subject")
    named = dict(entry.facts)
    committed = content_commitment(entry.nonce, hashlib.sha256(canonical_json(body)).digest())
    fits = (
        entry.kind in _KINDS
        and entry.content == committed
        and isinstance(subject, Mapping)
        and subject == {"nonce": entry.nonce.hex(), "commitment": entry.subject.hex()}
        and named.get("certificate") == body.get("certificate_id")
        and named.get("revision") == str(body.get("revision"))
        and entry.company_id == body.get("company_id")
    )
    if not fits:
        raise ProofRejected("the log's entry is not of this certificate: it commits to something else")
