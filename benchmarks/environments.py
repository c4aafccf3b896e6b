"""The peers' own virtual environments: made once, from pinned versions, by pip from wherever pip is told to look.

Belongs here: making them. Does not belong here: running a peer.
"""

import subprocess
import venv
from pathlib import Path

from benchmarks.processes import ROOT, ChildError

PEERS = Path(__file__).resolve().parent / "peers"
FOLDER = ROOT / ".venv-bench"
INSTALL_LIMIT_S = 1800


def python_of(peer: str) -> str:
    """The interpreter of the peer's environment, which is made where it is not there or its pins have changed.

    Raises:
        ChildError: pip cannot install it here; the text says why.
    """
    pins = PEERS / f"{peer}.txt"
    folder = FOLDER / peer
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if stamp.is_file() and stamp.read_text() == pins.read_text():
        return str(python)
    venv.create(folder, clear=True, with_pip=True, symlinks=True)
    # Every pin is written out, so nothing has to be resolved; face_recognition asks for a dlib that has to be compiled.
    command = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "-r",
        str(pins),
    ]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ChildError(f"pip did not end within {INSTALL_LIMIT_S} s") from None
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
        # Where pip looked is this machine's own matter and stays out of the page.
        told = [line for line in errors if "host" not in line.lower() and "://" not in line]
        raise ChildError(told[-1] if told else f"pip cannot install it here (status {run.returncode})")
    stamp.write_text(pins.read_text())
    return str(python)
