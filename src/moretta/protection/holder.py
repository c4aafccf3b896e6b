"""Holds the keys of protected galleries and opens scores: inside the service, or inside `moretta keyd`.

Belongs here: who may have what opened, and how often. Does not belong here: any scheme, the form of files, sockets.

Whoever compares could send scores that it made up and read templates from the answers. So the holder tells matches and never
a score, refuses thresholds under the floor that the key was made with, tells at most `LIMIT_MAX` matches and `BANDS_MAX`
bands above the threshold, counts openings against a rate, and moves no references to a key with a lower floor.
"""

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.errors import KeyDestroyed, KeyRejected, ProbeRejected, RequestInvalid, ScopeMissing
from moretta.core.key_service import KeyService, StoredReference
from moretta.core.protection import Opened, OpenTerms, ProtectionTerms, Scheme, SealedScores
from moretta.protection.gallery_key_files import (
    Facts,
    GalleryKeyFiles,
    StoredKey,
    new_key_id,
    sealed_key,
)
from moretta.protection.opening import GalleryKey
from moretta.protection.rate import Rate

# 100 a second: twice what enrolling in bulk asks for (a search for duplicates at 50 persons a second). An attacker who reads
# a template from decisions needs thousands of openings of scores of its own making (`docs/THREAT_MODEL.md`).
OPENINGS_PER_MINUTE = 6000
# A person has a few templates and asks for them once in a while: enough for a clerk's work, too few to empty a gallery by.
REVEALS_PER_MINUTE = 120
LIMIT_MAX = 1000
BANDS_MAX = 4
# A `he` key with its tables is a few MiB once loaded, and takes tens of milliseconds to load.
_CACHED = 64
_DIMENSIONS = range(2, 4097)

_log = logging.getLogger(__name__)

NewGalleryKey = Callable[[Scheme, int, bytes], GalleryKey]
LoadGalleryKey = Callable[[Scheme, bytes], GalleryKey]


@dataclass(frozen=True, slots=True)
class _Loaded:
    stored: StoredKey
    version: tuple[int, int, int]
    key: GalleryKey


class LocalKeyHolder:
    """`core.key_service.KeyHolder` over a folder. Safe for threads and processes.

    A loaded key stays in memory, since loading is slow, but each use looks whether its file is still there and its data key
    still unwraps: one whose master key was destroyed does not open from memory.

    Args:
        folder: of mode 0700, for gallery keys only.
        key_service: wraps them.
        new_gallery_key: as `protection.schemes.new_gallery_key`.
        load_gallery_key: as `protection.schemes.load_gallery_key`.
        parties: the public keys of the three parties, for `shares`.
        openings_per_minute: most openings under one gallery key.
        reveals_per_minute: most templates told under one gallery key; 0: none.
        clock: tells when a key was made.
        monotonic: seconds for the rate.
        checkpoint: called at each step of a write.

    Raises:
        KeyUnusable: the folder cannot be used, or others can look into it.
    """

    def __init__(
        self,
        folder: Path,
        key_service: KeyService,
        new_gallery_key: NewGalleryKey,
        load_gallery_key: LoadGalleryKey,
        *,
        parties: bytes = b"",
        openings_per_minute: int = OPENINGS_PER_MINUTE,
        reveals_per_minute: int = REVEALS_PER_MINUTE,
        clock: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self._files = GalleryKeyFiles(folder, checkpoint)
        self._service = key_service
        self._new, self._load = new_gallery_key, load_gallery_key
        self._parties, self._clock = parties, clock
        self._rate = Rate(openings_per_minute, monotonic)
        self._reveals = Rate(reveals_per_minute, monotonic, "templates told") if reveals_per_minute else None
        self._lock, self._loading = threading.Lock(), threading.Lock()
        self._loaded: OrderedDict[str, _Loaded] = OrderedDict()

    def create(self, scheme: Scheme, model_id: str, dimension: int, floor: float) -> ProtectionTerms:
        """As `KeyHolder.create`. Raises `RequestInvalid` where the floor is no similarity, or the dimension none."""
        if not -1.0 <= floor <= 1.0:
            raise RequestInvalid("expected a floor from -1 to 1, the lowest similarity that may ever be opened at")
        if dimension not in _DIMENSIONS:
            raise RequestInvalid(f"expected a dimension from 2 to {_DIMENSIONS[-1]}, got {dimension}")
        key = self._new(scheme, dimension, self._parties)
        return self._kept(key, Facts(scheme, model_id, dimension, float(floor), to_second(self._clock())))

    def successor(self, key_id: str) -> ProtectionTerms:
        """As `KeyHolder.successor`."""
        loaded = self._usable(key_id)
        return self._kept(loaded.key.successor(), replace(loaded.stored.facts, created=to_second(self._clock())))

    def _kept(self, key: GalleryKey, facts: Facts) -> ProtectionTerms:
        """A new key, durable when this returns."""
        with (
            self._files.lock()
        ):  # a change of the master key waits: it must find this key, or not see it wrapped by the old one
            stored = sealed_key(new_key_id(), facts, key.secret(), self._service)
            self._files.write(stored)
        self._remember(_Loaded(stored, self._files.version(stored.key_id), key))
        return _terms(stored, key)

    def terms(self, key_id: str) -> ProtectionTerms:
        """As `KeyHolder.terms`."""
        loaded = self._usable(key_id)
        return _terms(loaded.stored, loaded.key)

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `KeyHolder.open`.

        Raises:
            KeyDestroyed: the key is gone.
            ProbeRejected: the scores are of another scheme or model, or malformed; a threshold is under the floor; or the terms
                ask for more than is ever told.
            RateLimited: too many openings under this key.
        """
        loaded = self._usable(sealed.key_id)
        facts = loaded.stored.facts
        if (sealed.scheme, sealed.model_id) != (facts.scheme, facts.model_id):
            raise ProbeRejected("expected sealed scores of the key's own scheme and model")
        _refuse_revealing(sealed, terms, facts.floor)
        self._rate.spend(sealed.key_id)
        return loaded.key.open(sealed, terms)

    def openings(self, key_id: str) -> int:
        """How often scores were opened under the key since the start."""
        return self._rate.spent(key_id)

    def pack(self, key_id: str, payloads: Sequence[bytes]) -> bytes:
        """As `KeyHolder.pack`."""
        return self._usable(key_id).key.pack(payloads)

    def repack(self, key_id: str, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """As `KeyHolder.repack`."""
        return self._usable(key_id).key.repack(segments)

    def reissue_payload(self, key_id: str, new_key_id: str, payloads: Sequence[bytes]) -> list[bytes]:
        """As `KeyHolder.reissue_payload`. Raises `RequestInvalid` where the new key is of another kind, or its floor is lower."""
        old, new = self._pair(key_id, new_key_id)
        return old.reissue_payload(new, payloads)

    def reissue_segment(self, key_id: str, new_key_id: str, segment: bytes) -> bytes:
        """As `KeyHolder.reissue_segment`; raises as `reissue_payload`."""
        old, new = self._pair(key_id, new_key_id)
        return old.reissue_segment(new, segment)

    def reveal(self, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        """As `KeyHolder.reveal`."""
        key = self._telling(key_id, len(references))
        return [key.reveal(reference) for reference in references]

    def probes(self, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        """As `KeyHolder.probes`."""
        key = self._telling(key_id, len(references))
        return [key.probe(reference) for reference in references]

    def keys(self) -> Sequence[str]:
        """As `KeyHolder.keys`."""
        return self._files.ids()

    def destroy(self, key_id: str) -> None:
        """As `KeyHolder.destroy`."""
        self._files.destroy(key_id)
        self._forget(key_id)

    def rewrap(self, rewrapped: Callable[[bytes, bytes], bytes | None]) -> int:
        """Replace wrapped data keys after a change of the master key; returns how many were replaced.

        `rewrapped(wrapped, context)` is the same key under the active master key, or None where it already is.
        """
        return sum(self._rewrapped(key_id, rewrapped) for key_id in self._files.ids())

    def _rewrapped(self, key_id: str, rewrapped: Callable[[bytes, bytes], bytes | None]) -> bool:
        with self._files.lock():
            try:
                stored = self._files.read(key_id)
                wrapped = rewrapped(stored.wrapped, stored.context)
            except (KeyDestroyed, KeyRejected):
                return False  # destroyed meanwhile, or already beyond opening: no master key would change that
            if wrapped is not None:
                self._files.write(replace(stored, wrapped=wrapped))
            return wrapped is not None

    def _telling(self, key_id: str, count: int) -> GalleryKey:
        """The key, where `count` templates under it may be told now."""
        if self._reveals is None:
            raise ScopeMissing(
                "this key holder does not tell templates; where a person asks for theirs, start it so that it does"
            )
        key = self._usable(key_id).key
        for _ in range(count):
            self._reveals.spend(key_id)
        _log.info("holder.told_templates: %s: %d", key_id, count)
        return key

    def _pair(self, key_id: str, new_key_id: str) -> tuple[GalleryKey, GalleryKey]:
        old, new = self._usable(key_id), self._usable(new_key_id)
        before, after = old.stored.facts, new.stored.facts
        if (before.scheme, before.model_id, before.dimension) != (after.scheme, after.model_id, after.dimension):
            raise RequestInvalid("expected a new key of the same scheme, model and dimension")
        if after.floor < before.floor:
            raise RequestInvalid(
                "expected a new key whose floor is not lower: what was enrolled under a floor keeps it"
            )
        return old.key, new.key

    def _usable(self, key_id: str) -> _Loaded:
        """The key, if it may still be used at this moment."""
        try:
            version = self._files.version(key_id)
            with self._lock:
                loaded = self._loaded.get(key_id)
            if loaded is None or loaded.version != version:
                with self._loading:
                    return self._read(key_id)
            self._service.unwrap(loaded.stored.wrapped, loaded.stored.context)
        except (KeyDestroyed, KeyRejected):
            self._forget(key_id)
            raise
        self._remember(loaded)
        return loaded

    def _read(self, key_id: str) -> _Loaded:
        """The key from its file; one that is only wrapped anew is not loaded anew."""
        version = self._files.version(key_id)
        stored = self._files.read(key_id)
        with self._lock:
            known = self._loaded.get(key_id)
        if known is not None and known.stored.sealed == stored.sealed:
            self._service.unwrap(stored.wrapped, stored.context)
            key = known.key
        else:
            key = self._load(stored.facts.scheme, stored.secret(self._service))
        loaded = _Loaded(stored, version, key)
        self._remember(loaded)
        return loaded

    def _remember(self, loaded: _Loaded) -> None:
        with self._lock:
            self._loaded[loaded.stored.key_id] = loaded
            self._loaded.move_to_end(loaded.stored.key_id)
            while len(self._loaded) > _CACHED:
                self._loaded.popitem(last=False)

    def _forget(self, key_id: str) -> None:
        self._rate.forget(key_id)
        if self._reveals is not None:
            self._reveals.forget(key_id)
        with self._lock:
            self._loaded.pop(key_id, None)


def _terms(stored: StoredKey, key: GalleryKey) -> ProtectionTerms:
    facts = stored.facts
    return ProtectionTerms(facts.scheme, facts.model_id, facts.dimension, stored.key_id, key.material())


def _refuse_revealing(sealed: SealedScores, terms: OpenTerms, floor: float) -> None:
    """Refuse what would tell more than matches from the floor on."""
    # Written so that a threshold that is no number is refused, too.
    if not (terms.threshold >= floor and sealed.threshold >= floor):
        raise ProbeRejected("expected a threshold that is not under the floor of the gallery's key")
    if not 1 <= terms.limit <= LIMIT_MAX:
        raise ProbeRejected(f"expected a limit from 1 to {LIMIT_MAX}, got {terms.limit}")
    steps = (terms.threshold, *terms.bands)
    if len(terms.bands) > BANDS_MAX or not all(low < high < math.inf for low, high in pairwise(steps)):
        raise ProbeRejected(f"expected at most {BANDS_MAX} bands that rise from above the threshold")
