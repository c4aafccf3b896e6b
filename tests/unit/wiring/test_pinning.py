"""A region's stores refuse what belongs to another region, whoever asks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from moretta.core.errors import RegionRefused
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, IdKind, Person, Thresholds, new_id
from moretta.core.recognition_store import RecognitionStore, Unfinished
from moretta.wiring.pinning import Announcements, Pin, PinnedBlobs, pinned_store

PIN = Pin("eu", frozenset({"us"}))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def collection_in(region: str, replicas: frozenset[str] = frozenset()) -> Collection:
    return Collection(
        new_id(IdKind.COLLECTION, region),
        "co_1",
        "guests",
        "access",
        Scheme.PLAIN,
        "model",
        4,
        "key_1",
        Thresholds(0.5, 0.6, 0.001),
        region,
        replicas,
        NOW,
    )


def person_in(region: str) -> Person:
    return Person(new_id(IdKind.PERSON, region), new_id(IdKind.COLLECTION, region), "co_1", NOW)


class RecordingStore:
    """Notes the names of the calls that reach it."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.called.append(name)


class MemoryBlobs:
    """A blob store in memory."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.full = False

    def put(self, blob_id: str, content: bytes) -> None:
        if self.full:
            raise OSError("full")
        self.held[blob_id] = content

    def get(self, blob_id: str) -> bytes:
        return self.held[blob_id]

    def delete(self, blob_id: str) -> None:
        self.held.pop(blob_id, None)

    def ids(self) -> Iterator[str]:
        return iter(sorted(self.held))


@pytest.fixture
def inner() -> RecordingStore:
    return RecordingStore()


@pytest.fixture
def announced() -> Announcements:
    return Announcements()


@pytest.fixture
def store(inner: RecordingStore, announced: Announcements) -> RecognitionStore:
    return pinned_store(cast("RecognitionStore", inner), PIN, announced)


def test_what_is_at_home_is_written(store: RecognitionStore, inner: RecordingStore) -> None:
    home = collection_in("eu", frozenset({"us"}))
    store.create_collection(home)
    store.update_collection(home)
    store.enrol(home, person_in("eu"), [], replaces=())
    store.update_person(person_in("eu"))
    store.delta(home.collection_id, 0)
    assert inner.called == ["create_collection", "update_collection", "enrol", "update_person", "delta"]


def test_nothing_of_another_region_is_written(store: RecognitionStore, inner: RecordingStore) -> None:
    here, elsewhere = collection_in("eu"), collection_in("us")
    foreign = elsewhere.collection_id
    attempts = (
        lambda: store.create_collection(elsewhere),
        lambda: store.create_collection(replace(here, home="us")),
        lambda: store.update_collection(elsewhere),
        lambda: store.delete_collection("co_1", foreign),
        lambda: store.enrol(elsewhere, person_in("eu"), []),
        lambda: store.enrol(here, person_in("us"), []),
        lambda: store.update_person(person_in("us")),
        lambda: store.delete_person("co_1", new_id(IdKind.PERSON, "us")),
        lambda: store.delete_face("co_1", new_id(IdKind.FACE, "us")),
        lambda: store.publish_segments(elsewhere, [], []),
        lambda: store.reissue(elsewhere, "key_2", [], []),
        lambda: store.settle(foreign, 1),
        lambda: store.create_import("imp", foreign, "co_1"),
        lambda: store.delete_face("co_1", "no id at all"),
    )
    for attempt in attempts:
        with pytest.raises(RegionRefused):
            attempt()
    assert inner.called == []


def test_a_replica_where_none_may_be_is_refused(store: RecognitionStore, inner: RecordingStore) -> None:
    for replicas in ({"asia"}, {"us", "asia"}):
        with pytest.raises(RegionRefused):
            store.create_collection(collection_in("eu", frozenset(replicas)))
        with pytest.raises(RegionRefused):
            store.update_collection(collection_in("eu", frozenset(replicas)))
    assert inner.called == []


def test_a_blob_is_written_where_it_was_announced_and_nowhere_else(
    store: RecognitionStore, announced: Announcements
) -> None:
    here, elsewhere = MemoryBlobs(), MemoryBlobs()
    europe, america = PinnedBlobs(here, PIN, announced), PinnedBlobs(elsewhere, PIN, Announcements())
    store.announce_blob("pho_1")
    with pytest.raises(RegionRefused):
        america.put("pho_1", b"photo")
    with pytest.raises(RegionRefused):
        europe.put("pho_2", b"photo")
    europe.put("pho_1", b"photo")
    assert (here.held, elsewhere.held) == ({"pho_1": b"photo"}, {})
    assert list(europe.ids()) == ["pho_1"]
    assert europe.get("pho_1") == b"photo"
    europe.delete("pho_1")
    assert here.held == {}


def test_a_write_that_failed_may_be_tried_again(store: RecognitionStore, announced: Announcements) -> None:
    disk = MemoryBlobs()
    segments = PinnedBlobs(disk, PIN, announced)
    store.announce_segment("seg_1")
    disk.full = True
    with pytest.raises(OSError, match="full"):
        segments.put("seg_1", b"sealed")
    disk.full = False
    segments.put("seg_1", b"sealed")
    assert disk.held == {"seg_1": b"sealed"}


def test_an_announcement_that_was_taken_back_permits_no_write(
    store: RecognitionStore, announced: Announcements
) -> None:
    store.announce_blob("pho_1")
    store.gone(Unfinished(blobs=("pho_1",)))
    with pytest.raises(RegionRefused):
        PinnedBlobs(MemoryBlobs(), PIN, announced).put("pho_1", b"photo")
