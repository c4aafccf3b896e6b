"""Master keys as files: what a deployment without a hardware token has.

Belongs here: the folder of master keys. Does not belong here: the form of wrapped keys (see `wrapped`).

    000002-<16 hex>.key        32 random bytes; the highest number is the active one
    000001-<16 hex>.destroyed  a tombstone: a key file of that id that comes back from a copy is refused

Nothing is cached: each call looks at the folder, so that what another process rotated or destroyed holds here at once.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import KeyDestroyed, KeyRejected, KeyUnusable
from moretta.keys.private_files import (
    folder_lock,
    overwrite_and_unlink,
    private_folder,
    read_private,
    write_private,
)
from moretta.keys.wrapped import (
    MASTER_KEY_BYTES,
    checked_key,
    new_master_key_id,
    parse_wrapped,
    rejected,
    unwrap_under,
    wrap_under,
)

_NAME = re.compile(r"(?P<number>[0-9]{6,12})-(?P<random>[0-9a-f]{16})\.(?P<kind>key|destroyed)")


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    master_key_id: str
    destroyed: bool

    @property
    def stem(self) -> str:
        return f"{self.number:06d}-{self.master_key_id.removeprefix('master_')}"


class FileKeyService:
    """`core.key_service.KeyService` over a folder. Safe for threads and processes.

    A copy of the whole folder from before a `destroy` cannot be told from the folder itself: keep no such copy.

    Raises:
        KeyUnusable: the folder cannot be used, or others can look into it.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._folder = private_folder(folder)
        self._checkpoint = checkpoint
        with folder_lock(self._folder):
            for part in self._folder.glob(".*.new"):  # a write that was cut off; nothing is wrapped under it
                overwrite_and_unlink(part)
            self._finish_destroying()

    def active(self) -> str:
        """As `KeyService.active`."""
        return self._active().master_key_id

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As `KeyService.wrap`."""
        checked_key(key)
        active = self._active()
        return wrap_under(self._master_key(active), active.master_key_id, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """As `KeyService.unwrap`."""
        parsed = parse_wrapped(wrapped)
        found = [entry for entry in self._entries() if entry.master_key_id == parsed.master_key_id]
        if any(entry.destroyed for entry in found):
            raise KeyDestroyed("the master key was destroyed; what was wrapped under it cannot be opened again")
        if not found:
            raise rejected()
        return unwrap_under(self._master_key(found[0]), parsed, context)

    def rotate(self) -> str:
        """As `KeyService.rotate`."""
        with folder_lock(self._folder):
            return self._made().master_key_id

    def destroy(self, master_key_id: str) -> None:
        """As `KeyService.destroy`."""
        with folder_lock(self._folder):
            kept = self._kept()
            if kept and kept[-1].master_key_id == master_key_id:
                raise KeyRejected("expected a master key that is no longer the active one; rotate first")
            for entry in kept:
                if entry.master_key_id == master_key_id:
                    write_private(self._folder / f"{entry.stem}.destroyed", b"")
                    self._checkpoint("destroy:marked")
            self._finish_destroying()

    def master_keys(self) -> Sequence[str]:
        """As `KeyService.master_keys`."""
        return tuple(entry.master_key_id for entry in self._kept())

    def _active(self) -> _Entry:
        kept = self._kept()
        if kept:
            return kept[-1]
        with folder_lock(self._folder):
            kept = self._kept()
            return kept[-1] if kept else self._made()

    def _made(self) -> _Entry:
        number = max((entry.number for entry in self._entries()), default=0) + 1
        made = _Entry(number, new_master_key_id(), destroyed=False)
        self._checkpoint("rotate:before")
        write_private(self._folder / f"{made.stem}.key", secrets.token_bytes(MASTER_KEY_BYTES))
        self._checkpoint("rotate:made")
        return made

    def _kept(self) -> list[_Entry]:
        entries = self._entries()
        gone = {entry.master_key_id for entry in entries if entry.destroyed}
        return [entry for entry in entries if entry.master_key_id not in gone]

    def _entries(self) -> list[_Entry]:
        """Every key and every tombstone, by number."""
        matches = [match for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name))]
        entries = [
            _Entry(int(match["number"]), f"master_{match['random']}", match["kind"] == "destroyed") for match in matches
        ]
        return sorted(entries, key=lambda entry: (entry.number, entry.master_key_id))

    def _master_key(self, entry: _Entry) -> bytes:
        content = read_private(self._folder / f"{entry.stem}.key")
        # The tombstone is there before a byte is overwritten: what was read without one is the key, not zeros.
        if content is None or (self._folder / f"{entry.stem}.destroyed").exists():
            raise KeyDestroyed("the master key was destroyed; what was wrapped under it cannot be opened again")
        if len(content) != MASTER_KEY_BYTES:
            raise KeyUnusable("a master key's file is cut off; put it back from a copy")
        return content

    def _finish_destroying(self) -> None:
        """Delete key files that have a tombstone: just marked, of a process that died, or back from a copy."""
        for entry in self._entries():
            if entry.destroyed:
                overwrite_and_unlink(self._folder / f"{entry.stem}.key")
                self._checkpoint("destroy:gone")
