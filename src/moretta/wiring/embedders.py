"""Which embedders there are: the default one, and the operator's own.

Belongs here: their cards, and loading them into a worker. Does not belong here: running them, thresholds of collections.
"""

import logging
from pathlib import Path

from moretta.core.errors import ModelError
from moretta.core.ports import FaceEmbedder
from moretta.core.recognising import EmbedderCard
from moretta.core.thresholds import SOURCE
from moretta.use_cases.recognition.thresholds import SHIPPED
from moretta.vision.embed import OnnxEmbedder, model_id_of
from moretta.vision.models import CustomModel, custom_models, find, load_custom
from moretta.vision.models.custom import Layout
from moretta.vision.sessions import OnnxSession

DEFAULT = "mobilefacenet"
DEFAULT_DIMENSION = 192

_log = logging.getLogger(__name__)


def cards(models_dir: Path) -> tuple[EmbedderCard, ...]:
    """The embedders that a worker started now would load, the default one first."""
    default = EmbedderCard(
        DEFAULT, model_id_of(DEFAULT, find(DEFAULT).sha256), DEFAULT_DIMENSION, SHIPPED[DEFAULT], SOURCE
    )
    return (default, *(_card(model) for model in custom_models(models_dir)))


def own_embedders(models_dir: Path) -> dict[str, FaceEmbedder]:
    """The operator's own embedders by model id. One that does not load is left out: collections of others go on."""
    loaded: dict[str, FaceEmbedder] = {}
    for model in custom_models(models_dir):
        try:
            found, file = load_custom(model.name, models_dir)
            session = OnnxSession(file.path)
        except ModelError as error:
            _log.error("embedder.not_loaded: %s", error.code)
            continue
        embedder = OnnxEmbedder(
            session,
            found.name,
            found.sha256,
            channels_first=found.layout is Layout.NCHW,
            normalised_inside=found.normalised_inside,
        )
        loaded[embedder.model_id] = embedder
    return loaded


def _card(model: CustomModel) -> EmbedderCard:
    return EmbedderCard(model.name, model_id_of(model.name, model.sha256), model.dim)
