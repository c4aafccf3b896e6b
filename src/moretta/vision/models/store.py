"""The models directory: what lies there, whether it is what the catalogue names, and where to load it from.

Belongs here: reading the directory and writing single files into it. Does not belong here: fetching (see `install`).
"""

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from moretta.core.errors import ModelCorrupt, ModelMissing
from moretta.vision.models.catalogue import MODELS, CatalogueModel, find


class State(StrEnum):
    """What the models directory holds for a name."""

    OK = "ok"
    MISSING = "missing"
    CORRUPT = "corrupt"


@dataclass(frozen=True, slots=True)
class ModelState:
    """One model of the directory; `sha256` is that of the file found, None where there is none."""

    name: str
    state: State
    sha256: str | None


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model file whose digest was checked a moment ago."""

    name: str
    path: Path
    sha256: str


def default_models_dir(environ: Mapping[str, str]) -> Path:
    """`MORETTA_MODELS_DIR`, else `moretta/models` under `XDG_CACHE_HOME` or `~/.cache`."""
    if environ.get("MORETTA_MODELS_DIR"):
        return Path(environ["MORETTA_MODELS_DIR"])
    return _cache(environ) / "models"


def default_media_dir(environ: Mapping[str, str]) -> Path:
    """Where the demonstration clip is kept: `moretta/media` under `XDG_CACHE_HOME` or `~/.cache`."""
    return _cache(environ) / "media"


def load(name: str, models_dir: Path) -> ModelFile:
    """The file of catalogue model `name`, its digest checked.

    Raises:
        ModelMissing: not installed, or not in the catalogue.
        ModelCorrupt: the file is not the one that the catalogue names.
    """
    model = find(name)
    found = state_of(model, models_dir)
    if found.state is State.MISSING:
        raise ModelMissing(f"the model {name} is not installed: run `{_mend(model)}`")
    if found.state is State.CORRUPT:
        raise ModelCorrupt(
            f"expected the model {name} to have SHA-256 {model.sha256}, got {found.sha256}: run `{_mend(model)}`"
        )
    return ModelFile(name, models_dir / model.file, model.sha256)


def verify(models_dir: Path) -> list[ModelState]:
    """The state of every catalogue model, optional ones included, in the catalogue's order."""
    return [state_of(model, models_dir) for model in MODELS]


def state_of(model: CatalogueModel, models_dir: Path) -> ModelState:
    """What `models_dir` holds for `model`."""
    path = models_dir / model.file
    if not path.is_file():
        return ModelState(model.name, State.MISSING, None)
    digest = file_sha256(path)
    return ModelState(model.name, State.OK if digest == model.sha256 else State.CORRUPT, digest)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """`path` holds `content` in full, or what it held before: a crash never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".incoming-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _cache(environ: Mapping[str, str]) -> Path:
    root = environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "moretta"


def _mend(model: CatalogueModel) -> str:
    return "moretta models install" if model.default else f"moretta models install {model.name}"
