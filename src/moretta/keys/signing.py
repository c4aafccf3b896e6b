"""A region's signing keys: Ed25519, the private half wrapped by the region's master key.

Belongs here: making, opening, rotating and wrapping them anew, and the check of a signature. Does not belong here: where they
are kept (a `SigningKeyStore`), what is signed.

They are kept in the region's database and not in a folder: every process of a region, on whatever machine, signs the same log
with the same key, and a new key stands in the log in the transaction that makes it.
"""

import contextlib
import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.errors import Conflict, KeyDestroyed, KeyUnusable
from moretta.core.key_service import KeyService
from moretta.core.ledger import LogEntry
from moretta.core.signing import Signer, SigningKey, SigningKeyStore, endorsement_message, signing_key_id
from moretta.keys.rotation import rewrapped

_CONTEXT = b"moretta.signing-key\0"
_SEED_BYTES = 32


def is_signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether the Ed25519 `signature` over `message` is the key's; False also for bytes that are no key or signature."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class SeedSigner:
    """`core.signing.Signer` with a private key (32 bytes) at hand."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._private.public_key().public_bytes_raw()

    @property
    def key_id(self) -> str:
        """As `Signer.key_id`."""
        return signing_key_id(self._public)

    @property
    def public_key(self) -> bytes:
        """As `Signer.public_key`."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """As `Signer.sign`."""
        return self._private.sign(message)


class WrappedSigningKeys:
    """`core.signing.SigningKeys` whose private halves `service` wraps. An opened key is kept in memory until it is rotated."""

    def __init__(self, store: SigningKeyStore, service: KeyService, clock: Clock = utc_now) -> None:
        self._store, self._service, self._clock = store, service, clock
        self._lock = threading.Lock()
        self._opened: SeedSigner | None = None

    def signer(self) -> Signer:
        """As `SigningKeys.signer`."""
        kept = self._store.signing_keys() or [self._first()]
        return self._open(kept[-1])

    def history(self) -> list[SigningKey]:
        """As `SigningKeys.history`."""
        self.signer()
        return [replace(key, wrapped=b"") for key in self._store.signing_keys()]

    def rotate(self, entries: Sequence[LogEntry] = ()) -> Signer:
        """As `SigningKeys.rotate`. Raises `Conflict` where another process rotated meanwhile."""
        before = self.signer()
        made, signer = self._made(before)
        self._store.add_signing_key(made, before.key_id, entries)
        return signer

    def _first(self) -> SigningKey:
        made, _ = self._made(None)
        try:
            self._store.add_signing_key(made, None)
        except Conflict:  # another process was first
            return self._store.signing_keys()[-1]
        return made

    def _made(self, before: Signer | None) -> tuple[SigningKey, SeedSigner]:
        seed = secrets.token_bytes(_SEED_BYTES)
        signer, made_at = SeedSigner(seed), to_second(self._clock())
        endorsement = b"" if before is None else before.sign(endorsement_message(made_at, signer.public_key))
        wrapped = self._service.wrap(seed, _context(signer.key_id))
        return SigningKey(signer.key_id, signer.public_key, made_at, wrapped, endorsement), signer

    def _open(self, key: SigningKey) -> SeedSigner:
        with self._lock:
            if self._opened is None or self._opened.public_key != key.public_key:
                opened = SeedSigner(self._service.unwrap(key.wrapped, _context(key.key_id)))
                if opened.public_key != key.public_key or opened.key_id != key.key_id:
                    raise KeyUnusable("the signing key is not the one that its public half names; restore the database")
                self._opened = opened
            return self._opened


def rewrap_signing_keys(store: SigningKeyStore, service: KeyService) -> int:
    """Wrap private halves under the active master key, as `change_master_key` asks; how many were wrapped anew.

    Raises:
        KeyRejected: one does not open although its master key is there: that master key must not be destroyed.
    """
    count = 0
    for key in store.signing_keys():
        if not key.wrapped:
            continue  # another key follows it
        with contextlib.suppress(KeyDestroyed):  # with its master key: nothing to keep
            new = rewrapped(service, key.wrapped, _context(key.key_id))
            if new is not None:
                store.rewrap_signing_key(key.key_id, key.wrapped, new)
                count += 1
    return count


def _context(key_id: str) -> bytes:
    return _CONTEXT + key_id.encode()
