"""Where tests put their files: in memory where the machine has room for it, so that no test waits for a disk.

What is written, synced and deleted stays the same; a sync of a file in memory returns at once. Tests kill processes, never the
machine, so none of them needs the disk itself. Where there is no such folder, files lie where the system puts temporary ones.
"""

import shutil
import tempfile
from pathlib import Path

# Where Linux keeps files in memory (shm_overview(7)).
_SHARED_MEMORY = Path("/dev/shm")
# A whole run left 0.8 GB in its folders and PostgreSQL's when none were removed on the way.
_ROOM_BYTES = 2 << 30


def folder() -> Path:
    """The folder for folders of tests: in memory, or that of the system where memory is too small."""
    try:
        roomy = shutil.disk_usage(_SHARED_MEMORY).free >= _ROOM_BYTES
    except OSError:
        roomy = False
    return _SHARED_MEMORY if roomy else Path(tempfile.gettempdir())
