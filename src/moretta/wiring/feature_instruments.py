"""The instruments of anonymised features, and their rehearsal before the worker is confined.

Belongs here: which measurement does what. Does not belong here: how any of them works.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from moretta.core.analysis import AnalysisRequest
from moretta.core.features import FeatureRequest
from moretta.core.values import FaceSample, MediaKind
from moretta.use_cases.features import FeatureInstruments, measure_features
from moretta.vision.avatar.expression import moved_from_rest, shape_of
from moretta.wiring.features_wire import feature_request_json, feature_set_json, parse_feature_request
from moretta.wiring.instruments import Workshop
from moretta.wiring.rehearsal import StagedReader, StagedTracker


def feature_instruments(workshop: Workshop, request: FeatureRequest) -> FeatureInstruments:
    """The instruments of `request`, from the workshop's models."""
    whole = workshop.instruments(AnalysisRequest(request.profile, frozenset()))
    return FeatureInstruments(whole.tracker, whole.observe, _shape_of, moved_from_rest, whole.models)


def rehearse_features(workshop: Workshop) -> None:
    """Measure a made-up clip with a made-up face, so that no later request opens a file or loads code."""
    request = parse_feature_request(feature_request_json(FeatureRequest()))
    staged = replace(feature_instruments(workshop, request), tracker=StagedTracker)
    feature_set_json(measure_features(StagedReader(MediaKind.VIDEO), request, staged))


def _shape_of(sample: FaceSample) -> npt.NDArray[np.float64]:
    return shape_of(sample.tracked.mesh, sample.pose)
