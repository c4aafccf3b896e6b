"""What nodes expect of the galleries they hold, and of each other, beyond the ports of the core.

Belongs here: contracts between the modules of this package and its callers. Does not belong here: behaviour.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, runtime_checkable

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.gallery import GallerySpec, SegmentInfo
from moretta.core.protection import GalleryIndex

# What ids may look like: they become file names and travel between processes.
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")

MakeIndex = Callable[[GallerySpec], GalleryIndex]
GalleryName = tuple[str, str]
"""A collection's id and a key's id."""


class GalleryAbsent(NodeUnavailable):
    """The node answers, but does not have the gallery: it was restarted, or the gallery was dropped. Catching up mends it."""


class SegmentGone(NodeUnavailable):
    """A segment that a delta names was dropped before it could be read: a newer delta no longer names it."""


@runtime_checkable
class PackedIndex(Protocol):
    """A `GalleryIndex` that also compares with sealed segments, mapped from their files."""

    def attach(self, info: SegmentInfo, path: Path) -> None:
        """Compare with all rows of the segment from now on, instead of payloads of the same rows. Idempotent.

        The caller removes, afterwards, those of its rows that must not be compared.
        """

    def detach(self, segment_id: str) -> None:
        """Let go of a segment's file and of its rows, but for those that another segment holds. Unknown ids are ignored."""


@runtime_checkable
class ListedNode(Protocol):
    """A node that tells what it holds, so that what no longer belongs there can be found."""

    def held(self) -> Mapping[GalleryName, int]:
        """The sequence of every gallery of which the node holds anything; 0 where it is files alone.

        Raises:
            NodeUnavailable: as `GalleryNode.position`.
        """


def name_of(spec: GallerySpec) -> GalleryName:
    """Under which name a node holds the gallery."""
    return spec.collection_id, spec.key_id


def checked_id(some_id: str) -> str:
    """The id, which may become a file name.

    Raises:
        RequestInvalid: it is none of ours.
    """
    if SAFE_ID.fullmatch(some_id) is None:
        raise RequestInvalid("expected an id of at most 100 letters, digits, _ and -")
    return some_id
