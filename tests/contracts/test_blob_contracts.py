"""What every place for blobs must do, and what holds of encrypted photos in any of them."""

import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore
from sqlalchemy import Engine
from tests.storage_rig import COMPANY, a_person, created, some_faces

from moretta.core.errors import KeyRejected, NotFound, StorageUnusable
from moretta.core.recognition_store import BlobStore, Unfinished
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.storage.blobs.bucket import ObjectBlobs
from moretta.storage.blobs.folder import FolderBlobs
from moretta.storage.blobs.opening import open_blobs
from moretta.storage.photos import Photos
from moretta.storage.recognition.store import SqlRecognitionStore

PICTURE = b"\xff\xd8\xff\xe0 a face " * 500


@pytest.fixture(params=["folder", "bucket in a folder", "bucket in memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "blobs")
    if request.param == "bucket in memory":
        return ObjectBlobs(MemoryStore())
    (tmp_path / "bucket").mkdir()
    return ObjectBlobs(LocalStore(tmp_path / "bucket"))


def test_a_blob_comes_back_as_it_was_put(blobs: BlobStore) -> None:
    for name, content in (("one", b""), ("two.bin", PICTURE), ("seg_00-ff", bytes(range(256)))):
        blobs.put(name, content)
        assert blobs.get(name) == content
    assert sorted(blobs.ids()) == ["one", "seg_00-ff", "two.bin"]


def test_putting_again_replaces(blobs: BlobStore) -> None:
    blobs.put("one", PICTURE)
    blobs.put("one", b"short")
    assert blobs.get("one") == b"short"
    assert list(blobs.ids()) == ["one"]


def test_a_deleted_blob_is_gone_and_deleting_twice_changes_nothing(blobs: BlobStore) -> None:
    blobs.put("one", PICTURE)
    blobs.put("two", PICTURE)
    for _ in range(2):
        blobs.delete("one")
        with pytest.raises(NotFound):
            blobs.get("one")
    assert list(blobs.ids()) == ["two"]
    with pytest.raises(NotFound):
        blobs.get("never")


@pytest.mark.parametrize("name", ["", "..", ".new-one", "../one", "a/b", "/etc/passwd", "a\0b", "ä", "x" * 129, "a\n"])
def test_a_name_that_could_lead_elsewhere_is_no_blob(blobs: BlobStore, name: str) -> None:
    for attempt in (lambda: blobs.put(name, b"x"), lambda: blobs.get(name), lambda: blobs.delete(name)):
        with pytest.raises(NotFound):
            attempt()  # type: ignore[no-untyped-call]
    assert list(blobs.ids()) == []


def test_one_of_several_writers_wins_whole(blobs: BlobStore) -> None:
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda content: blobs.put("one", content), contents))
    assert blobs.get("one") in contents
    assert list(blobs.ids()) == ["one"]


def test_a_reader_never_sees_half_a_blob(blobs: BlobStore) -> None:
    contents = [bytes([number]) * 200_000 for number in range(4)]
    blobs.put("one", contents[0])
    stop = threading.Event()

    def read() -> Iterator[bytes]:
        while not stop.is_set():
            yield blobs.get("one")

    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lambda: [content in contents for content in read()])
        for content in contents * 5:
            blobs.put("one", content)
        stop.set()
    assert seen.result()
    assert all(seen.result())


def test_nobody_else_may_read_the_folder_or_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    blobs = FolderBlobs(folder)
    blobs.put("one", PICTURE)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]
    assert blobs.folder == folder


def test_what_a_dead_writer_left_goes_with_its_blob(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    left = blobs.folder / ".new-one"
    left.write_bytes(b"half a pict")
    assert list(blobs.ids()) == []
    blobs.delete("one")
    assert not left.exists()
    left.write_bytes(b"half a picture, and longer than the next content")
    blobs.put("one", b"whole")
    assert blobs.get("one") == b"whole"
    assert not left.exists()


def test_a_folder_that_cannot_be_used_is_refused_without_its_name(tmp_path: Path) -> None:
    (tmp_path / "secret-name").write_bytes(b"")
    with pytest.raises(StorageUnusable) as refused:
        FolderBlobs(tmp_path / "secret-name" / "blobs")
    assert "secret-name" not in refused.value.detail


def test_where_blobs_are_is_a_folder_or_a_bucket(tmp_path: Path) -> None:
    for where in (tmp_path / "one", str(tmp_path / "one"), f"file://{tmp_path / 'one'}"):
        found = open_blobs(where)
        assert isinstance(found, FolderBlobs)
        assert found.folder == tmp_path / "one"
    assert isinstance(open_blobs("s3://photos/prefix"), ObjectBlobs)
    for wrong in ("http://127.0.0.1/", "ftp://somewhere", "memory:///"):
        with pytest.raises(StorageUnusable):
            open_blobs(wrong)


def test_a_bucket_that_cannot_be_reached_says_so_without_its_address() -> None:
    from obstore.store import S3Store

    store = S3Store(
        "secret-bucket",
        endpoint="http://127.0.0.1:1",
        access_key_id="secret-id",
        secret_access_key="secret-key",
        region="eu",
        client_options={"allow_http": True, "timeout": "1s"},
        retry_config={"max_retries": 0},
    )
    blobs = ObjectBlobs(store)
    for attempt in (lambda: blobs.put("one", b""), lambda: blobs.get("one"), lambda: list(blobs.ids())):
        with pytest.raises(StorageUnusable) as refused:
            attempt()  # type: ignore[no-untyped-call]
        assert "secret" not in refused.value.detail


def test_a_photo_opens_only_for_its_subject_at_its_place_and_unaltered(blobs: BlobStore) -> None:
    cipher = Envelope(MemoryKeyService())
    photos = Photos(blobs, cipher)
    key, other = cipher.new_key("per_1"), cipher.new_key("per_2")
    photo_id = photos.new_id()
    photos.put(key, photo_id, PICTURE)
    assert photos.get(key, photo_id) == PICTURE
    stored = blobs.get(photo_id)
    assert b"a face" not in stored
    with pytest.raises(KeyRejected):
        photos.get(other, photo_id)
    blobs.put("pho_elsewhere", stored)
    with pytest.raises(KeyRejected):
        photos.get(key, "pho_elsewhere")
    blobs.put(photo_id, stored[:-1] + bytes([stored[-1] ^ 1]))
    with pytest.raises(KeyRejected):
        photos.get(key, photo_id)
    photos.delete(photo_id)
    photos.delete(photo_id)
    with pytest.raises(NotFound):
        photos.get(key, photo_id)


def test_a_photo_lives_as_long_as_its_person(engine: Engine, blobs: BlobStore) -> None:
    cipher = Envelope(MemoryKeyService())
    store, photos = SqlRecognitionStore(engine, cipher), Photos(blobs, cipher)
    collection = created(store)
    person, photo_id = a_person(collection), photos.new_id()
    key = cipher.new_key(person.person_id)
    store.announce_blob(photo_id)
    photos.put(key, photo_id, PICTURE)
    store.enrol(collection, person, some_faces(photo_id=photo_id), wrapped_key=key.wrapped)
    kept = cipher.opened(person.person_id, store.subject_key(person.person_id))
    assert photos.get(kept, photo_id) == PICTURE
    assert store.unfinished() == Unfinished()
    store.delete_person(COMPANY, person.person_id)
    left = store.unfinished()
    assert left == Unfinished(blobs=(photo_id,))
    for blob_id in left.blobs:
        photos.delete(blob_id)
    store.gone(left)
    assert list(blobs.ids()) == []
    assert store.unfinished() == Unfinished()
    store.close()
