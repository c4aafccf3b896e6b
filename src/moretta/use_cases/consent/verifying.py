"""Checking a receipt of consent offline, with nothing but a region's public key.

Belongs here: that signature, document, log entry and the subject's own signature belong together. Does not belong here: reading
files, the proof of the log and the cryptography (handed in).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from moretta.core.consent_receipts import JWS_TYPE, RECEIPT_TYPE, document_sha256
from moretta.core.documents import Trust, Verified
from moretta.core.errors import ProofRejected
from moretta.core.jws import EDDSA, Jws, parsed
from moretta.core.ledger import LogEntry, content_commitment
from moretta.core.signing import signing_key_id
from moretta.core.usage import canonical_json

# Receipts have about 6 KiB.
_MOST_BYTES = 256 * 1024
_KINDS = {
    "given": "consent.given",
    "refused": "consent.refused",
    "withdrawn": "consent.withdrawn",
    "expired": "consent.expired",
}

RequireLogProof = Callable[[Mapping[str, object], Trust], tuple[LogEntry, str, int]]
IsSubjects = Callable[[Mapping[str, object]], bool]


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """A `DocumentVerifier` of receipts: the JSON object that the API answers with, or its signature (`jws`) alone.

    `require_log_proof` gives the entry of a proof that holds, the log's name and its size; `is_subjects` tells whether the proof
    in a declaration is the signature of the subject's key over its statement.
    """

    require_log_proof: RequireLogProof
    is_subjects: IsSubjects

    def __call__(self, content: bytes, trust: Trust) -> Verified:
        """What the receipt proves. Raises `ProofRejected` where it does not hold."""
        jws = _receipt_in(content)
        key = _signing_key(jws, trust)
        payload = _object(jws.payload, "the receipt's payload")
        record, declared = payload.get("record"), payload.get("declaration")
        if payload.get("type") != RECEIPT_TYPE or not isinstance(record, Mapping):
            raise ProofRejected("expected the record of a consent in the receipt")
        proof = payload.get("log")
        if not isinstance(proof, Mapping):
            raise ProofRejected("expected the place of the consent in the log")
        entry, origin, size = self.require_log_proof(proof, trust)
        event = _require_told(entry, record, declared)
        header, processing = _part(record, "header"), _part(record, "processing")
        who, what = header.get("pii_principal_id"), f"{event.get('type')} at {event.get('time')}"
        if event.get("validity") is not None:
            what = f"{what}, for the time until {event.get('validity')}"
        return Verified(
            RECEIPT_TYPE,
            key,
            (
                f"consent {header.get('record_id')} of {who}: {what}",
                f"on the notice whose SHA-256 is {_part(processing, 'privacy_notice').get('sha256')}",
                f"entry {proof.get('index')} of the log {origin}, which had {size} entries, commits to it",
                self._subject(declared, record),
            ),
        )

    def _subject(self, declared: object, record: Mapping[str, object]) -> str:
        if not isinstance(declared, Mapping):
            return "no part of the subject's own is in it"
        proof = declared.get("proof")
        if proof is None:
            return f"the operator keeps a signed form whose SHA-256 is {declared.get('evidence_sha256')}"
        if not isinstance(proof, Mapping) or not self.is_subjects(proof):
            raise ProofRejected("the subject's own signature does not hold")
        statement, notice = _part(proof, "statement"), _part(_part(record, "processing"), "privacy_notice")
        signed = (statement.get("notice_sha256"), statement.get("collection_id"))
        if signed != (notice.get("sha256"), record.get("collection_id")):
            raise ProofRejected("the subject signed another notice or collection than the receipt names")
        return f"the subject's {proof.get('method')} signed it"


def _receipt_in(content: bytes) -> Jws:
    if len(content) > _MOST_BYTES:
        raise ProofRejected(f"expected a receipt of at most {_MOST_BYTES} bytes")
    if content[:1] != b"{":
        return parsed(content.decode("ascii", "replace").strip())
    found = _object(content, "a receipt")
    jws = found.get("jws")
    if found.get("type") != RECEIPT_TYPE or not isinstance(jws, str):
        raise ProofRejected("expected a receipt of consent with its signature (`jws`)")
    return parsed(jws)


def _signing_key(jws: Jws, trust: Trust) -> bytes:
    if jws.header.get("alg") != EDDSA or jws.header.get("typ") != JWS_TYPE:
        raise ProofRejected("expected a receipt signed with EdDSA; got another kind of signature")
    for key in trust.keys:
        if jws.header.get("kid") == signing_key_id(key) and trust.check(key, jws.message, jws.signature):
            return key
    raise ProofRejected("the receipt is not signed by the trusted key, or was changed after it was signed")


def _require_told(entry: LogEntry, record: Mapping[str, object], declared: object) -> Mapping[str, object]:
    """The event that the log's entry tells of, where it commits to this document."""
    event = _part(record, "event")
    part = declared if isinstance(declared, Mapping) else None
    told = content_commitment(entry.nonce, document_sha256(canonical_json(record), part))
    if entry.content != told or entry.kind.value != _KINDS.get(str(event.get("type"))):
        raise ProofRejected("the entry of the log tells of another document than this one")
    return event


def _part(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = fields.get(name)
    if not isinstance(part, Mapping):
        raise ProofRejected(f"expected `{name}` in the receipt")
    return part


def _object(content: bytes, what: str) -> Mapping[str, object]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProofRejected(f"expected {what} as a JSON object")
    return value
