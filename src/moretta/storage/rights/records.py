"""How an erasure is written: JSON of counts, random ids and moments.

Belongs here: the form. Does not belong here: SQL.

Windows of ciphertext are written inverted: whoever searches the database's bytes for them must not find the note about them.
"""

import json
from dataclasses import replace

from moretta.core.clock import from_second, to_second
from moretta.core.erasure import (
    Erasure,
    ErasureStep,
    Findings,
    Held,
    Keeper,
    NegativeSearch,
    PlannedStore,
    Remainder,
    StoreOutcome,
    Traces,
)


def to_record(erasure: Erasure) -> bytes:
    """All that stands in no column."""
    found = erasure.findings
    negative = found.negative_search
    fields = {
        "request_id": erasure.request_id,
        "requested_at": to_second(erasure.requested_at),
        "started_at": to_second(erasure.started_at),
        "completed_at": None if erasure.completed_at is None else to_second(erasure.completed_at),
        "nonce": erasure.nonce.hex(),
        "subject": erasure.subject.hex(),
        "key": erasure.key_fingerprint,
        "model_id": erasure.model_id,
        "scheme": erasure.scheme,
        "purpose": erasure.purpose,
        "keeper": erasure.keeper.value,
        "plan": [[one.kind.value, one.store, one.method, one.items] for one in erasure.plan],
        "rows": erasure.traces.rows,
        "photos": erasure.traces.photos,
        "segments": erasure.traces.segments,
        "markers": [_inverted(marker).hex() for marker in erasure.traces.markers],
        "outcomes": [
            [one.kind.value, one.store, one.method, one.before, one.after, one.verification] for one in found.outcomes
        ],
        "remainders": [[one.store, one.reason, one.until] for one in found.remainders],
        "negative": None if negative is None else [negative.probes, negative.found, negative.method],
        "waiting": found.waiting,
        "with_collection": erasure.with_collection,
    }
    return json.dumps(fields, separators=(",", ":")).encode()


def to_erasure(
    record: bytes,
    *,
    certificate_id: str,
    company_id: str,
    person_id: str,
    collection_id: str,
    step: str,
    revision: int,
) -> Erasure:
    """The erasure that a record and the columns beside it mean."""
    it = json.loads(record)
    negative = None if it["negative"] is None else NegativeSearch(*it["negative"])
    return Erasure(
        certificate_id=certificate_id,
        company_id=company_id,
        person_id=person_id,
        collection_id=collection_id,
        request_id=it["request_id"],
        step=ErasureStep(step),
        requested_at=from_second(it["requested_at"]),
        started_at=from_second(it["started_at"]),
        nonce=bytes.fromhex(it["nonce"]),
        subject=bytes.fromhex(it["subject"]),
        key_fingerprint=it["key"],
        model_id=it["model_id"],
        scheme=it["scheme"],
        purpose=it["purpose"],
        keeper=Keeper(it["keeper"]),
        plan=tuple(PlannedStore(Held(kind), store, method, items) for kind, store, method, items in it["plan"]),
        traces=Traces(
            tuple(it["rows"]),
            tuple(it["photos"]),
            tuple(it["segments"]),
            tuple(_inverted(bytes.fromhex(marker)) for marker in it["markers"]),
        ),
        findings=Findings(
            tuple(StoreOutcome(Held(kind), *rest) for kind, *rest in it["outcomes"]),
            tuple(Remainder(*one) for one in it["remainders"]),
            negative,
            tuple(it["waiting"]),
        ),
        completed_at=None if it["completed_at"] is None else from_second(it["completed_at"]),
        revision=revision,
        # Records of erasures that were begun by earlier versions do not say it.
        with_collection=it.get("with_collection", False),
    )


def without_traces(erasure: Erasure) -> Erasure:
    """The erasure once nothing is looked for any more."""
    return erasure if erasure.findings.waiting else replace(erasure, traces=Traces())


def _inverted(content: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in content)
