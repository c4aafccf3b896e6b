"""What a watching process said of itself, as a signed document that anybody can check offline.

Belongs here: its form, and the check of it. Does not belong here: keys, what the process proves before it says so (see
`wiring.watching.models`), keeping receipts.

The signature is the region's: it holds the operator to what its watching process said before the first picture. It is no proof
against an operator who runs another program.
"""

from moretta.core.cameras import WatchReceipt
from moretta.core.documents import Trust, Verified
from moretta.core.errors import ProofRejected, WorkerLost
from moretta.core.signing import Signer, require_signature, signed_document
from moretta.core.usage import canonical_json
from moretta.ledger.proofs import parsed_object
from moretta.wiring.watching.models import recognises
from moretta.wiring.watching.wire import adapter
from moretta.wiring.wire import parsed

WATCH_RECEIPT_TYPE = "moretta.watch-receipt.v1"


def signed_receipt(receipt: WatchReceipt, signer: Signer) -> bytes:
    """The receipt as a signed JSON document."""
    fields = adapter(WatchReceipt).dump_python(receipt, mode="json")
    return canonical_json(signed_document({"type": WATCH_RECEIPT_TYPE, **fields}, signer))


def verify_watch_receipt(content: bytes, trust: Trust) -> Verified:
    """A `DocumentVerifier` of receipts of watching processes.

    Raises:
        ProofRejected: another kind of document, altered, not signed by a key that is trusted, or of a process that could
            recognise somebody or loaded a model that this release does not know as one that cannot.
    """
    document = parsed_object(content)
    if document.get("type") != WATCH_RECEIPT_TYPE:
        raise ProofRejected("expected the receipt of a watching process, got another document")
    key = require_signature(document, trust.keys, trust.check)
    try:
        receipt = parsed(adapter(WatchReceipt), content)
    except WorkerLost:
        raise ProofRejected("expected a receipt with the fields of a watching process's, got others") from None
    if receipt.recognises or recognises(receipt.models, ()):
        raise ProofRejected(
            "the process loaded a model that this release does not know as one that cannot recognise anybody"
        )
    models = ", ".join(f"{model.name} ({model.sha256[:12]})" for model in receipt.models)
    partly = ", ".join(denial.name for denial in receipt.denials if denial.level != "full")
    return Verified(
        WATCH_RECEIPT_TYPE,
        key,
        (
            f"session {receipt.session} of site {receipt.site} began {receipt.started_at:%Y-%m-%d %H:%M:%S} UTC",
            f"its process loaded {models or 'no model'}: none of them can tell people apart",
            f"denied to it by the kernel, but not in full force: {partly}"
            if partly
            else f"the kernel denied it, in full force: {', '.join(denial.name for denial in receipt.denials)}",
        ),
    )
