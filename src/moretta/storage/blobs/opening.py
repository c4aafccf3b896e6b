"""Which blob store a setting means."""

from pathlib import Path

from moretta.core.recognition_store import BlobStore
from moretta.storage.blobs.bucket import bucket
from moretta.storage.blobs.folder import FolderBlobs


def open_blobs(where: Path | str) -> BlobStore:
    """The blobs of a folder, made where it is absent, or of a bucket by URL. Raises as `FolderBlobs` and `bucket`."""
    if isinstance(where, str) and "://" in where:
        return bucket(where)
    return FolderBlobs(Path(where))
