"""`moretta features`.

Belongs here: reading arguments, showing progress, placing the file. Does not belong here: any step of the work.
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.analyze import progress_bar
from moretta.cli.terminal import console
from moretta.core.features import Detail, FeatureSet
from moretta.core.values import Profile
from moretta.sdk_features import FeatureExtractor, file_bytes, form_of
from moretta.settings import Settings

_STDOUT = "-"

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
    from moretta.wiring.placing import check_place

    target = None if out == _STDOUT else Path(out)
    form = "csv" if target is None else form_of(target)
    file_bytes(FeatureSet.empty(), form)  # an unknown form, or one that is not installed, is refused before the work
    if target is not None:
        check_place(target)
    notes = console(stderr=True)
    with (
        FeatureExtractor(detail, profile, Settings(), door="cli:features") as extractor,
        progress_bar(notes, "1/1") as told,
    ):
        found = extractor.features(media, told)
    content = file_bytes(found, form)
    for notice in found.warnings:
        notes.print(notice.detail, markup=False, highlight=False, soft_wrap=True)
    if target is None:
        sys.stdout.buffer.write(content)
        return
    _placed(content, target)
    rows = sum(len(track.rows) for track in found.tracks)
    summary = (
        f"{len(found.tracks)} tracks, {rows} rows: {out}. Its manifest says what was taken out and what may still leak."
    )
    notes.print(summary, markup=False, highlight=False, soft_wrap=True)


def _placed(content: bytes, target: Path) -> None:
    from moretta.wiring.placing import place

    fd = os.memfd_create("features", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(fd), "wb") as memory:
            memory.write(content)
        place(fd, target)
    finally:
        os.close(fd)
