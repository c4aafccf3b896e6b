"""JSON Web Signatures in their compact form: three parts in base64url, joined by dots.

Belongs here: writing and reading the form. Does not belong here: signing and checking (a `Signer`, a `Verifier`), what is signed.
Source: RFC 7515, sections 3.1, 5.1 and 7.1; for Ed25519 RFC 8037, section 3.1.
"""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from moretta.core.errors import ProofRejected
from moretta.core.usage import canonical_json

EDDSA = "EdDSA"


@dataclass(frozen=True, slots=True)
class Jws:
    """A signature as it was read: nothing is checked yet but the form. `message` is what the signature is over."""

    header: Mapping[str, object]
    payload: bytes = field(repr=False)
    message: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def compact(header: Mapping[str, object], payload: bytes, sign: Callable[[bytes], bytes]) -> str:
    """The compact form, signed by `sign`; `header` names the algorithm."""
    message = f"{to_base64url(canonical_json(header))}.{to_base64url(payload)}"
    return f"{message}.{to_base64url(sign(message.encode('ascii')))}"


def parsed(text: str) -> Jws:
    """The parts of a compact form.

    Raises:
        ProofRejected: it is something else, or asks for an extension (`crit`), of which we know none.
    """
    parts = text.split(".")
    if len(parts) != 3:
        raise ProofRejected("expected a signature of three parts joined by dots (JWS compact)")
    header_bytes, payload, signature = (from_base64url(part) for part in parts)
    try:
        header = json.loads(header_bytes)
    except ValueError:
        header = None
    if not isinstance(header, dict) or "crit" in header:
        raise ProofRejected("expected the header of a signature as a JSON object without `crit`")
    return Jws(header, payload, f"{parts[0]}.{parts[1]}".encode("ascii"), signature)


def to_base64url(content: bytes) -> str:
    """URL-safe base64 without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """The bytes. Raises `ProofRejected` for anything but the one way of writing them."""
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None or to_base64url(content) != text:
        raise ProofRejected("expected URL-safe base64 without padding, got something else")
    return content
