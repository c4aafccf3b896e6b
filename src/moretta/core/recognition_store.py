"""What recognition asks of storage: one method, one transaction.

Belongs here: the port of one region's database and its blob store. Does not belong here: SQL, ciphers.

Nothing half-done remains: each write either happened or did not, also where the process dies in it. What lies outside the
database (blobs, keys, segment files) is announced in it before it is made and taken off it when it is gone, so that
`unfinished` finds every leftover.

Writes that are acts on people or collections take the `entries` that tell them in the transparency log: they are appended in the
same transaction, so that there is no act without its entry and no entry without its act.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from moretta.core.gallery import GalleryDelta, SegmentInfo
from moretta.core.ledger import LogEntry
from moretta.core.recognition import Collection, FaceRecord, Person


@dataclass(frozen=True, slots=True)
class NewFace:
    """A face to be kept: `payload` is the protected template; `photo_id` a blob that was announced and written before."""

    face_id: str
    payload: bytes = field(repr=False)
    quality: float
    photo_id: str | None = None


@dataclass(frozen=True, slots=True)
class PackedSegment:
    """A segment to be published: its file is written already; slot i holds row `rows[i]`."""

    info: SegmentInfo
    key_id: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What a dead process left behind: announced and never used, or no longer used and not yet gone."""

    blobs: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class RecognitionStore(Protocol):
    """One region's database. Safe for threads and processes. Unknown ids raise `NotFound`; another company's are unknown."""

    def create_collection(self, collection: Collection, *, entries: Sequence[LogEntry] = ()) -> None:
        """Keep a new collection; its key was announced with `announce_key` and is taken off the list."""

    def collection(self, company_id: str, collection_id: str) -> Collection:
        """The collection as it stands."""

    def collections(self, company_id: str | None, limit: int, after: str | None = None) -> list[Collection]:
        """At most `limit`, in the order of their ids, from after the id `after`; None: of every company."""

    def update_collection(self, collection: Collection, *, entries: Sequence[LogEntry] = ()) -> None:
        """Change name, retention, thresholds, min_quality, bands, replicas, purpose or state; nothing else is looked at.

        Raises:
            PersonHeld: it is to be deleted, and a hold keeps somebody who is in it.
            NotFound: there is none, or it is being deleted, which is never taken back.
        """

    def delete_collection(self, company_id: str, collection_id: str, *, entries: Sequence[LogEntry] = ()) -> None:
        """Delete it with all persons, faces, data keys and segments; blobs, segment files and its key become `Unfinished`."""

    def enrol(
        self,
        collection: Collection,
        person: Person,
        faces: Sequence[NewFace],
        *,
        replaces: Sequence[str] = (),
        import_item: tuple[str, str] | None = None,
        wrapped_key: bytes | None = None,
        entries: Sequence[LogEntry] = (),
    ) -> list[FaceRecord]:
        """Keep faces of a person, new or known, and remove the person's face ids `replaces` in the same transaction.

        Args:
            collection: as it was when the faces were protected; of it, only ids and `key_id` are looked at.
            person: kept as given where new; where known, only the ids are looked at.
            faces: may share a `photo_id`, which was announced or belongs to a face of this person.
            replaces: of no other person, else `NotFound`.
            import_item: import id and item key, marked done in the transaction as well.
            wrapped_key: a new person's data key where it was made before (a photo is sealed under it); without one, a new
                person gets a fresh key here.

        Raises:
            Conflict: the collection has another key or is being reissued: protect again under its present key. Or the import
                item was enrolled already, a photo's announcement was taken back as of a dead process, or the person was
                enrolled meanwhile under another data key.
            PersonErased: there was such a person.
        """

    def person(self, company_id: str, person_id: str) -> Person:
        """The person. Raises `PersonErased` where there was one."""

    def persons(self, company_id: str, collection_id: str, limit: int, after: str | None = None) -> list[Person]:
        """At most `limit`, in the order of their ids, from after the id `after`."""

    def update_person(self, person: Person, *, entries: Sequence[LogEntry] = ()) -> None:
        """Change name, attributes and state. A change of state changes what is compared, and so the sequence."""

    def delete_person(self, company_id: str, person_id: str, *, entries: Sequence[LogEntry] = ()) -> None:
        """Delete the person, faces and data key; photos become `Unfinished`. Later: `PersonErased`."""

    def faces(self, company_id: str, person_id: str) -> list[FaceRecord]:
        """The person's faces, the oldest first."""

    def face(self, company_id: str, face_id: str) -> FaceRecord:
        """One face."""

    def delete_face(self, company_id: str, face_id: str, *, entries: Sequence[LogEntry] = ()) -> FaceRecord:
        """Delete one face; its photo becomes `Unfinished` unless another face uses it."""

    def faces_at(self, collection_id: str, rows: Sequence[int]) -> dict[int, FaceRecord]:
        """The faces that stand at gallery rows and may be compared (their person's state permits it)."""

    def excluded_rows(self, collection_id: str) -> list[int]:
        """The rows of persons who are kept but must not be compared."""

    def subject_key(self, person_id: str) -> bytes:
        """The person's wrapped data key."""

    def delta(self, collection_id: str, since: int) -> GalleryDelta:
        """What changed in the gallery after `since`, as of one moment; since 0 it is the whole gallery."""

    def unpacked(self, collection_id: str, limit: int) -> list[tuple[int, bytes]]:
        """Rows and payloads that stand in no segment yet, the oldest first."""

    def unpacked_count(self, collection_id: str) -> int:
        """How many there are."""

    def segments(self, collection_id: str) -> list[SegmentInfo]:
        """The present segments."""

    def publish_segments(self, collection: Collection, added: Sequence[PackedSegment], dropped: Sequence[str]) -> None:
        """Replace segments and payloads by new segments. Rows deleted meanwhile stay deleted; dropped files: `Unfinished`.

        Raises:
            Conflict: the collection has another key now, or a dropped segment is gone.
        """

    def settle(self, collection_id: str, sequence: int) -> None:
        """Every node that must have them has all changes up to `sequence`: forget payloads that only passed through
        (`shares`). Does nothing in a collection of another scheme, whose payloads are kept nowhere else."""

    def reissue(
        self,
        collection: Collection,
        new_key_id: str,
        payloads: Sequence[tuple[int, bytes]],
        added: Sequence[PackedSegment],
        *,
        entries: Sequence[LogEntry] = (),
    ) -> None:
        """Switch the collection to another key with all of its rows in one transaction; the old key becomes `Unfinished`.

        Where `collection` names another model and dimension than before, they change too, and faces whose rows are neither in
        `payloads` nor in `added` are deleted: they cannot be compared under the new model.

        Raises:
            Conflict: rows changed since `collection.sequence`.
        """

    def announce_blob(self, blob_id: str) -> None:
        """A blob is about to be written. The announcement holds while this process lives, or until `gone`."""

    def announce_segment(self, segment_id: str) -> None:
        """A segment file is about to be written; as `announce_blob`."""

    def announce_key(self, key_id: str) -> None:
        """A gallery key was made; as `announce_blob`. Make and announce it within `keys_alone`."""

    def keys_alone(self) -> AbstractContextManager[None]:
        """Hold this while a key is made and announced, and while leftovers of the holder are sought and destroyed.

        The two keep each other out, over processes too: a key is neither known nor announced for a moment after it was made.
        """

    def known_keys(self) -> set[str]:
        """The gallery keys in use or announced: any other key of the holder is a leftover. Call it within `keys_alone`."""

    def abandon(self, made: Unfinished) -> Unfinished:
        """Which of these are announced and not in use: from now on they cannot be put to use, and are to be deleted.

        What a committed write uses already is left alone, also where whoever wrote never learnt that it was committed.
        """

    def unfinished(self) -> Unfinished:
        """What dead processes announced and never used, and what is no longer used.

        What a living process has announced is not listed. What is listed can no longer be put to use: a process that was
        taken for dead gets `Conflict`.
        """

    def gone(self, finished: Unfinished) -> None:
        """These were deleted. Idempotent. Also for what this process announced and could not put to use."""

    def create_import(self, import_id: str, collection_id: str, company_id: str) -> None:
        """Begin an import, or go on with one: idempotent. An import of another collection is `NotFound`.

        Item keys are kept as they are: give digests, not file names.
        """

    def import_items(self, import_id: str) -> dict[str, str]:
        """The item keys that were dealt with, each with its outcome: a person's id, or `failed:` and a reason."""

    def import_failed(self, import_id: str, item_key: str, reason: str) -> None:
        """Note that an item cannot be enrolled; it may be tried again. Nothing where it was enrolled already."""

    def wrapped_keys(self, limit: int, after: str | None = None) -> list[tuple[str, bytes]]:
        """Person ids and wrapped data keys in the order of the ids, for a change of the master key."""

    def rewrap(self, keys: Sequence[tuple[str, bytes, bytes]]) -> None:
        """Replace wrapped data keys (person id, old, new); one that changed meanwhile is left alone."""


class BlobStore(Protocol):
    """Where encrypted photos and segment files are kept: a local folder, or a bucket by URL."""

    def put(self, blob_id: str, content: bytes) -> None:
        """Keep `content` whole or not at all; durable when it returns; replaces what was there."""

    def get(self, blob_id: str) -> bytes:
        """The content. Raises `NotFound`."""

    def delete(self, blob_id: str) -> None:
        """Delete. Idempotent; when it returns, `get` raises `NotFound`."""

    def ids(self) -> Iterator[str]:
        """The ids of all blobs."""
