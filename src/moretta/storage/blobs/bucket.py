"""Blobs as objects of a bucket: S3, Google Cloud Storage, Azure, by URL.

Belongs here: the mapping of ids to objects. Does not belong here: credentials, which the driver takes from the environment or the
machine's role, as the cloud's own tools do.

These stores put an object whole or not at all, and read after write is consistent (S3 since December 2020, the others always).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moretta.core.errors import ExtraMissing, StorageUnusable
from moretta.storage.blobs.names import absent, require_blob_id

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_SCHEMES = ("s3://", "s3a://", "gs://", "az://", "azure://", "abfs://", "abfss://")


def bucket(url: str) -> "ObjectBlobs":
    """The blobs under a URL such as `s3://bucket/prefix`. Nothing is connected yet.

    Raises:
        ExtraMissing: the driver is not installed.
        StorageUnusable: a URL of another kind, or the driver misses something that it needs.
    """
    if not url.startswith(_SCHEMES):
        raise StorageUnusable(f"expected a folder, or a bucket's URL that begins with one of {', '.join(_SCHEMES)}")
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ModuleNotFoundError as error:
        raise ExtraMissing("a bucket needs its driver; install it with `pip install 'moretta[cloud]'`") from error
    try:
        return ObjectBlobs(from_url(url))
    except BaseError as error:
        raise StorageUnusable("the bucket cannot be used as the URL and the environment name it; check both") from error


class ObjectBlobs:
    """`core.recognition_store.BlobStore` in an object store. Safe for threads and processes."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def put(self, blob_id: str, content: bytes) -> None:
        """Keep `content` whole or not at all."""
        import obstore

        with _told():
            obstore.put(self._store, require_blob_id(blob_id), content)

    def get(self, blob_id: str) -> bytes:
        """The content."""
        import obstore

        with _told():
            try:
                return bytes(obstore.get(self._store, require_blob_id(blob_id)).bytes())
            except FileNotFoundError:
                raise absent() from None

    def delete(self, blob_id: str) -> None:
        """Delete."""
        import obstore

        with _told():
            try:
                obstore.delete(self._store, require_blob_id(blob_id))
            except FileNotFoundError:
                return

    def ids(self) -> Iterator[str]:
        """The ids of all blobs."""
        import obstore

        with _told():
            for chunk in obstore.list(self._store):
                yield from (entry["path"] for entry in chunk)


@contextmanager
def _told() -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise StorageUnusable("the bucket cannot be reached, or refuses; check its URL and the credentials") from error
