"""A program of its own that looks for bytes in files; run by its path, it imports nothing of this package.

It is a process of its own because a process that has a SQLite file open must not open and close it a second time: that would
drop SQLite's locks (sqlite.org/howtocorrupt.html, 2.2).

Standard input: {"files": [path, ...], "markers": [hexadecimal, ...]}, each marker of at least 15 bytes. Standard output: {"size":
bytes looked at, "found": [[number of the file, number of the marker, offset], ...], "unread": [number of a file that is there and
could not be read, ...]}: for each file and marker the first place.

However a marker lies, one of its eight words of 8 bytes lies at a multiple of 8 in the file. So every such word of the file is
looked up in a table by its lowest 16 bits, and only those that are in it are looked at: 150 markers cost no more than one.
"""

import json
import sys
from pathlib import Path

import numpy as np

PIECE = 1 << 24
WORD = 8
SHORTEST = 2 * WORD - 1


class Markers:
    """Markers, ready to be looked for."""

    def __init__(self, contents: list[bytes]) -> None:
        if any(len(content) < SHORTEST for content in contents):
            raise ValueError(f"expected markers of at least {SHORTEST} bytes")
        self.contents = contents
        self.longest = max((len(content) for content in contents), default=0)
        self._shifts: dict[int, list[tuple[int, int]]] = {}
        for number, content in enumerate(contents):
            for shift in range(WORD):
                word = int.from_bytes(content[shift : shift + WORD], "little")
                self._shifts.setdefault(word, []).append((number, shift))
        self._words = np.array(sorted(self._shifts), "<u8")
        self._table = np.zeros(1 << 16, np.bool_)
        self._table[(self._words & np.uint64(0xFFFF)).astype(np.intp)] = True

    def first_places(self, window: bytes) -> dict[int, int]:
        """The first place in `window` of each marker that stands in it."""
        words = np.frombuffer(window, "<u8", len(window) // WORD)
        near = np.flatnonzero(self._table[(words & np.uint64(0xFFFF)).astype(np.intp)])
        places: dict[int, int] = {}
        for index in near[np.isin(words[near], self._words)].tolist():
            for number, shift in self._shifts[int(words[index])]:
                at, content = index * WORD - shift, self.contents[number]
                if at >= 0 and number not in places and window.startswith(content, at):
                    places[number] = at
        return places


def places(path: str, markers: Markers) -> tuple[int, dict[int, int]]:
    """The size of a file, and the offset of the first occurrence of each marker that stands in it, by the marker's number."""
    found: dict[int, int] = {}
    size, kept = 0, b""
    # Whole words, so that the words of every window lie as those of the file.
    overlap = -(-markers.longest // WORD) * WORD + WORD
    with Path(path).open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            window = kept + piece
            start = size - len(kept)
            for number, at in markers.first_places(window).items():
                found.setdefault(number, start + at)
            size += len(piece)
            cut = max(0, len(window) - overlap)
            kept = window[cut - (start + cut) % WORD if cut else 0 :]
    return size, found


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    markers = Markers([bytes.fromhex(marker) for marker in asked["markers"]])
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
