"""What every scheme's opening side offers to whoever holds its keys.

Belongs here: the protocol of a gallery's key. Does not belong here: where keys are stored (a `KeyHolder` does that).
"""

from collections.abc import Sequence
from typing import Protocol

from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, SealedScores


class GalleryKey(Protocol):
    """The key of one gallery, opened. Made anew or read back from `secret()`; safe for several threads."""

    def secret(self) -> bytes:
        """All of it as bytes, to be wrapped and stored."""

    def material(self) -> bytes:
        """What a worker needs to protect (`ProtectionTerms.material`)."""

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `core.protection.ScoreOpener.open`; the floor was checked before."""

    def successor(self) -> "GalleryKey":
        """As `KeyHolder.successor`. Raises `RequestInvalid` where the scheme does not pack."""

    def pack(self, payloads: Sequence[bytes]) -> bytes:
        """As `core.key_service.KeyHolder.pack`. Raises `RequestInvalid` where the scheme does not pack."""

    def repack(self, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """As `KeyHolder.repack`."""

    def reissue_payload(self, new: "GalleryKey", payloads: Sequence[bytes]) -> list[bytes]:
        """The same references under `new`, a key of the same scheme and dimension."""

    def reissue_segment(self, new: "GalleryKey", segment: bytes) -> bytes:
        """As `reissue_payload`, of a whole segment."""

    def reveal(self, reference: StoredReference) -> bytes:
        """As `KeyHolder.reveal`, of one reference; who may ask was checked before."""

    def probe(self, reference: StoredReference) -> bytes:
        """As `KeyHolder.probes`, of one reference."""
