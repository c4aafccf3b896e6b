"""Ports of whatever holds keys: master keys that wrap, subjects' data keys, and the keys of protected galleries.

Belongs here: contracts. Does not belong here: ciphers, files, tokens, sockets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.protection import Opened, OpenTerms, ProtectionTerms, Scheme, SealedScores

# Contexts that begin so are a key holder's own: a key service that answers over a link refuses them, so that who may ask it to
# unwrap persons' data keys cannot have it unwrap the keys that open scores.
GALLERY_KEY_CONTEXT = b"moretta.gallery-key\0"


class KeyService(Protocol):
    """Holds master keys. Implementations: file, PKCS#11, remote (`keyd`), memory.

    A wrapped key carries the id of the master key it was wrapped under, so that old ones open while new ones are made.
    """

    def active(self) -> str:
        """The id of the master key under which new keys are wrapped; made on first use."""

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """`key` (16-64 bytes) encrypted under the active master key and bound to `context`."""

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """The key in `wrapped`.

        Raises:
            KeyDestroyed: its master key was destroyed.
            KeyRejected: another context, another service's, or not what `wrap` made.
        """

    def rotate(self) -> str:
        """Make a new master key and use it from now on; the old ones still unwrap. Its id."""

    def destroy(self, master_key_id: str) -> None:
        """Destroy a master key. Idempotent; when it returns, no later unwrap under it can succeed. Never the active one.

        Raises:
            KeyRejected: it is the active one; rotate first.
        """

    def master_keys(self) -> Sequence[str]:
        """The ids of the master keys that unwrap, the oldest first."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an encrypted value stands; a value moved to another place does not open."""

    table: str
    row: str
    column: str


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A subject's data key, opened: only ever in memory. `wrapped` is what is stored."""

    subject_id: str
    wrapped: bytes = field(repr=False)
    key: bytes = field(repr=False)


class SubjectCipher(Protocol):
    """Encrypts everything sensitive about one subject under that subject's own data key."""

    def new_key(self, subject_id: str) -> SubjectKey:
        """A fresh data key, bound to the subject."""

    def opened(self, subject_id: str, wrapped: bytes) -> SubjectKey:
        """The stored data key. Raises as `KeyService.unwrap` does."""

    def rewrapped(self, subject_id: str, wrapped: bytes) -> bytes | None:
        """The same data key under the active master key; None where it already is."""

    def seal(self, key: SubjectKey, place: Place, plaintext: bytes) -> bytes:
        """`plaintext` encrypted and bound to `place`."""

    def open(self, key: SubjectKey, place: Place, sealed: bytes) -> bytes:
        """The plaintext.

        Raises:
            KeyRejected: another key, another place, or altered bytes.
        """


@dataclass(frozen=True, slots=True)
class StoredReference:
    """One template as it is stored: `content` is a payload of its own, or, with `slot`, a packed segment that holds it."""

    content: bytes = field(repr=False)
    slot: int | None = None


class KeyHolder(Protocol):
    """Holds the keys of protected galleries and opens scores. Embedded in the service, or `moretta keyd`."""

    def create(self, scheme: Scheme, model_id: str, dimension: int, floor: float) -> ProtectionTerms:
        """Make a key; durable when it returns. Scores are never opened at a threshold under `floor`."""

    def successor(self, key_id: str) -> ProtectionTerms:
        """Make a key with the floor and the rotation of `key_id` and another secret; durable when it returns.

        References that are reissued to it are the same numbers: nothing is rounded again, however often. Once `key_id` is
        destroyed, what was packed under it opens no more, and copies of it are worth nothing. `reissue_payload` and
        `reissue_segment` take it as any new key; to renew the rotation, too, make one with `create`.

        Raises:
            KeyDestroyed: the key is gone.
            RequestInvalid: references of its scheme are not packed: each stands under its subject's own key.
        """

    def terms(self, key_id: str) -> ProtectionTerms:
        """What a worker needs to protect under the key. Raises `KeyDestroyed` where it is gone."""

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `ScoreOpener.open`, under the key that `sealed` names."""

    def pack(self, key_id: str, payloads: Sequence[bytes]) -> bytes:
        """One segment that holds the references `payloads` in order; only for schemes that pack (`he`)."""

    def repack(self, key_id: str, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """One segment with the slots that are kept (in order) of each segment; the others' references exist no more."""

    def reissue_payload(self, key_id: str, new_key_id: str, payloads: Sequence[bytes]) -> list[bytes]:
        """References as under another key of the same scheme, model and dimension, without enrolling again."""

    def reissue_segment(self, key_id: str, new_key_id: str, segment: bytes) -> bytes:
        """As `reissue_payload`, of a whole segment."""

    def reveal(self, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        """The templates in stored references: unit vectors as the embedder made them, float32 in little-endian order.

        For a person's own right of access, and nothing else: a holder counts these calls against a rate of their own, writes a
        line of its log for each, and one that is a process of its own allows them only where it was started so.

        Raises:
            ScopeMissing: this holder does not tell templates.
            RateLimited: too many of them.
            RequestInvalid: nobody can read a single template under this scheme (`shares`).
            ProbeRejected: no reference of this key.
        """

    def probes(self, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        """The templates in stored references as probes (`ProtectedProbe.payload`) of the same key; raises as `reveal`.

        For the search after an erasure that must find nobody.
        """

    def keys(self) -> Sequence[str]:
        """The ids of all keys that are not destroyed."""

    def destroy(self, key_id: str) -> None:
        """Destroy a key. Idempotent; when it returns, nothing protected under it can be opened again."""
