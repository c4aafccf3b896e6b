"""Deleting what lies outside the database: photos, segment files, gallery keys.

Belongs here: the order of it. What is deleted here was listed in the database before, and is taken off the list after.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from moretta.core.recognition_store import Unfinished
from moretta.use_cases.recognition.means import Means, Region


@dataclass(slots=True)
class Made:
    """What was announced for one change: its ids are noted here before anything else is done."""

    blobs: list[str] = field(default_factory=list)
    segments: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


@contextmanager
def undone_on_failure(means: Means, region: Region) -> Iterator[Made]:
    """Delete what was made for a change that failed. Where the process dies instead, recovery does it.

    The database is asked what of it is in use: a change may have been committed before whatever ended it here.
    """
    made = Made()
    try:
        yield made
    except BaseException:
        unused = region.store.abandon(Unfinished(tuple(made.blobs), tuple(made.segments), tuple(made.keys)))
        remove(means, region, unused)
        raise


def sweep(means: Means, region: Region) -> Unfinished:
    """Delete what is no longer used, and what dead processes left behind; what it was."""
    found = region.store.unfinished()
    remove(means, region, found)
    return found


def remove(means: Means, region: Region, gone: Unfinished) -> None:
    """Delete these, then say so. Idempotent; keys go first, since without them the rest is noise."""
    for key_id in gone.keys:
        region.keys.destroy(key_id)
        means.checkpoint("remove:key")
    for blob_id in gone.blobs:
        region.photos.delete(blob_id)
        means.checkpoint("remove:photo")
    for segment_id in gone.segments:
        region.segments.delete(segment_id)
        means.checkpoint("remove:segment")
    if gone != Unfinished():
        region.store.gone(gone)
        means.checkpoint("remove:said")
