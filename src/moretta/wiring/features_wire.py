"""Requests for anonymised features and their results as JSON between processes.

Belongs here: the one place where a `FeatureSet` becomes bytes and bytes become one, strictly checked.
"""

from functools import cache

from pydantic import TypeAdapter

from moretta.core.features import COLUMNS, FeatureRequest, FeatureSet
from moretta.wiring.wire import not_a_result, parsed

# What times and measures stay under, by far; NaN is not under it.
_MOST = 2**53


@cache
def _requests() -> TypeAdapter[FeatureRequest]:
    return TypeAdapter(FeatureRequest)


@cache
def _sets() -> TypeAdapter[FeatureSet]:
    return TypeAdapter(FeatureSet)


def feature_request_json(request: FeatureRequest) -> bytes:
    """`request` as one line of JSON."""
    return _requests().dump_json(request)


def parse_feature_request(raw: bytes) -> FeatureRequest:
    """The request in `raw`."""
    return parsed(_requests(), raw)


def feature_set_json(features: FeatureSet) -> bytes:
    """`features` as one line of JSON."""
    return _sets().dump_json(features)


def parse_feature_set(raw: bytes) -> FeatureSet:
    """The features in `raw`, which come from a worker that has read hostile media: nothing about them is taken on trust.

    Raises:
        WorkerLost: they are none.
    """
    features = parsed(_sets(), raw)
    for track in features.tracks:
        well_formed = (
            len(track.rows) == len(track.times_s)
            and all(abs(at) < _MOST for at in track.times_s)
            and all(len(row) == len(COLUMNS) for row in track.rows)
            and all(value is None or abs(value) < _MOST for row in track.rows for value in row)
        )
        if not well_formed:
            raise not_a_result()
    return features
