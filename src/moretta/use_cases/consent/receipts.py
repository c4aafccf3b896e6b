"""Receipts: what proves an event of a consent, signed as a JSON Web Signature.

Belongs here: putting document, log entry and proof together under our signature. Does not belong here: the document (see
`core.consent_receipts`), checking a receipt (see `verifying`).
"""

import json
from collections.abc import Iterator

from moretta.core.consent import ConsentMethod, ConsentState, Receipt
from moretta.core.consent_receipts import JWS_TYPE, RECEIPT_TYPE, declaration
from moretta.core.errors import PersonErased
from moretta.core.jws import EDDSA, compact
from moretta.core.recognition import IdKind
from moretta.core.usage import canonical_json
from moretta.use_cases.consent.means import LogProof
from moretta.use_cases.recognition.means import Means

_ENDS = (ConsentState.WITHDRAWN, ConsentState.EXPIRED)


def receipt(means: Means, log_proof: LogProof, company_id: str, consent_id: str, event: ConsentState | None) -> Receipt:
    """See `Consents.receipt`."""
    region = means.home(consent_id, IdKind.CONSENT)
    consent = region.consents.consent(company_id, consent_id)
    known = region.consents.event(company_id, consent_id, event)
    declared = None
    if known.event is ConsentState.GIVEN and consent.method is not ConsentMethod.NONE:
        declared = declaration(consent.details)
        if declared is None:
            raise PersonErased(
                "the person was erased, and with them their part of this receipt; ask for its end instead"
            )
    payload = {
        "type": RECEIPT_TYPE,
        "record": json.loads(known.record),
        "declaration": declared,
        "log": log_proof(region.log, known.log_index),
    }
    signer = region.signing.signer()
    header = {"alg": EDDSA, "kid": signer.key_id, "typ": JWS_TYPE}
    return Receipt(consent_id, known.event, known.log_index, compact(header, canonical_json(payload), signer.sign))


def receipts(means: Means, log_proof: LogProof, company_id: str, consent_id: str) -> Iterator[Receipt]:
    """The receipt of each event of a consent that can be had, in their order."""
    consent = means.home(consent_id, IdKind.CONSENT).consents.consent(company_id, consent_id)
    began = ConsentState.REFUSED if consent.state is ConsentState.REFUSED else ConsentState.GIVEN
    if consent.details is not None or consent.method is ConsentMethod.NONE:
        yield receipt(means, log_proof, company_id, consent_id, began)
    if consent.state in _ENDS:
        yield receipt(means, log_proof, company_id, consent_id, consent.state)
