"""Imported once by the server that forks the processes that are killed: all code is loaded and compiled before the first fork."""

import tempfile
from pathlib import Path

from moretta.core.protection import Scheme
from tests.recognition_rig import opened
from tests.recognition_stack_rig import OPERATIONS, prepared, state

with tempfile.TemporaryDirectory() as _folder:
    _root = Path(_folder) / "place"
    _known = prepared(_root, Scheme.HE)
    with opened(_root) as _place:
        OPERATIONS["delete face"](_place, _known)
        state(_place, _known)
