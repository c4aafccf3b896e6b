"""The galleries that one party holds: their folders, which generation counts, and changes in order.

Belongs here: what is on the disk and how it changes as a whole. Does not belong here: the protocol, messages.

Folder: `<collection>/<key>/g<generation>`, and `next` beside it while a refresh is prepared. Renaming `next` to the next
generation's name is what makes it count; the old one goes afterwards. While a refresh is prepared, every change is made in both.
"""

import contextlib
import logging
import os
import re
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import Conflict, NodeUnavailable, RequestInvalid, StorageUnusable
from moretta.core.gallery import GallerySpec
from moretta.core.protection import Rows
from moretta.protection.shares.ring import Ring16
from moretta.protection.shares.store import (
    ShareStore,
    State,
    View,
    deleted,
    sweep,
    sync_folder,
)
from moretta.protection.shares.streams import Stream, derived_key

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_GENERATION = re.compile(r"g([0-9]{1,18})")
_NEXT = "next"
# Rows of a generation that are made at once: 32 MB at d = 128.
_PIECE = 1 << 16
_DISK = "a party's disk refused a write; see to its space, then try again"

Part = tuple[Rows, Ring16, Ring16]

_log = logging.getLogger(__name__)


class Gallery:
    """One gallery of one party. Safe for threads: changes wait for each other, comparisons for nobody.

    Raises:
        StorageUnusable: its files are damaged.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.folder, self._checkpoint = folder, checkpoint
        self._lock = threading.RLock()
        self._apply_id = b""
        self._barred: set[bytes] = set()
        sweep(folder)
        *former, present = sorted(_generations(folder)) or [0]
        for old in former:
            deleted(folder / f"g{old}")
        self._store = ShareStore(folder / f"g{present}", checkpoint)
        self._next = self._prepared_one()

    @classmethod
    def made(
        cls, folder: Path, state: State, parts: Iterable[Part] = (), checkpoint: Checkpoint = no_checkpoint
    ) -> "Gallery":
        """A new gallery in `state`, with the rows `parts` (as `Gallery.stage` takes them) whose check values `state` tells.

        Raises:
            NodeUnavailable: the rows have other check values.
        """
        temporary = folder / f"new.{os.urandom(8).hex()}"
        store = ShareStore.create(temporary, replace(state, sequence=0, slots=0, checks=(0, 0), erased=()), checkpoint)
        try:
            for part in parts:
                store.stage(*part)
            store.commit(state.sequence, (), state.excluded)
            if store.state.checks != state.checks:
                raise NodeUnavailable(
                    "the other parties' copies do not fit together, so nothing was restored; try again"
                )
        finally:
            store.close()
        temporary.rename(folder / f"g{state.generation}")
        sync_folder(folder)
        sync_folder(folder.parent)
        return cls(folder, checkpoint)

    @property
    def state(self) -> State:
        """What is committed."""
        return self._store.state

    @property
    def prepared(self) -> bytes:
        """The id of the refresh that is prepared; empty where none is."""
        return self._next.state.refresh_id if self._next is not None else b""

    def view(self) -> tuple[ShareStore, View]:
        """The store and what is to be compared in it; see `ShareStore.epoch`."""
        store = self._store
        view = store.view()
        if store.epoch != view.epoch:
            with self._lock:  # bytes are being erased just now
                store = self._store
                view = store.view()
        return store, view

    def lacks(self, rows: Rows) -> Rows:
        """Those of `rows` that are not there and not staged."""
        with self._lock:
            return rows[~self._store.has(rows)]

    def stage(self, apply_id: bytes, rows: Rows, first: Ring16, second: Ring16) -> None:
        """Write those rows that are not there yet, to be counted by `commit`; what another apply has staged is forgotten.

        Raises:
            NodeUnavailable: the disk does not take them; nothing stays staged.
        """
        with self._lock:
            if self._apply_id != apply_id:
                self._unstage()
                self._apply_id = apply_id
            try:
                for store in self._stores():
                    missing = ~store.has(rows) & ~np.isin(rows, store.staged())
                    if missing.any():
                        store.stage(rows[missing], first[missing], second[missing])
            except OSError:
                self._unstage()
                raise NodeUnavailable(_DISK) from None

    def commit(
        self,
        apply_id: bytes,
        sequence: int,
        *,
        added: Rows,
        removed: Rows,
        excluded: Rows,
        settled: Rows,
        full: bool,
    ) -> None:
        """Bring the gallery to `sequence`, where it stands before it.

        `added` are the rows that were staged (and accepted) under `apply_id`, or are there; `full`: rows that are neither in
        `added` nor in `settled` go.

        Raises:
            Conflict: what was staged was forgotten meanwhile.
            NodeUnavailable: rows that only the parties hold are not here.
        """
        with self._lock:
            if sequence <= self.state.sequence:
                self._unstage()
                return
            for store in self._stores():
                if sequence <= store.state.sequence:
                    continue
                staged = store.staged() if self._apply_id == apply_id else np.empty(0, np.uint32)
                wanted = added[~np.isin(added, removed)]
                if not (store.has(wanted) | np.isin(wanted, staged)).all():
                    raise Conflict("the rows to add were given up for another change meanwhile; try again")
                if not (store.has(settled) | np.isin(settled, removed)).all():
                    raise NodeUnavailable(
                        "this party lacks shares that only parties hold; restore it from the two others"
                    )
                if staged.size == 0:
                    store.unstage()
                gone = np.setdiff1d(store.all_rows(), np.concatenate((added, settled))) if full else removed
                self._changed(store, sequence, np.union1d(gone, removed), excluded)
            self._apply_id = b""

    def prepare(self, refresh_id: bytes, like: State, joint: bytes, salt: bytes, index: int) -> None:
        """Write the next generation, whose shares differ from these by a random sharing of zero that `joint` determines.

        Raises:
            Conflict: the gallery changed since it was `like`, or another refresh is prepared, or this one was barred.
        """
        with self._lock:
            if self.state != like or self._next is not None or refresh_id in self._barred:
                raise Conflict("the gallery changed while its refresh was prepared; try again")
            self._unstage()
            folder = self.folder / f"new.{refresh_id.hex()}"
            state = replace(
                like,
                slots=0,
                checks=(0, 0),
                erased=(),
                generation=like.generation + 1,
                refresh_id=refresh_id,
                sequence=0,
            )
            try:
                with contextlib.closing(ShareStore.create(folder, state, self._checkpoint)) as fresh:
                    self._refill(fresh, like, joint, salt, index)
            except OSError:
                deleted(folder)
                raise NodeUnavailable(_DISK) from None
            self._checkpoint("refresh:written")
            folder.rename(self.folder / _NEXT)
            sync_folder(self.folder)
            self._checkpoint("refresh:prepared")
            self._next = ShareStore(self.folder / _NEXT, self._checkpoint)

    def switch(self, refresh_id: bytes) -> None:
        """Let the prepared generation count. Idempotent.

        Raises:
            Conflict: this refresh is not prepared here.
        """
        with self._lock:
            if self.state.refresh_id == refresh_id:
                return
            if self._next is None or self._next.state.refresh_id != refresh_id:
                raise Conflict("this refresh is not prepared here; begin another")
            old = self._store
            folder = self.folder / f"g{self._next.state.generation}"
            self._unstage()
            self._next.close()
            (self.folder / _NEXT).rename(folder)
            sync_folder(self.folder)
            self._checkpoint("refresh:switched")
            self._store, self._next = ShareStore(folder, self._checkpoint), None
            old.close()
            deleted(old.folder)

    def bar(self, refresh_id: bytes) -> None:
        """Promise that this refresh will never be prepared here.

        Raises:
            Conflict: it is prepared, or counts already.
        """
        with self._lock:
            if refresh_id in (self.state.refresh_id, self.prepared):
                raise Conflict("this refresh is prepared here; it can only be completed")
            self._barred.add(refresh_id)

    def discard(self, refresh_id: bytes) -> None:
        """Delete a prepared refresh that another party has barred. Idempotent."""
        with self._lock:
            self._barred.add(refresh_id)
            if self._next is not None and self._next.state.refresh_id == refresh_id:
                self._next.close()
                self._next = None
                deleted(self.folder / _NEXT)

    def close(self) -> None:
        """Close the files. Idempotent."""
        with self._lock:
            for store in self._stores():
                store.close()

    def _stores(self) -> list[ShareStore]:
        """The prepared one first: while the old one counts, a change that got only half way comes again."""
        return [self._store] if self._next is None else [self._next, self._store]

    def _unstage(self) -> None:
        self._apply_id = b""
        for store in self._stores():
            store.unstage()

    def _changed(self, store: ShareStore, sequence: int, removed: Rows, excluded: Rows) -> None:
        try:
            store.commit(sequence, removed, excluded.tolist())
        except OSError:
            # Whether it was committed is known to the disk alone: read it anew.
            store.close()
            if store is self._store:
                self._store = ShareStore(store.folder, self._checkpoint)
            else:
                self._next = ShareStore(store.folder, self._checkpoint)
            raise NodeUnavailable(_DISK) from None

    def _refill(self, fresh: ShareStore, like: State, joint: bytes, salt: bytes, index: int) -> None:
        rows = self._store.all_rows()
        slots = self._store.slots_of(rows)
        streams = [Stream(derived_key(joint, salt, b"refresh" + bytes([number]))) for number in range(2)]
        for start in range(0, rows.size, _PIECE):
            piece = slots[start : start + _PIECE]
            shape = (piece.size, like.dimension)
            drawn = [stream.draw(2 * piece.size * like.dimension).view("<u2").reshape(shape) for stream in streams]
            zero = [drawn[0], drawn[1], np.uint16(0) - drawn[0] - drawn[1]]
            first = self._store.shares("first", piece) + zero[index]
            second = self._store.shares("second", piece) + zero[(index + 1) % 3]
            fresh.stage(rows[start : start + _PIECE], first, second)
        fresh.commit(like.sequence, (), like.excluded)

    def _prepared_one(self) -> ShareStore | None:
        if not (self.folder / _NEXT).exists():
            return None
        prepared = ShareStore(self.folder / _NEXT, self._checkpoint)
        if prepared.state.generation != self._store.state.generation + 1:
            prepared.close()
            deleted(self.folder / _NEXT)
            return None
        return prepared


class Galleries:
    """All galleries of one party, in a folder. A damaged one keeps the others from nothing.

    Args:
        folder: this party's own, mode 0700; made where it is absent.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._folder, self._checkpoint = folder, checkpoint
        self._lock, self._making = threading.Lock(), threading.Lock()
        self._open: dict[tuple[str, str], Gallery] = {}
        self._damaged: set[tuple[str, str]] = set()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(folder)
        for collection in folder.iterdir():
            sweep(collection)
            for key in collection.iterdir():
                try:
                    if _generations(key):
                        self._open[collection.name, key.name] = Gallery(key, checkpoint)
                    else:  # a process died before the first row was kept
                        deleted(key)
                except StorageUnusable:
                    self._damaged.add((collection.name, key.name))
                    _log.error("party.gallery_damaged: restore it from the two other parties")

    def found(self, spec: GallerySpec) -> Gallery | None:
        """The gallery; None where this party does not have it.

        Raises:
            NodeUnavailable: its files are damaged.
        """
        name = _name(spec)
        with self._lock:
            if name in self._damaged:
                raise NodeUnavailable("a party's copy of this gallery is damaged; restore it from the two others")
            return self._open.get(name)

    def made(self, spec: GallerySpec) -> Gallery:
        """The gallery, made empty where this party does not have it. Raises as `found`."""
        return self.found(spec) or self.adopted(spec, State(spec.dimension), ())

    def adopted(self, spec: GallerySpec, state: State, parts: Iterable[Part]) -> Gallery:
        """The gallery, made as `Gallery.made` where this party does not have it."""
        name = _name(spec)
        with self._making:
            found = self.found(spec)
            if found is None:
                found = Gallery.made(self._folder / name[0] / name[1], state, parts, self._checkpoint)
                with self._lock:
                    self._open[name] = found
            return found

    def listed(self) -> list[list[str | int]]:
        """Collection, key, dimension and sequence of each gallery; a damaged one has 0 and 0."""
        with self._lock:
            sound = {name: (gallery.state.dimension, gallery.state.sequence) for name, gallery in self._open.items()}
            return [[*name, *sound.get(name, (0, 0))] for name in sorted({*sound, *self._damaged})]

    def clear(self, spec: GallerySpec) -> None:
        """Delete a gallery, also a damaged one."""
        name = _name(spec)
        with self._lock:
            self._delete(name)

    def drop(self, collection_id: str, keep_key_id: str | None) -> None:
        """Delete a collection's galleries, but for that of one key. Idempotent."""
        with self._lock:
            names = [
                name for name in {*self._open, *self._damaged} if name[0] == collection_id and name[1] != keep_key_id
            ]
            for name in names:
                self._delete(name)
            if keep_key_id is None and _ID.fullmatch(collection_id):
                deleted(self._folder / collection_id)

    def close(self) -> None:
        """Close everything. Idempotent."""
        with self._lock:
            for gallery in self._open.values():
                gallery.close()
            self._open = {}

    def _delete(self, name: tuple[str, str]) -> None:
        gallery = self._open.pop(name, None)
        if gallery is not None:
            gallery.close()
        self._damaged.discard(name)
        deleted(self._folder / name[0] / name[1])


def _name(spec: GallerySpec) -> tuple[str, str]:
    for some_id in (spec.collection_id, spec.key_id):
        if _ID.fullmatch(some_id) is None:
            raise RequestInvalid("expected ids of at most 100 letters, digits, _ and -")
    return spec.collection_id, spec.key_id


def _generations(folder: Path) -> list[int]:
    names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
    return [int(match[1]) for match in map(_GENERATION.fullmatch, names) if match]
