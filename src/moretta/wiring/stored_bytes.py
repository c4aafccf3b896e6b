"""What a data folder's bytes hold, looked at as a thief would.

Belongs here: reading files and searching them for a template. Does not belong here: what recognition keeps, and why.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from moretta.core.geometry import mesh_landmarks
from moretta.settings import Settings
from moretta.wiring.embedders import DEFAULT, cards
from moretta.wiring.instruments import Workshop

# Two neighbouring float32 numbers of a template: by chance once in 2^64 places, so any hit is the template.
_WINDOW = 8


def files(folder: Path) -> list[tuple[str, int]]:
    """Every file below `folder` that is not empty, with its size in bytes."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return [(str(path.relative_to(folder)), size) for path, size in sorted(sizes.items()) if size]


def glimpse(path: Path, length: int) -> str:
    """`length` bytes from the middle of a file, in hex."""
    content = path.read_bytes()
    middle = len(content) // 2
    return content[middle : middle + length].hex()


def embedding_bytes(settings: Settings, photo: Path) -> bytes:
    """The template of the one face in `photo` before anything protects it, float32 in the machine's order."""
    workshop = Workshop(settings.models_dir)
    model_id = next(card.model_id for card in cards(settings.models_dir) if card.name == DEFAULT)
    instruments = workshop.face_instruments()
    with Image.open(photo) as image:
        pixels = np.asarray(image.convert("RGB"))
    (face,) = instruments.detectors[0].detect(pixels)
    landmarks = mesh_landmarks(instruments.mesh_of(pixels, face).points)
    return workshop.embedder(model_id).embed(pixels, landmarks).vector.tobytes()


def occurrences(template: bytes, contents: Iterable[bytes]) -> int:
    """How often any two neighbouring numbers of a float32 template stand in `contents`, at whatever place."""
    windows: Sequence[bytes] = [template[at : at + _WINDOW] for at in range(0, len(template) - _WINDOW + 1, 4)]
    return sum(content.count(window) for content in contents for window in windows)
