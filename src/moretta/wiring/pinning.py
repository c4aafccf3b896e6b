"""A region's stores, guarded: what belongs to another region cannot be written into them.

Belongs here: refusing a write in the wrong place, whatever went wrong above. Does not belong here: choosing the right place (ids
name their region, and use cases follow them).
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from moretta.core.errors import NotFound, RegionRefused
from moretta.core.recognition import Collection, IdKind, Person, region_of
from moretta.core.recognition_store import BlobStore, RecognitionStore, Unfinished


@dataclass(frozen=True, slots=True)
class Pin:
    """A home region, and the regions to which its collections may be replicated."""

    region: str
    replicate_to: frozenset[str]

    def check_collection(self, collection: Collection) -> None:
        """Raise `RegionRefused` where the collection is not at home here, or may not have its replicas."""
        self.check_id(collection.collection_id, IdKind.COLLECTION)
        if collection.home != self.region:
            raise self._refused()
        if not collection.replicas <= self.replicate_to:
            allowed = ", ".join(sorted(self.replicate_to)) or "no region"
            raise RegionRefused(
                f"collections of region {self.region} may be replicated to {allowed}; got another region"
            )

    def check_enrolment(self, collection: Collection, person: Person, *_: object, **__: object) -> None:
        """Raise `RegionRefused` where either is of another region."""
        self.check_id(collection.collection_id, IdKind.COLLECTION)
        self.check_id(person.person_id, IdKind.PERSON)

    def check_id(self, some_id: str, kind: IdKind) -> None:
        """Raise `RegionRefused` where the id names another region."""
        try:
            named = region_of(some_id, kind)
        except NotFound:
            raise self._refused() from None
        if named != self.region:
            raise self._refused()

    def _refused(self) -> RegionRefused:
        return RegionRefused(f"expected something of region {self.region}; it stays in its own region")


class Announcements:
    """What was announced in a region's database and is about to be written into its blob stores. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids: set[str] = set()

    def add(self, some_id: str) -> None:
        """It was announced."""
        with self._lock:
            self._ids.add(some_id)

    def take(self, some_id: str) -> bool:
        """Whether it was announced, and not taken before."""
        with self._lock:
            known = some_id in self._ids
            self._ids.discard(some_id)
            return known


class PinnedBlobs:
    """A region's blob store that takes only what was announced in the region's own database."""

    def __init__(self, blobs: BlobStore, pin: Pin, announced: Announcements) -> None:
        self._blobs, self._pin, self._announced = blobs, pin, announced

    def put(self, blob_id: str, content: bytes) -> None:
        """As `BlobStore.put`. Raises `RegionRefused` for a blob that was not announced here."""
        if not self._announced.take(blob_id):
            raise RegionRefused(f"expected a blob that was announced in region {self._pin.region}; nothing was written")
        try:
            self._blobs.put(blob_id, content)
        except BaseException:
            self._announced.add(blob_id)
            raise

    def get(self, blob_id: str) -> bytes:
        """As `BlobStore.get`."""
        return self._blobs.get(blob_id)

    def delete(self, blob_id: str) -> None:
        """As `BlobStore.delete`."""
        self._blobs.delete(blob_id)

    def ids(self) -> Iterator[str]:
        """As `BlobStore.ids`."""
        return self._blobs.ids()


class _PinnedStore:
    """Every call of a `RecognitionStore`, with a look at its arguments where it writes."""

    def __init__(self, store: RecognitionStore, pin: Pin, announced: Announcements) -> None:
        self._store, self._announced = store, announced
        self._checks: Mapping[str, Callable[..., None]] = {
            "create_collection": lambda collection, **_: pin.check_collection(collection),
            "update_collection": lambda collection, **_: pin.check_collection(collection),
            "delete_collection": lambda _company, collection_id, **_: pin.check_id(collection_id, IdKind.COLLECTION),
            "enrol": pin.check_enrolment,
            "update_person": lambda person, **_: pin.check_id(person.person_id, IdKind.PERSON),
            "delete_person": lambda _company, person_id, **_: pin.check_id(person_id, IdKind.PERSON),
            "delete_face": lambda _company, face_id, **_: pin.check_id(face_id, IdKind.FACE),
            "publish_segments": lambda collection, *_: pin.check_id(collection.collection_id, IdKind.COLLECTION),
            "reissue": lambda collection, *_, **__: pin.check_id(collection.collection_id, IdKind.COLLECTION),
            "settle": lambda collection_id, _sequence: pin.check_id(collection_id, IdKind.COLLECTION),
            "create_import": lambda _import, collection_id, _company: pin.check_id(collection_id, IdKind.COLLECTION),
        }

    def announce_blob(self, blob_id: str) -> None:
        self._store.announce_blob(blob_id)
        self._announced.add(blob_id)

    def announce_segment(self, segment_id: str) -> None:
        self._store.announce_segment(segment_id)
        self._announced.add(segment_id)

    def gone(self, finished: Unfinished) -> None:
        self._store.gone(finished)
        for some_id in (*finished.blobs, *finished.segments):
            self._announced.take(some_id)

    def __getattr__(self, name: str) -> Any:
        inner, check = getattr(self._store, name), self._checks.get(name)
        if check is None:
            return inner

        def checked(*arguments: Any, **named: Any) -> Any:
            check(*arguments, **named)
            return inner(*arguments, **named)

        return checked


def pinned_store(store: RecognitionStore, pin: Pin, announced: Announcements) -> RecognitionStore:
    """The same store; a write of something of another region, or of a replica elsewhere, raises `RegionRefused`."""
    return cast("RecognitionStore", _PinnedStore(store, pin, announced))
