"""Errors of model files: missing, altered or of another shape.

Belongs here: what is wrong with a file of weights. Does not belong here: templates of another model (see `recognition`).
"""

from moretta.core.errors.root import MorettaError


class ModelError(MorettaError):
    """A model is missing or not what it should be."""

    code = "model.unusable"
    title = "A model cannot be used"
    status = 503
    exit_code = 78


class ModelMissing(ModelError):
    """A model is not installed."""

    code = "model.missing"
    title = "A model is not installed"


class ModelCorrupt(ModelError):
    """A model file is not the one the catalogue names."""

    code = "model.corrupt"
    title = "A model file is not the expected one"


class ModelRejected(ModelError):
    """A user's own model file does not have the shape that its task needs."""

    code = "model.rejected"
    title = "The model file does not fit"
    status = 422
    exit_code = 65
