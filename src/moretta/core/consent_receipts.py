"""The document of a consent: what its receipt says, in the fields of ISO/IEC TS 27560 and the terms of the W3C DPV.

Belongs here: building and reading documents. Does not belong here: signing them, where they are kept.

A document has two parts. The `record` holds no personal data and outlives the person: pseudonyms, purposes, hashes, moments. The
`declaration` is the subject's own part (signature, age, guardian) and is gone with the person's data key. The log commits to both
at once; our signature covers both, the log entry, and where it stands.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from moretta.core.clock import to_second
from moretta.core.consent import Consent, ConsentDetails, ConsentMethod, ConsentState, Notice, WithdrawnBy
from moretta.core.recognition import Collection
from moretta.core.usage import canonical_json

RECEIPT_TYPE = "moretta.consent-receipt.v1"
JWS_TYPE = "moretta-consent-receipt+jws"
SCHEMA = "ISO/IEC TS 27560:2023"

# Terms of DPV 2 (w3id.org/dpv), its personal data categories (pd) and its GDPR extension (eu-gdpr).
_STATUS = {
    ConsentState.GIVEN: "dpv:ConsentGiven",
    ConsentState.REFUSED: "dpv:ConsentRefused",
    ConsentState.WITHDRAWN: "dpv:ConsentWithdrawn",
    ConsentState.EXPIRED: "dpv:ConsentExpired",
}
_METHODS = {
    ConsentMethod.PASSKEY: "signed by the subject with a passkey (W3C Web Authentication)",
    ConsentMethod.KEY: "signed by the subject with a key of their own",
    ConsentMethod.PAPER: "signed by hand on paper, recorded by the operator",
    ConsentMethod.NONE: "refused; nothing was collected",
}
_RIGHTS = ("eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A16", "eu-gdpr:A17", "eu-gdpr:A18", "eu-gdpr:A20", "eu-gdpr:A21")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a record tells beside the consent: the notice that was shown, the collection as it was, who else gets the data.

    `locations`: its regions, with their countries where they are told; `jurisdictions`: those countries.
    """

    notice: Notice
    collection: Collection
    recipients: tuple[str, ...] = ()
    locations: tuple[str, ...] = ()
    jurisdictions: tuple[str, ...] = ()


def first_record(consent: Consent, around: Circumstances) -> bytes:
    """The record of a consent that was given or refused, as canonical JSON."""
    notice, collection = around.notice, around.collection
    days = collection.retention_days
    fields = {
        "header": {
            "schema_version": SCHEMA,
            "record_id": consent.consent_id,
            "pii_principal_id": consent.subject,
        },
        "processing": {
            "privacy_notice": {
                "uri": f"/v1/notices/{notice.notice_id}?version={notice.version}",
                "version": str(notice.version),
                "sha256": notice.sha256,
            },
            "language": notice.language,
            "purposes": [_purpose(consent)],
            "pii_controllers": [{"name": notice.controller, "role": "dpv:DataController"}],
            "collection_method": _METHODS[consent.method],
            "processing_method": ["dpv:Collect", "dpv:Store", "dpv:Match", "dpv:Erase"],
            "storage_locations": list(around.locations or sorted(collection.regions)),
            "retention_period": "until withdrawn" if days is None else f"P{days}D",
            "recipients": list(around.recipients),
            "jurisdictions": list(around.jurisdictions),
            "withdrawal_method": f"POST /v1/consents/{consent.consent_id}/withdraw, or the subject's own page",
            "rights": list(_RIGHTS),
        },
        "collection_id": consent.collection_id,
        "event": _event(consent.state, consent.given_at, consent.expires_at, "subject"),
    }
    return canonical_json(fields)


def last_record(first: bytes, state: ConsentState, at: datetime, by: WithdrawnBy) -> bytes:
    """The record of a consent that ended, from its first one."""
    fields = json.loads(first)
    return canonical_json({**fields, "event": _event(state, at, None, by.value), "began": fields["event"]})


def declaration(details: ConsentDetails | None) -> dict[str, object] | None:
    """The subject's part of a document; None where there is none."""
    if details is None:
        return None
    return {
        "evidence_sha256": details.evidence_sha256,
        "age": details.age.value,
        "guardian": details.guardian,
        "proof": json.loads(details.proof) if details.proof else None,
    }


def document_sha256(record: bytes, declared: Mapping[str, object] | None) -> bytes:
    """What the log commits to (32 bytes)."""
    return hashlib.sha256(canonical_json({"record": json.loads(record), "declaration": declared})).digest()


def _purpose(consent: Consent) -> dict[str, object]:
    return {
        "purpose": consent.purpose,
        "type": "dpv:IdentityVerification",
        "lawful_basis": ["eu-gdpr:A6-1-a", "eu-gdpr:A9-2-a"],
        "pii_information": [
            {"pii_type": "pd:FacialPrint", "sensitive": True, "source": "dpv:DataSubject"},
            {"pii_type": "pd:Picture", "sensitive": False, "source": "dpv:DataSubject"},
        ],
    }


def _event(state: ConsentState, at: datetime, until: datetime | None, by: str) -> dict[str, object]:
    return {
        "time": to_second(at),
        "type": state.value,
        "state": _STATUS[state],
        "validity": None if until is None else to_second(until),
        "entity": by,
    }
