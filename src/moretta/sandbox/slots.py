"""Memory through which a camera's reader hands pictures on: a few places of one size, and who holds each.

Belongs here: the layout and taking turns. Does not belong here: pictures' meaning, who reads.

The reader has it writable and the watching process read-only; the door between them only passes on which place holds what. A
reader that lies about a place spoils its own camera's pictures and nothing else: the size is sealed, and whoever reads copies a
picture before looking at it.
"""

import fcntl
import mmap
import os
from collections.abc import Container
from dataclasses import dataclass

# What is analysed is never larger (issue: streams of 640x480).
MOST_WIDTH, MOST_HEIGHT = 640, 480
PLACE_BYTES = MOST_WIDTH * MOST_HEIGHT * 3
# One is written, one waits, one is looked at; the fourth lets a reader go on while the door passes word.
PLACES = 4
_HEAD_BYTES = mmap.PAGESIZE
_FREE, _TAKEN = 0, 1
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a picture is: RGB, uint8, (height, width, 3), in `place`. Raises `ValueError` where there is no such place."""

    place: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if not (0 <= self.place < PLACES and 0 < self.width <= MOST_WIDTH and 0 < self.height <= MOST_HEIGHT):
            raise ValueError("expected a picture in one of the places, no larger than it")


class PictureMemory:
    """The memory, mapped in this process. Made by the door (`made`), opened by a reader from a descriptor (`of`)."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, _HEAD_BYTES + PLACES * PLACE_BYTES)

    @classmethod
    def made(cls) -> "PictureMemory":
        """New memory; close it."""
        # The name shows up in /proc: it says nothing about the media.
        fd = os.memfd_create("moretta-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, _HEAD_BYTES + PLACES * PLACE_BYTES)
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

    def free_place(self) -> int | None:
        """A place that nobody holds; None while there is none."""
        return next((place for place in range(PLACES) if self._map[place] == _FREE), None)

    def put(self, place: int, content: bytes | memoryview) -> None:
        """Write a picture's bytes into a free place, which is then taken."""
        at = _HEAD_BYTES + place * PLACE_BYTES
        self._map[at : at + len(content)] = content
        self._map[place] = _TAKEN

    def release(self, place: int) -> None:
        """Give a place back to the reader."""
        self._map[place] = _FREE

    def reset(self, kept: Container[int] = ()) -> None:
        """Give all places back but those `kept`: the reader is gone."""
        for place in range(PLACES):
            self._map[place] = _TAKEN if place in kept else _FREE

    def unmap(self) -> None:
        """Let go of the mapping and leave the descriptor to its owner. Idempotent."""
        self._map.close()

    def close(self) -> None:
        """Give the memory back. Idempotent."""
        if self.fd >= 0:
            self._map.close()
            os.close(self.fd)
            self.fd = -1


def picture_bytes(fd: int, picture: Picture) -> bytearray:
    """A copy of a picture's bytes, height x width x 3, from a descriptor that need not be writable.

    Raises:
        ValueError: they are not there.
    """
    content = bytearray(picture.width * picture.height * 3)
    if os.preadv(fd, [content], _HEAD_BYTES + picture.place * PLACE_BYTES) != len(content):
        raise ValueError("expected a whole picture in the memory")
    return content
