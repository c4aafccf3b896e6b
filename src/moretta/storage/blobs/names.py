"""Which blob ids there are: names that mean the same in every folder and bucket, and lead nowhere else."""

import re

from moretta.core.errors import NotFound

# No dot at the start, no slash: neither a hidden file, nor a folder, nor a way out of one.
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}")


def require_blob_id(blob_id: str) -> str:
    """`blob_id`, if it may name a blob.

    Raises:
        NotFound: it is no such name, so nothing can be there.
    """
    if not _NAME.fullmatch(blob_id):
        raise NotFound(
            "expected a blob's id: 1 to 128 letters, digits, dots, dashes and underscores, no dot at the start"
        )
    return blob_id


def absent() -> NotFound:
    """What to raise where there is no such blob."""
    return NotFound("the stored file is not there any more")
