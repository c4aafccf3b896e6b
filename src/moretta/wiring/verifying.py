"""`moretta verify FILE`: which kind of document a file is, and who verifies it.

Belongs here: the list of kinds, telling them apart, and the reading of public keys. Does not belong here: verifying any of them
(each kind is verified where it is made). Nothing here opens a database or a connection, unless no key is given.

A document is JSON with a `type`, a ZIP whose `manifest.json` has one, a signature in JWS compact form whose header has a `typ`,
or a signed checkpoint as text.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from moretta.core import jws
from moretta.core.consent_receipts import JWS_TYPE, RECEIPT_TYPE
from moretta.core.documents import DocumentVerifier, Trust, Verified
from moretta.core.erasure import CERTIFICATE_TYPE
from moretta.core.errors import MorettaError, ProofRejected, RequestInvalid
from moretta.core.notes import parse_note_key
from moretta.core.retention import RETENTION_REPORT_TYPE
from moretta.core.signing import PUBLIC_KEY_BYTES, from_base64
from moretta.keys.signing import is_signed_by
from moretta.ledger.certificates import verify_certificate
from moretta.ledger.packages import PACKAGE_TYPE, verify_package
from moretta.ledger.proofs import CHECKPOINT_TYPE, PROOF_TYPE, verify_checkpoint, verify_proof
from moretta.ledger.retention_reports import verify_retention_report
from moretta.ledger.witness import EVIDENCE_TYPE, verify_evidence
from moretta.use_cases.rights.notices import NOTICE_JWS_TYPE, verify_notice
from moretta.wiring.consent_receipts import receipt_verifier
from moretta.wiring.streams.receipts import WATCH_RECEIPT_TYPE, verify_watch_receipt

# Under a document's `type` (JSON, manifests) or `typ` (JWS).
VERIFIERS: Mapping[str, DocumentVerifier] = {
    PROOF_TYPE: verify_proof,
    CHECKPOINT_TYPE: verify_checkpoint,
    EVIDENCE_TYPE: verify_evidence,
    CERTIFICATE_TYPE: verify_certificate,
    PACKAGE_TYPE: verify_package,
    RETENTION_REPORT_TYPE: verify_retention_report,
    RECEIPT_TYPE: receipt_verifier(),
    JWS_TYPE: receipt_verifier(),
    NOTICE_JWS_TYPE: verify_notice,
    WATCH_RECEIPT_TYPE: verify_watch_receipt,
}

# Base64 of a bare key has `+` too, but never a hash of eight digits between two of them and 33 bytes after.
_NOTE_KEY = re.compile(r"[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/=]{44}$")
MANIFEST = "manifest.json"
_ZIP = b"PK\x03\x04"
# Documents are some KB; an archive of photos may be large, but its manifest is not.
MAX_DOCUMENT_BYTES = 2**31
_MAX_MANIFEST_BYTES = 64 * 2**20


def verified(content: bytes, trust: Trust, verifiers: Mapping[str, DocumentVerifier] = VERIFIERS) -> Verified:
    """What a document proves.

    Raises:
        ProofRejected: it does not hold, or is of no kind that can be verified.
    """
    kind = kind_of(content)
    if kind not in verifiers:
        raise ProofRejected("expected a document of a kind that this release verifies; a newer release may know it")
    return verifiers[kind](content, trust)


def kind_of(content: bytes) -> str:
    """The kind that a document says it is of; nothing is believed yet. Raises `ProofRejected` where it says none."""
    if content.startswith(_ZIP):
        return _named(_manifest(content), "type")
    if content.lstrip()[:1] == b"{":
        return _named(content, "type")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _unknown() from None
    if text.count(".") == 2 and "\n" not in text.strip():
        kind = jws.parsed(text.strip()).header.get("typ")
        if isinstance(kind, str):
            return kind
        raise _unknown()
    return CHECKPOINT_TYPE


def trust_in(keys: Sequence[str]) -> Trust:
    """Trust in the public keys that a command names: each a file of one, `NAME+HASH+BASE64`, base64 or hexadecimal.

    Raises:
        RequestInvalid: one is none of these.
    """
    found: list[bytes] = []
    origins: set[str] = set()
    for given in keys:
        for line in _lines(given):
            key, origin = _key(line)
            found.append(key)
            if origin:
                origins.add(origin)
    if not found or len(origins) > 1:
        raise RequestInvalid("expected public keys of one log")
    return Trust(tuple(found), is_signed_by, next(iter(origins), ""))


def _lines(given: str) -> list[str]:
    try:
        path = Path(given)
        if len(given) < 1024 and path.is_file():
            return [line for line in path.read_text("ascii").splitlines() if line.strip()]
    except (OSError, ValueError):
        pass
    return [given]


def _key(text: str) -> tuple[bytes, str]:
    text = text.strip()
    try:
        if _NOTE_KEY.match(text):
            key = parse_note_key(text)
            return key.public_key, key.name
        if len(text) == 2 * PUBLIC_KEY_BYTES:
            return bytes.fromhex(text), ""
        return from_base64(text, PUBLIC_KEY_BYTES), ""
    except (MorettaError, ValueError):
        raise RequestInvalid(
            "expected a public key as NAME+HASH+BASE64, as base64 or hexadecimal of 32 bytes, or a file that holds one; "
            "`moretta log keys` prints a region's"
        ) from None


def _manifest(content: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found = archive.getinfo(MANIFEST)
            if found.file_size > _MAX_MANIFEST_BYTES:
                raise _unknown()
            return archive.read(found)
    except (zipfile.BadZipFile, KeyError, RuntimeError, NotImplementedError, EOFError):
        raise _unknown() from None


def _named(content: bytes, name: str) -> str:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        value = None
    kind = value.get(name) if isinstance(value, dict) else None
    if not isinstance(kind, str):
        raise _unknown()
    return kind


def _unknown() -> ProofRejected:
    return ProofRejected(
        "expected a signed document: JSON with a type, a ZIP with a manifest, a receipt, or a checkpoint"
    )
