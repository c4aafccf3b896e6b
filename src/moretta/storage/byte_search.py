"""Looking for bytes in files that this process may have open: a child process reads them.

Belongs here: asking the child. Does not belong here: reading (see `byte_scan`), what is looked for.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moretta.core.erasure import BytesSearched
from moretta.core.errors import StorageUnusable
from moretta.storage import byte_scan

# A disk that is read at 100 MB/s takes 20 s for it: more is for the drill, which may take its time.
LARGEST = 2 * 2**30
_LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a marker was found: the first time in that file."""

    path: Path
    marker: int
    offset: int


def search_files(paths: Sequence[Path], markers: Sequence[bytes], largest: int = LARGEST) -> BytesSearched:
    """How many of the markers stand in any of the files; those that are not there hold nothing."""
    size = sum(_size(path) for path in paths)
    if size > largest:
        return BytesSearched(unsearched=f"the database's files have {size} bytes, more than are searched at once")
    total, found = find_in_files(paths, markers)
    return BytesSearched(len({place.marker for place in found}), total)


def find_in_files(paths: Sequence[Path], markers: Sequence[bytes]) -> tuple[int, list[Place]]:
    """How many bytes the files have, and the first place of each marker in each of them.

    Raises:
        StorageUnusable: a file is there and cannot be read.
    """
    asked = {"files": [os.fspath(path.absolute()) for path in paths], "markers": [marker.hex() for marker in markers]}
    done = subprocess.run(
        [sys.executable, "-I", byte_scan.__file__],
        input=json.dumps(asked).encode(),
        capture_output=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode != 0:
        raise StorageUnusable(
            "the search of stored bytes failed; run the erasure drill to see whether the files can be read"
        )
    told = json.loads(done.stdout)
    if told["unread"]:
        raise StorageUnusable("a stored file cannot be read; give this process's user the right to read it")
    return told["size"], [Place(paths[number], marker, at) for number, marker, at in told["found"]]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
