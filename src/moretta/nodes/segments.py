"""A node's folder of segment files, each checked by its digest once.

Belongs here: files `<segment_id>` (mode 0600) and the marks that say which of them were checked. Does not belong here: what a
segment holds.

A file is hashed when it arrives. Its mark then keeps the digest with the file's inode and times, so that a start with
thousands of segments maps them without reading them: a file that was replaced, restored or written to since has another
inode or change time (ctime, which no caller can set) and is hashed again. A disk that silently alters bytes is not noticed
until then.
"""

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.gallery import GallerySpec, SegmentInfo
from moretta.nodes.galleries import SAFE_ID, GalleryName, checked_id, name_of

_LOCK, _PART = ".lock", ".part"


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is remembered of a checked file; `collection_id` and `key_id` tell whose it is after a restart."""

    collection_id: str
    key_id: str
    sha256: str
    inode: int
    length: int
    mtime_ns: int
    ctime_ns: int


class SegmentFolder:
    """The segment files of one node. Safe for threads.

    Args:
        folder: where the files lie.
        marks: where their marks lie.
        owned: whether the files are this node's own copies, which it writes and deletes, and nobody else's; a folder that
            belongs to a region's blob store is only read.

    Raises:
        RequestInvalid: another process uses the same marks.
    """

    def __init__(self, folder: Path, marks: Path, *, owned: bool) -> None:
        self._folder, self._marks, self._owned = folder, marks, owned
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        marks.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard: int | None = _exclusive(marks / _LOCK) if owned else None
        self._known: dict[str, _Mark] = {}
        for path in marks.iterdir():
            mark = _read_mark(path) if SAFE_ID.fullmatch(path.name) else None
            if mark is not None and (folder / path.name).is_file():
                self._known[path.name] = mark
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)
        if owned:
            self._delete_strangers()

    def path(self, segment_id: str) -> Path:
        """Where the file lies, or would."""
        return self._folder / checked_id(segment_id)

    def has(self, spec: GallerySpec, info: SegmentInfo) -> bool:
        """Whether the file is there with the right length and digest; hashes it where its mark does not tell."""
        path = self.path(info.segment_id)
        try:
            found = path.stat()
            if found.st_size != info.length:
                return False
            with self._lock:
                mark = self._known.get(info.segment_id)
            if mark is not None and _same_file(mark, found):
                fits = mark.sha256 == info.sha256
                return fits and (name_of(spec) == (mark.collection_id, mark.key_id) or self._mark(spec, info, path))
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError:
            return False
        return digest == info.sha256 and self._mark(spec, info, path)

    def keep(self, spec: GallerySpec, info: SegmentInfo, content: bytes) -> None:
        """Write a segment's file whole or not at all; durable when it returns.

        Raises:
            NodeUnavailable: other bytes than `info` says, a full disk, or a folder that this node must not write to.
        """
        path = self.path(info.segment_id)
        if len(content) != info.length or hashlib.sha256(content).hexdigest() != info.sha256:
            raise NodeUnavailable("a segment arrived with other bytes than the database names; it was not kept")
        if not self._owned:
            raise NodeUnavailable(
                "a segment file of this region is missing or altered; restore the segment folder from its backup"
            )
        part = path.with_name(f".{path.name}.{threading.get_ident()}{_PART}")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
            self._mark(spec, info, path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise NodeUnavailable(
                f"a segment could not be written: {error.strerror}; free space on this node"
            ) from None

    def delete(self, segment_ids: Iterable[str]) -> None:
        """Delete files of this node's own and forget the marks. Idempotent."""
        for segment_id in segment_ids:
            path = self.path(segment_id)
            with self._lock:
                self._known.pop(segment_id, None)
            if self._owned:
                path.unlink(missing_ok=True)
            (self._marks / segment_id).unlink(missing_ok=True)

    def of(self, name: GalleryName) -> list[str]:
        """The segments that are kept of one gallery."""
        with self._lock:
            return [key for key, mark in self._known.items() if (mark.collection_id, mark.key_id) == name]

    def galleries(self) -> set[GalleryName]:
        """The galleries of which segments are kept."""
        with self._lock:
            return {(mark.collection_id, mark.key_id) for mark in self._known.values()}

    def keep_only(self, name: GalleryName, segment_ids: Collection[str]) -> None:
        """Delete the gallery's other segments: leftovers of changes that this node missed."""
        self.delete(set(self.of(name)) - set(segment_ids))

    def close(self) -> None:
        """Let another process use the folder. Idempotent."""
        with self._lock:
            guard, self._guard = self._guard, None
        if guard is not None:
            os.close(guard)

    def _mark(self, spec: GallerySpec, info: SegmentInfo, path: Path) -> bool:
        found = path.stat()
        mark = _Mark(
            spec.collection_id,
            spec.key_id,
            info.sha256,
            found.st_ino,
            found.st_size,
            found.st_mtime_ns,
            found.st_ctime_ns,
        )
        part = self._marks / f".{info.segment_id}.{threading.get_ident()}{_PART}"
        part.write_text(json.dumps(asdict(mark)))
        part.replace(self._marks / info.segment_id)
        with self._lock:
            self._known[info.segment_id] = mark
        return True

    def _delete_strangers(self) -> None:
        """Delete what a dead process left half done: files without a mark, whose collection nobody knows."""
        for path in self._folder.iterdir():
            if path.is_file() and path.name not in self._known:
                path.unlink()


def _same_file(mark: _Mark, found: os.stat_result) -> bool:
    told = (mark.inode, mark.length, mark.mtime_ns, mark.ctime_ns)
    return told == (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read_mark(path: Path) -> _Mark | None:
    try:
        fields = json.loads(path.read_text())
        mark = _Mark(**fields)
    except (OSError, ValueError, TypeError):
        return None
    texts = (mark.collection_id, mark.key_id, mark.sha256)
    numbers = (mark.inode, mark.length, mark.mtime_ns, mark.ctime_ns)
    whole = all(type(text) is str for text in texts) and all(type(number) is int for number in numbers)
    return mark if whole else None


def _exclusive(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise RequestInvalid("another process uses this node's folder; end it, or choose another folder") from None
    return descriptor
