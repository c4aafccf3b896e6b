"""Changes the master key while everything goes on: make a new one, wrap every key again, destroy the old one.

Belongs here: the order of the steps. Does not belong here: where wrapped keys are kept.

Each step may be cut off by a crash and the whole be run again: nothing is lost, because an old master key is destroyed only
after everything has been wrapped anew, and wrapping anew replaces a wrapped key only where it is still the one that was read.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from moretta.core.errors import KeyDestroyed, KeyRejected
from moretta.core.key_service import KeyService, SubjectCipher
from moretta.keys.wrapped import master_key_of

# A writer may have wrapped a key just before the change and commit it after we have looked. A transaction that enrols lasts
# milliseconds, a request at most `MORETTA_TIME_LIMIT_S` (300 s), and none holds a fresh wrapped key for longer than that.
SETTLE_S = 330.0
_SPARE_S = 30.0
_PAGE = 500
# Writers wrap under the new key since it was made; a pass finds leftovers once, or twice if it lost a race for one.
_PASSES = 10


def settling_s(request_s: float) -> float:
    """How long to wait, in seconds, where a request lasts at most `request_s`."""
    return max(SETTLE_S, request_s + _SPARE_S)


class WrappedKeys(Protocol):
    """Where wrapped data keys are kept; `core.recognition_store.RecognitionStore` is one."""

    def wrapped_keys(self, limit: int, after: str | None = None) -> list[tuple[str, bytes]]:
        """As `RecognitionStore.wrapped_keys`."""

    def rewrap(self, keys: Sequence[tuple[str, bytes, bytes]]) -> None:
        """As `RecognitionStore.rewrap`."""


@dataclass(frozen=True, slots=True)
class MasterKeyChange:
    """What a change did. `unreadable` counts keys that do not open although their master key is there: their own, and
    `kept`, the old master keys that wrap them, are left as they are."""

    active: str
    rewrapped: int
    destroyed: tuple[str, ...]
    kept: tuple[str, ...] = ()
    unreadable: int = 0


@dataclass(slots=True)
class _Pass:
    rewrapped: int = 0
    unreadable: int = 0
    in_use: frozenset[str] = frozenset()


def rewrapped(service: KeyService, wrapped: bytes, context: bytes) -> bytes | None:
    """The same key under the active master key; None where it already is. Raises as `KeyService.unwrap`."""
    if master_key_of(wrapped) == service.active():
        return None
    return service.wrap(service.unwrap(wrapped, context), context)


def change_master_key(
    service: KeyService,
    cipher: SubjectCipher,
    stores: Sequence[WrappedKeys],
    rewrap_gallery_keys: Callable[[], int],
    *,
    anew: bool = False,
    settle_s: float = SETTLE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> MasterKeyChange:
    """Change the master key and destroy the old ones under which nothing is wrapped any more.

    Where more than one master key is there, a change was begun and not finished: it is finished, unless `anew` asks for
    another new key. Services may read and write all the while.

    Args:
        service: holds the master keys.
        cipher: how the data keys in `stores` are bound to their subjects.
        stores: everything that holds keys wrapped by `service`; one that is left out loses its keys.
        rewrap_gallery_keys: as `KeyHolder` implementations offer it; returns how many it wrapped again.
        anew: make a new master key in any case.
        settle_s: longest time for which a writer may hold a wrapped key before it commits it.
        sleep: waits; replaced by tests.
    """
    if anew or len(service.master_keys()) < 2:
        service.rotate()
    total = rewrap_gallery_keys() + _pass(cipher, stores).rewrapped
    sleep(settle_s)
    for _ in range(_PASSES):
        galleries, found = rewrap_gallery_keys(), _pass(cipher, stores)
        total += galleries + found.rewrapped
        if not galleries + found.rewrapped:
            return _destroyed_unused(service, total, found)
    active = service.active()
    return MasterKeyChange(active, total, (), tuple(old for old in service.master_keys() if old != active))


def _destroyed_unused(service: KeyService, total: int, last: _Pass) -> MasterKeyChange:
    active = service.active()
    old = [master_key_id for master_key_id in service.master_keys() if master_key_id != active]
    unused = [master_key_id for master_key_id in old if master_key_id not in last.in_use]
    for master_key_id in unused:
        service.destroy(master_key_id)
    kept = tuple(master_key_id for master_key_id in old if master_key_id in last.in_use)
    return MasterKeyChange(active, total, tuple(unused), kept, last.unreadable)


def _pass(cipher: SubjectCipher, stores: Iterable[WrappedKeys]) -> _Pass:
    """Wrap again whatever is not under the active master key."""
    done, in_use = _Pass(), set[str]()
    for store in stores:
        for page in _pages(store):
            changed = []
            for subject_id, wrapped in page:
                try:
                    new = cipher.rewrapped(subject_id, wrapped)
                except KeyDestroyed:
                    continue  # erased with its master key; nothing to keep
                except KeyRejected:
                    done.unreadable += 1
                    in_use |= _named(wrapped)
                    continue
                if new is not None:
                    changed.append((subject_id, wrapped, new))
            if changed:
                store.rewrap(changed)
                done.rewrapped += len(changed)
    done.in_use = frozenset(in_use)
    return done


def _pages(store: WrappedKeys) -> Iterator[list[tuple[str, bytes]]]:
    after = None
    while page := store.wrapped_keys(_PAGE, after):
        yield page
        after = page[-1][0]


def _named(wrapped: bytes) -> set[str]:
    try:
        return {master_key_of(wrapped)}
    except KeyRejected:
        return set()
