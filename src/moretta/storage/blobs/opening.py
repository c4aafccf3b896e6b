"""Which blob store a setting means."""

from pathlib import Path

from moretta.core.recognition_store import BlobStore
from moretta.storage.blobs.bucket import bucket
from moretta.storage.blobs.folder import FolderBlobs

_FILE = "file://"


def open_blobs(where: Path | str) -> BlobStore:
    """The blobs of a folder (a path, or `file://` and one), made where it is absent, or of a bucket by URL.

    Raises as `FolderBlobs` and `bucket`.
    """
    if isinstance(where, str) and "://" in where and not where.startswith(_FILE):
        return bucket(where)
    return FolderBlobs(where if isinstance(where, Path) else Path(where.removeprefix(_FILE)))
