"""Where what a command makes goes: into a file, as a whole, or to standard output.

Belongs here: writing it. Does not belong here: what is written.
"""

import sys
from pathlib import Path

from moretta.wiring.placing import check_place, place_bytes

# The word for standard input and output.
STDIO = "-"


def check_output(target: str | Path | None) -> None:
    """Refuse before the work what could not be written after it.

    Raises:
        RequestInvalid: a folder, or a place where nothing can be written.
    """
    if target is not None and str(target) != STDIO:
        check_place(Path(target))


def write_output(target: str | Path, content: bytes | str) -> None:
    """Put `content` into the file `target`, which appears as a whole; `-` is standard output.

    Raises:
        RequestInvalid: it cannot be written; what was there before still is.
    """
    whole = content.encode() if isinstance(content, str) else content
    if str(target) != STDIO:
        place_bytes(whole, Path(target))
        return
    sys.stdout.buffer.write(whole)
    sys.stdout.buffer.flush()
