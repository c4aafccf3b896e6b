"""Model weights: the catalogue, the models directory, and a user's own models.

Belongs here: everything about model files. Does not belong here: running them (see `moretta.vision.sessions`).
"""

from moretta.vision.models.catalogue import DEFAULT_NAMES, MODELS, CatalogueModel, find
from moretta.vision.models.custom import Alignment, CustomModel, add, custom_models, load_custom
from moretta.vision.models.install import InstallProgress, Stage, fetch_demo_clip, fetch_demo_people, install
from moretta.vision.models.store import (
    ModelFile,
    ModelState,
    State,
    default_media_dir,
    default_models_dir,
    load,
    verify,
)

__all__ = [
    "DEFAULT_NAMES",
    "MODELS",
    "Alignment",
    "CatalogueModel",
    "CustomModel",
    "InstallProgress",
    "ModelFile",
    "ModelState",
    "Stage",
    "State",
    "add",
    "custom_models",
    "default_media_dir",
    "default_models_dir",
    "fetch_demo_clip",
    "fetch_demo_people",
    "find",
    "install",
    "load",
    "load_custom",
    "verify",
]
