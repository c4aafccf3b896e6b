"""Master keys in memory: for tests, and for what may be lost with the process."""

import secrets
import threading
from collections.abc import Sequence

from moretta.core.errors import KeyDestroyed, KeyRejected
from moretta.keys.wrapped import (
    MASTER_KEY_BYTES,
    new_master_key_id,
    parse_wrapped,
    rejected,
    unwrap_under,
    wrap_under,
)


class MemoryKeyService:
    """`core.key_service.KeyService` without a disk; its keys end with it. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, bytes] = {}
        self._destroyed: set[str] = set()

    def active(self) -> str:
        """As `KeyService.active`."""
        with self._lock:
            return next(reversed(self._keys), None) or self._made()

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As `KeyService.wrap`."""
        with self._lock:
            active = next(reversed(self._keys), None) or self._made()
            return wrap_under(self._keys[active], active, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """As `KeyService.unwrap`."""
        parsed = parse_wrapped(wrapped)
        with self._lock:
            if parsed.master_key_id in self._destroyed:
                raise KeyDestroyed("the master key was destroyed; what was wrapped under it cannot be opened again")
            master_key = self._keys.get(parsed.master_key_id)
        if master_key is None:
            raise rejected()
        return unwrap_under(master_key, parsed, context)

    def rotate(self) -> str:
        """As `KeyService.rotate`."""
        with self._lock:
            return self._made()

    def destroy(self, master_key_id: str) -> None:
        """As `KeyService.destroy`."""
        with self._lock:
            if master_key_id == next(reversed(self._keys), None):
                raise KeyRejected("expected a master key that is no longer the active one; rotate first")
            if self._keys.pop(master_key_id, None) is not None:
                self._destroyed.add(master_key_id)

    def master_keys(self) -> Sequence[str]:
        """As `KeyService.master_keys`."""
        with self._lock:
            return tuple(self._keys)

    def _made(self) -> str:
        made = new_master_key_id()
        self._keys[made] = secrets.token_bytes(MASTER_KEY_BYTES)
        return made
