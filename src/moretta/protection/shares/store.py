"""One gallery's shares on one party's disk: two numbers files, mapped, and a small state file whose replacement is the commit.

Belongs here: files of one generation of one gallery. Does not belong here: the protocol, which galleries there are.

Folder: `first`, `second` (uint16, a row of shares after the other), `rows` (uint32, each row's number; GONE where erased), and
`state`. Rows are appended and flushed first; they count once a new `state` names them. The state also names what it erases, and
erasing is repeated at the next opening: after a crash at any point the folder is in the old or in the new state.
"""

import contextlib
import hashlib
import mmap
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import StorageUnusable
from moretta.core.protection import Rows
from moretta.protection.shares.kernel import check_values
from moretta.protection.shares.ring import Ring16

Slots = npt.NDArray[np.int64]

GONE = 0xFFFFFFFF
_STATE = struct.Struct("<4sIQQQQQ16sII")
_MAGIC = b"MSS1"
_CRC = struct.Struct("<I")
_FILES = ("first", "second", "rows")
_MASK = 2**64 - 1
_WORD, _ROW = 2, 4
# Rows by which files grow: 4 MB at d = 128, and sparse until they are written.
_STEP = 1 << 14


@dataclass(frozen=True, slots=True)
class State:
    """What is committed. `checks` are the check values of the two shares over all rows that are there.

    `erased` are slots whose bytes are to be zero; `excluded` rows that are kept and not compared; `refresh_id` which refresh
    made this generation (zeros: none).
    """

    dimension: int
    sequence: int = 0
    slots: int = 0
    generation: int = 0
    checks: tuple[int, int] = (0, 0)
    refresh_id: bytes = bytes(16)
    erased: tuple[int, ...] = ()
    excluded: tuple[int, ...] = ()

    def packed(self) -> bytes:
        """As bytes, with a check sum."""
        head = _STATE.pack(
            _MAGIC,
            self.dimension,
            self.sequence,
            self.slots,
            self.generation,
            *self.checks,
            self.refresh_id,
            len(self.erased),
            len(self.excluded),
        )
        content = head + np.array([*self.erased, *self.excluded], "<u4").tobytes()
        return content + _CRC.pack(zlib.crc32(content))


def read_state(content: bytes) -> State:
    """The state that `State.packed` gave.

    Raises:
        StorageUnusable: damaged.
    """
    if len(content) >= _STATE.size + _CRC.size and zlib.crc32(content[: -_CRC.size]) == _CRC.unpack(content[-4:])[0]:
        magic, dimension, sequence, slots, generation, a, b, refresh_id, erased, excluded = _STATE.unpack_from(content)
        lists = np.frombuffer(content[_STATE.size : -_CRC.size], "<u4").tolist()
        if magic == _MAGIC and len(lists) == erased + excluded:
            return State(
                dimension, sequence, slots, generation, (a, b), refresh_id, tuple(lists[:erased]), tuple(lists[erased:])
            )
    raise StorageUnusable("a share store's state file is damaged; restore this party's galleries from the two others")


@dataclass(frozen=True, slots=True)
class View:
    """The rows to compare, at one moment: `rows` (uint32, rising, shape (n,)) and in which slots they lie.

    `first` and `second`: uint16, shape (slots, d), mapped from the files. `whole`: slot i holds row i of `rows` for all i.
    `digest` tells this set of rows, and which others are excluded, from any other.
    """

    rows: Rows
    slots: Slots
    first: Ring16 = field(repr=False)
    second: Ring16 = field(repr=False)
    whole: bool
    digest: bytes
    state: State
    epoch: int


class ShareStore:
    """The open store of one generation. Changes are the caller's to keep apart; reading goes on meanwhile (see `epoch`).

    Args:
        folder: made by `create`.
        checkpoint: called after each step of a write.

    Raises:
        StorageUnusable: the files are damaged or do not fit each other.
    """

    def __init__(self, folder: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        self.folder, self._checkpoint = folder, checkpoint
        # Odd while bytes of rows are being erased: who read meanwhile reads again.
        self.epoch = 0
        self._files: dict[str, int] = {}
        self._maps: dict[str, Ring16] = {}
        self._numbers: Rows = np.empty(0, np.uint32)
        self._staged: list[Rows] = []
        try:
            self.state = read_state((folder / "state").read_bytes())
            (folder / "state.new").unlink(missing_ok=True)
            for name in _FILES:
                self._files[name] = os.open(folder / name, os.O_RDWR | os.O_CLOEXEC)
            self._width = _WORD * self.state.dimension
            self._recover()
        except OSError as error:
            self.close()
            raise StorageUnusable(
                f"a share store cannot be opened: {error.strerror}; restore this party's galleries from the two others"
            ) from None
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, folder: Path, state: State, checkpoint: Checkpoint = no_checkpoint) -> "ShareStore":
        """A new store without rows; `folder` must not exist, and may be renamed once it is closed."""
        folder.mkdir(mode=0o700, parents=True)
        for name in _FILES:
            os.close(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        _replace_file(folder / "state", state.packed(), no_checkpoint)
        return cls(folder, checkpoint)

    def has(self, rows: Sequence[int] | Rows) -> npt.NDArray[np.bool_]:
        """Which of `rows` are there, excluded ones included; staged ones are not."""
        found: npt.NDArray[np.bool_] = np.isin(np.asarray(rows, np.uint32), self._numbers)
        return found

    def all_rows(self) -> Rows:
        """All rows that are there, excluded ones included, rising."""
        return np.sort(self._numbers[self._numbers != GONE])

    def view(self) -> View:
        """What is to be compared now."""
        return self._view

    def staged(self) -> Rows:
        """The rows that wait for `commit`."""
        return np.concatenate([np.empty(0, np.uint32), *self._staged])

    def stage(self, rows: Rows, first: Ring16, second: Ring16) -> None:
        """Write rows (uint32, shape (n,); shares uint16, shape (n, d)) behind the committed ones. Flushed; not yet counted."""
        start = self.state.slots + self.staged().size
        for name, content, width in (
            ("first", first, self._width),
            ("second", second, self._width),
            ("rows", rows, _ROW),
        ):
            _write_at(self._files[name], np.ascontiguousarray(content).data.cast("B"), start * width)
            self._checkpoint(f"stage:{name}-written")
        for name in _FILES:
            os.fsync(self._files[name])
        self._checkpoint("stage:flushed")
        self._staged.append(np.asarray(rows, np.uint32))

    def unstage(self) -> None:
        """Forget what was staged. Idempotent."""
        self._staged = []

    def commit(self, sequence: int, removed: Sequence[int] | Rows, excluded: Sequence[int]) -> None:
        """Count the staged rows, erase the bytes of `removed` (unknown ones are ignored), exclude `excluded`: all at once.

        Durable when it returns; after a crash in it the store opens as before or as after it.
        """
        new = self.staged()
        slots = self.state.slots + new.size
        numbers = np.concatenate((self._numbers, new))
        erased = np.flatnonzero(np.isin(numbers, np.asarray(removed, np.uint32)) & (numbers != GONE))
        first, second = self._mapped("first", slots), self._mapped("second", slots)
        added = check_values(first[self.state.slots :], second[self.state.slots :], new)
        taken = check_values(first[erased], second[erased], numbers[erased])
        checks = tuple(
            (had + plus - minus) & _MASK for had, plus, minus in zip(self.state.checks, added, taken, strict=True)
        )
        state = replace(
            self.state,
            sequence=sequence,
            slots=slots,
            checks=(checks[0], checks[1]),
            erased=tuple(erased.tolist()),
            excluded=tuple(sorted(excluded)),
        )
        _replace_file(self.folder / "state", state.packed(), self._checkpoint)
        self._checkpoint("commit:replaced")
        self.state, self._staged, self._numbers = state, [], numbers
        self._erase()
        self._look(first, second)

    def shares(self, name: str, slots: Slots) -> Ring16:
        """The shares `name` ("first" or "second") of some slots, uint16, shape (n, d)."""
        return self._mapped(name, self.state.slots)[slots]

    def slots_of(self, rows: Rows) -> Slots:
        """The slots of rows that are there."""
        order = np.argsort(self._numbers, kind="stable")
        found: Slots = order[np.searchsorted(self._numbers[order], rows)]
        return found

    def close(self) -> None:
        """Close the files. Views go on to work. Idempotent."""
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files = {}

    def _recover(self) -> None:
        """Cut off what was never committed, erase again what was committed as erased, and check every byte that is left."""
        slots = self.state.slots
        for name in _FILES:
            width = _ROW if name == "rows" else self._width
            size = os.fstat(self._files[name]).st_size
            if size < slots * width:
                raise StorageUnusable(
                    "a share store's files are shorter than its state says; restore this party's galleries from the two others"
                )
            if size > slots * width:
                os.ftruncate(self._files[name], slots * width)
        raw = os.pread(self._files["rows"], slots * _ROW, 0)
        self._numbers = np.frombuffer(raw, "<u4").astype(np.uint32)
        self._erase()
        first, second = self._mapped("first", slots), self._mapped("second", slots)
        there = np.flatnonzero(self._numbers != GONE)
        alive = (first, second) if there.size == slots else (first[there], second[there])
        if check_values(*alive, self._numbers[there]) != self.state.checks:
            raise StorageUnusable(
                "a share store's files are damaged; restore this party's galleries from the two others"
            )
        self._look(first, second)

    def _erase(self) -> None:
        erased = np.array(self.state.erased, np.int64)
        if not erased.size:
            return
        self.epoch += 1
        try:
            for slot in erased.tolist():
                for name in ("first", "second"):
                    _write_at(self._files[name], memoryview(bytes(self._width)), slot * self._width)
                _write_at(self._files["rows"], memoryview(GONE.to_bytes(_ROW, "little")), slot * _ROW)
                self._checkpoint("erase:row")
            for name in _FILES:
                os.fsync(self._files[name])
            self._numbers = self._numbers.copy()
            self._numbers[erased] = GONE
        finally:
            self.epoch += 1
        self._checkpoint("erase:flushed")

    def _look(self, first: Ring16, second: Ring16) -> None:
        apart = np.isin(self._numbers, np.array(self.state.excluded, np.uint32)) & (self._numbers != GONE)
        wanted = np.flatnonzero((self._numbers != GONE) & ~apart)
        rows = self._numbers[wanted]
        if rows.size > 1 and not (rows[1:] > rows[:-1]).all():
            order = np.argsort(rows, kind="stable")
            wanted, rows = wanted[order], rows[order]
        whole = bool(wanted.size == self.state.slots and np.array_equal(wanted, np.arange(wanted.size)))
        digest = hashlib.sha256(rows.astype("<u4").tobytes() + b"excluded")
        digest.update(np.sort(self._numbers[apart]).astype("<u4").tobytes())
        self._view = View(rows, wanted, first, second, whole, digest.digest(), self.state, self.epoch)

    def _mapped(self, name: str, slots: int) -> Ring16:
        """The first `slots` rows. Files grow in steps, so that a new row seldom needs a new mapping."""
        held = self._maps.get(name)
        if held is None or held.shape[0] < slots:
            room = -(-max(slots, 1) // _STEP) * _STEP
            if os.fstat(self._files[name]).st_size < room * self._width:
                os.ftruncate(self._files[name], room * self._width)
            view = mmap.mmap(self._files[name], room * self._width, access=mmap.ACCESS_READ)
            held = self._maps[name] = np.frombuffer(view, np.uint16).reshape(room, self.state.dimension)
        return held[:slots]


def deleted(folder: Path) -> None:
    """Delete a store's or gallery's folder, so that no half of it is ever found. Idempotent."""
    if folder.exists():
        doomed = folder.with_name(f"gone.{folder.name}.{os.urandom(8).hex()}")
        folder.rename(doomed)
        sync_folder(folder.parent)
        shutil.rmtree(doomed, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Delete what a dead process left half made or half deleted in `folder`."""
    for left in folder.iterdir() if folder.exists() else ():
        if left.name.startswith(("gone.", "new.")):
            shutil.rmtree(left, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_at(descriptor: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _replace_file(path: Path, content: bytes, checkpoint: Checkpoint) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    checkpoint("replace:written")
    temporary.replace(path)
    sync_folder(path.parent)
