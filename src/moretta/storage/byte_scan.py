"""A program of its own that looks for bytes in files; run by its path, with nothing but the standard library.

It is a process of its own because a process that has a SQLite file open must not open and close it a second time: that would
drop SQLite's locks (sqlite.org/howtocorrupt.html, 2.2).

Standard input: {"files": [path, ...], "markers": [hexadecimal, ...]}. Standard output: {"size": bytes looked at, "found":
[[number of the file, number of the marker, offset], ...], "unread": [number of a file that is there and could not be read, ...]}:
for each file and marker the first place.
"""

import json
import sys
from pathlib import Path

PIECE = 1 << 24


def places(path: str, markers: list[bytes]) -> tuple[int, dict[int, int]]:
    """The size of a file, and the offset of the first occurrence of each marker that stands in it, by the marker's number."""
    longest = max((len(marker) for marker in markers), default=1)
    found: dict[int, int] = {}
    size, kept = 0, b""
    with Path(path).open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            window = kept + piece
            for number, marker in enumerate(markers):
                at = window.find(marker) if number not in found else -1
                if at >= 0:
                    found[number] = size - len(kept) + at
            size += len(piece)
            kept = window[-(longest - 1) :] if longest > 1 else b""
    return size, found


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    markers = [bytes.fromhex(marker) for marker in asked["markers"]]
    total, told, unread = 0, [], []
    for number, path in enumerate(asked["files"]):
        try:
            size, found = places(path, markers)
        except FileNotFoundError:
            continue
        except OSError:
            unread.append(number)
            continue
        total += size
        told += [[number, marker, at] for marker, at in sorted(found.items())]
    json.dump({"size": total, "found": told, "unread": unread}, sys.stdout)


if __name__ == "__main__":
    main()
