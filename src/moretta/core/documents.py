"""Documents that can be checked offline: what a verifier of one kind is given, and what it answers.

Belongs here: the values. Does not belong here: the kinds (each is verified where it is made), reading files (see
`wiring.verifying`).

To make a kind of document known to `moretta verify`, write a `DocumentVerifier` and name it in `wiring.verifying.VERIFIERS`
under the document's `type`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from moretta.core.signing import Verifier


@dataclass(frozen=True, slots=True)
class Verified:
    """A document that holds: its type, the one of the trusted public keys that signed it, and what it proves, in sentences."""

    type: str
    public_key: bytes
    statements: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier may believe: public keys (32 bytes each) of the region, and the check of a signature.

    `origin`: the only log whose checkpoints may be believed; empty where only the keys are known.
    """

    keys: Sequence[bytes]
    check: Verifier
    origin: str = ""


# The document's bytes as they are (JSON, a note, a ZIP) -> what it proves. Raises `ProofRejected` where it does not hold.
DocumentVerifier = Callable[[bytes, Trust], Verified]
