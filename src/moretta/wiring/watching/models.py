"""The models of a watching process: a short list, none of which can tell people apart, and the check that it is so.

Belongs here: what may be loaded, and the proof of what was. Does not belong here: running them.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from moretta.core.analysis import ModelUse
from moretta.core.errors import ModelMismatch
from moretta.vision.models.catalogue import MODELS
from moretta.vision.models.store import file_sha256, load
from moretta.vision.sessions import LiteRtSession, OnnxSession, open_session

# By their names in the catalogue; `face-antispoofing` and `mobilefacenet`, which see identity, are not among them.
ALLOWED = frozenset({"centerface", "face-landmark", "iris-landmark", "age", "gender"})
# As .importlinter has it: whatever could make, keep or compare what a person is recognised by.
FORBIDDEN_MODULES = (
    "moretta.vision.embed",
    "moretta.protection",
    "moretta.trust",
    "moretta.nodes",
    "moretta.wiring.instruments",
)
_EMBEDDING = "face embedding"


class WatchingModels:
    """Opens models of the list and remembers each by the digest of its file."""

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._used: list[ModelUse] = []

    def open(self, name: str) -> OnnxSession | LiteRtSession:
        """The network of that name.

        Raises:
            ModelMismatch: it is not on the list.
            ModelMissing, ModelCorrupt: it is not there as the catalogue names it.
        """
        if name not in ALLOWED:
            raise ModelMismatch("expected a model that a watching process may load; it was not opened")
        model = load(name, self._models_dir)
        session = open_session(model.path)
        # What lies there now was what lay there when it was loaded, or somebody is changing files under us.
        if file_sha256(model.path) != model.sha256:
            raise ModelMismatch("a model's file changed while it was loaded; end whatever changes it")
        self._used.append(ModelUse(model.name, model.sha256))
        return session

    @property
    def used(self) -> tuple[ModelUse, ...]:
        """All that were opened, in their order."""
        return tuple(self._used)


def recognises(models: Iterable[ModelUse], modules: Iterable[str] | None = None) -> bool:
    """Whether any of the loaded models or modules (of this process) could tell people apart.

    A digest that the catalogue does not know counts as one that can.
    """
    harmless = {model.sha256 for model in MODELS if model.name in ALLOWED and model.task != _EMBEDDING}
    loaded = tuple(sys.modules if modules is None else modules)
    known = any(name == bad or name.startswith(f"{bad}.") for name in loaded for bad in FORBIDDEN_MODULES)
    return known or any(model.sha256 not in harmless for model in models)


def require_blind(models: Iterable[ModelUse]) -> None:
    """Raises `ModelMismatch` where this process could recognise somebody; nothing was looked at yet."""
    if recognises(models):
        raise ModelMismatch(
            "a watching process must not be able to recognise anybody, but this one could; it was ended"
        )
