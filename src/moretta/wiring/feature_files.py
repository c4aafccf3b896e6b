"""Anonymised features as files: CSV, JSON and Parquet, each with what was taken out and what leaks.

Belongs here: the forms and the manifest. Does not belong here: measuring.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from enum import StrEnum

from moretta.core.errors import ExtraMissing
from moretta.core.feature_leakage_measured import LEAKAGE
from moretta.core.features import NAMES, FeatureSet, columns_of, removed

VERSION = 1
CAUTION = (
    "How somebody moves can tell who they are to those who have watched them for long. The rates were measured on few people and "
    "with known attacks: they are evidence for what is left, not a bound. Treat the rows as personal data unless your own "
    "assessment says otherwise."
)
_MANIFEST_KEY = b"moretta"


class FileForm(StrEnum):
    """How features are written."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


def features_file(features: FeatureSet, form: FileForm) -> bytes:
    """The whole file. Raises `ExtraMissing` where Parquet is asked for and the extra `parquet` is not installed."""
    match form:
        case FileForm.CSV:
            return _csv(features)
        case FileForm.JSON:
            return _json(features)
        case FileForm.PARQUET:
            return _parquet(features)


def manifest(features: FeatureSet) -> dict[str, object]:
    """What a reader must know of the rows: columns, what was taken out, and what was measured to leak and to be kept."""
    media = features.media
    return {
        "format": "moretta-features",
        "version": VERSION,
        "columns": [asdict(column) for column in columns_of(features.detail)],
        "removed": list(removed(features.detail)),
        "detail": features.detail.value,
        "measured_leakage": asdict(LEAKAGE[features.detail]),
        "caution": CAUTION,
        "media": {"kind": media.kind.value, "duration_s": media.duration_s, "frame_rate": media.frame_rate},
        "models": [asdict(model) for model in features.models],
        "warnings": [asdict(notice) for notice in features.warnings],
    }


def _rows(features: FeatureSet) -> Iterator[tuple[float | None, ...]]:
    for track in features.tracks:
        for at, row in zip(track.times_s, track.rows, strict=True):
            yield (track.track_id, at, *row)


def _csv(features: FeatureSet) -> bytes:
    """One line of `#` and the manifest, then a table."""
    text = io.StringIO()
    text.write("# " + json.dumps(manifest(features)) + "\n")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("track", "time_s", *NAMES))
    for row in _rows(features):
        writer.writerow("" if value is None else format(value, "g") for value in row)
    return text.getvalue().encode()


def _json(features: FeatureSet) -> bytes:
    tracks = [
        {
            "track": track.track_id,
            "columns": ["time_s", *NAMES],
            "rows": [[at, *row] for at, row in zip(track.times_s, track.rows, strict=True)],
        }
        for track in features.tracks
    ]
    return (json.dumps({"manifest": manifest(features), "tracks": tracks}) + "\n").encode()


def _parquet(features: FeatureSet) -> bytes:
    """The manifest lies in the file's metadata under `moretta`."""
    try:
        import pyarrow
        from pyarrow.parquet import write_table
    except ImportError:
        raise ExtraMissing("Parquet needs an extra: pip install 'moretta[parquet]', or export as CSV or JSON") from None
    names, kinds = ("track", "time_s", *NAMES), [pyarrow.int64(), *[pyarrow.float64()] * (1 + len(NAMES))]
    columns = list(zip(*_rows(features), strict=True)) or [()] * len(names)
    arrays = [pyarrow.array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    table = pyarrow.Table.from_arrays(arrays, names=list(names))
    file = io.BytesIO()
    write_table(table.replace_schema_metadata({_MANIFEST_KEY: json.dumps(manifest(features)).encode()}), file)
    return file.getvalue()
