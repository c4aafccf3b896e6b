"""`moretta features`.

Belongs here: reading arguments, showing progress, placing the file. Does not belong here: any step of the work.
"""

from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.items import progress_bar
from moretta.cli.outputs import STDIO, check_output, write_output
from moretta.cli.terminal import console
from moretta.core.features import Detail, FeatureSet
from moretta.core.values import Profile
from moretta.sdk_features import FeatureExtractor, file_bytes, form_of
from moretta.settings import Settings

Media = Annotated[Path, typer.Argument(help="A video.", metavar="IN")]
Out = Annotated[
    str, typer.Option(help="Write to this file, whose ending says how: .csv, .json or .parquet; `-` prints CSV.")
]
DetailOption = Annotated[
    Detail, typer.Option(help="`amplitudes` also tells how far things move; people are then told apart better.")
]
ProfileOption = Annotated[Profile, typer.Option(help="How much work is spent on a frame.")]


def features(
    media: Media,
    out: Out = "features.csv",
    detail: DetailOption = Detail.RELATIVE,
    profile: ProfileOption = Profile.ACCURATE,
) -> None:
    """Export how faces move (pose, gaze, expression) with the shape that tells people apart taken out."""
    form = "csv" if out == STDIO else form_of(Path(out))
    file_bytes(FeatureSet.empty(), form)  # an unknown form, or one that is not installed, is refused before the work
    check_output(out)
    notes = console(stderr=True)
    with (
        FeatureExtractor(detail, profile, Settings(), door="cli:features") as extractor,
        progress_bar(notes, "1/1") as told,
    ):
        found = extractor.features(media, told)
    content = file_bytes(found, form)
    for notice in found.warnings:
        notes.print(notice.detail, markup=False, highlight=False, soft_wrap=True)
    write_output(out, content)
    if out == STDIO:
        return
    rows = sum(len(track.rows) for track in found.tracks)
    summary = (
        f"{len(found.tracks)} tracks, {rows} rows: {out}. Its manifest says what was taken out and what may still leak."
    )
    notes.print(summary, markup=False, highlight=False, soft_wrap=True)
