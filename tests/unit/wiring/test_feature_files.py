"""Files of anonymised features carry what was taken out and what leaks; a worker's word about features is checked."""

import csv
import io
import json
from dataclasses import replace

import pytest

from moretta.core.errors import WorkerLost
from moretta.core.features import NAMES, Detail, FeatureRequest, FeatureSet, FeatureTrack, removed
from moretta.core.values import Profile
from moretta.wiring.feature_files import FileForm, features_file, manifest
from moretta.wiring.features_wire import (
    feature_request_json,
    feature_set_json,
    parse_feature_request,
    parse_feature_set,
)

ROW = tuple(0.25 if place % 5 else None for place in range(len(NAMES)))
FEATURES = replace(FeatureSet.empty(), tracks=(FeatureTrack(7, (0.0, 0.04), (ROW, ROW)),))


@pytest.mark.parametrize("detail", list(Detail))
def test_the_manifest_says_what_was_taken_out_and_what_was_measured_to_leak(detail: Detail) -> None:
    told = manifest(replace(FEATURES, detail=detail))
    assert told["removed"] == list(removed(detail))
    leakage = told["measured_leakage"]
    assert isinstance(leakage, dict)
    for rate in leakage["reidentification"]:
        assert 0 < rate["chance"] <= 1
        assert rate["interval"][0] <= rate["after"] <= rate["interval"][1]
    assert leakage["reidentification"]
    assert leakage["attributes"]
    assert leakage["kept"]
    assert "bytes" not in json.dumps(told["media"])


def test_a_csv_is_a_line_of_the_manifest_and_a_table() -> None:
    first, rest = features_file(FEATURES, FileForm.CSV).decode().split("\n", 1)
    assert json.loads(first.removeprefix("# "))["format"] == "moretta-features"
    rows = list(csv.DictReader(io.StringIO(rest)))
    assert [(row["track"], row["time_s"]) for row in rows] == [("7", "0"), ("7", "0.04")]
    assert [rows[0][name] for name in NAMES] == ["" if value is None else f"{value:g}" for value in ROW]


def test_a_json_file_holds_the_same() -> None:
    read = json.loads(features_file(FEATURES, FileForm.JSON))
    assert read["manifest"] == json.loads(json.dumps(manifest(FEATURES)))
    assert read["tracks"][0]["rows"][1] == [0.04, *ROW]


@pytest.mark.parametrize("features", [FEATURES, FeatureSet.empty()], ids=["rows", "none"])
def test_a_parquet_file_holds_the_same(features: FeatureSet) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra `parquet` is not installed")
    table = parquet.read_table(io.BytesIO(features_file(features, FileForm.PARQUET)))
    assert table.column_names == ["track", "time_s", *NAMES]
    assert table.num_rows == sum(len(track.rows) for track in features.tracks)
    assert json.loads(table.schema.metadata[b"moretta"])["removed"] == list(removed(Detail.RELATIVE))


def test_features_come_back_as_they_were() -> None:
    assert parse_feature_set(feature_set_json(FEATURES)) == FEATURES
    request = FeatureRequest(Detail.AMPLITUDES, Profile.FAST)
    assert parse_feature_request(feature_request_json(request)) == request


def _with(track: FeatureTrack) -> bytes:
    return feature_set_json(replace(FEATURES, tracks=(track,)))


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        _with(FeatureTrack(1, (0.0,), (ROW, ROW))),
        _with(FeatureTrack(1, (0.0,), (ROW[:-1],))),
        _with(FeatureTrack(1, (1e300,), (ROW,))),
        _with(FeatureTrack(1, (0.0,), ((*ROW[:-1], 1e300),))),
    ],
    ids=["another shape", "a time too few", "a column too few", "an absurd time", "an absurd value"],
)
def test_what_is_no_set_of_features_is_refused(raw: bytes) -> None:
    with pytest.raises(WorkerLost):
        parse_feature_set(raw)
