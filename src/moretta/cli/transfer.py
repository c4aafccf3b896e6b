"""`moretta import` and `moretta export`: many people in and out.

Belongs here: finding photos in folders and lists, progress, and ending in order. Does not belong here: importing.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from moretta.api.manifest import read_manifest
from moretta.cli.outputs import STDIO, write_output
from moretta.cli.people import (
    SOME_FAILED,
    CollectionId,
    Office,
    Purpose,
    bar,
    note,
    opened_office,
)
from moretta.core.errors import Cancelled, NotFound, RequestInvalid
from moretta.core.limits import MediaLimits
from moretta.core.recognition import IdKind, StoreWish, region_of
from moretta.sdk import media_in_memory
from moretta.use_cases.recognition.results import ImportItem, ImportProgress, ImportReport
from moretta.wiring.placing import placed

# Endings of stills that the decoder reads; anything else in a folder is left alone and told of.
PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif"})
# A list of a million people is under 100 MB.
_MAX_LIST_BYTES = 256 * 1024 * 1024
_FAILURES_SHOWN = 20
_ENDPOINT = "cli:import"


def import_people(
    collection: CollectionId,
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder with a folder of photos for each person, or a CSV list with the columns file, name, person, "
            "consent_id, source and attributes.",
            metavar="FOLDER|CSV",
        ),
    ],
    keep_photo: Annotated[bool, typer.Option("--keep-photo", help="Keep the photos too, encrypted.")] = False,
    refuse_duplicates: Annotated[
        bool, typer.Option("--refuse-duplicates", help="Refuse faces that are enrolled already.")
    ] = False,
    purpose: Purpose = None,
    origin: Annotated[
        str, typer.Option("--source", help="From where the photos are; needed of each that rests on no consent.")
    ] = "",
    json_out: Annotated[str | None, typer.Option("--json", help="Write the report to this file or `-`.")] = None,
) -> None:
    """Enrol many people from a folder per person, or from a CSV list.

    Run again, it goes on where it ended; what failed is tried again.
    """
    with opened_office() as office:
        items = items_of(source, office.limits)
        if not items:
            raise RequestInvalid("expected photos in the folder or rows in the list; there are none")
        wish = StoreWish.PHOTO if keep_photo else StoreWish.TEMPLATE
        report = run_import(office, collection, source, items, wish, refuse_duplicates, purpose, origin)
    _told(report, json_out)
    if report.failures:
        raise typer.Exit(SOME_FAILED)


def export(
    collection: CollectionId,
    target: Annotated[str, typer.Argument(help="The archive to write; `-` is standard output.", metavar="OUT.zip")],
) -> None:
    """Write persons, records of faces and stored photos to a ZIP; no templates."""
    with opened_office() as office:
        if target == STDIO:
            count = office.people.export(office.company_id, collection, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            count = _exported(office, collection, Path(target))
    note(f"{count} persons. The archive is not encrypted: it is yours to guard.")


def items_of(source: Path, limits: MediaLimits) -> list[ImportItem]:
    """The photos of a folder or a list, in a stable order.

    Raises:
        NotFound: there is no such folder or list.
        RequestInvalid: the list cannot be read.
    """
    if source.is_dir():
        return list(_from_folder(source, limits))
    return list(_from_list(source, limits))


def run_import(
    office: Office,
    collection: str,
    source: Path,
    items: Sequence[ImportItem],
    wish: StoreWish,
    refuse_duplicates: bool,
    purpose: str | None,
    origin: str = "",
) -> ImportReport:
    """The import of `items`, each counted as soon as it is dealt with; SIGINT ends it between two of them.

    Raises:
        Cancelled: it was interrupted; what is enrolled stays, and the same command goes on from there.
    """
    before = ImportProgress(0, 0, 0, 0)
    with bar("import") as tell, _interruptible() as interrupted:

        def progressed(now: ImportProgress) -> None:
            nonlocal before
            office.count(_ENDPOINT, 0, now.enrolled - before.enrolled)
            office.count(_ENDPOINT, SOME_FAILED, now.failed - before.failed)
            before = now
            beside = f"enrolled {now.enrolled}, failed {now.failed}, done before {now.skipped}"
            tell(now.done, len(items), beside)
            if interrupted():
                raise Cancelled(
                    f"{now.done} of {len(items)} photos are dealt with; the same command goes on from there"
                )

        return office.people.import_items(
            office.company_id,
            collection,
            import_id_of(office.company_id, collection, source),
            items,
            store=wish,
            on_progress=progressed,
            refuse_duplicates=refuse_duplicates,
            purpose=purpose,
            source=origin,
        )


def import_id_of(company_id: str, collection_id: str, source: Path) -> str:
    """The import that the same command names again: a digest, from which no path can be read."""
    region = region_of(collection_id, IdKind.COLLECTION)
    words = f"moretta import from\0{company_id}\0{collection_id}\0{os.path.realpath(source)}"
    return f"{IdKind.IMPORT}_{region}_{hashlib.sha256(words.encode()).hexdigest()[:24]}"


def _from_folder(source: Path, limits: MediaLimits) -> Iterator[ImportItem]:
    left = 0
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        place = path.relative_to(source)
        if path.suffix.lower() not in PICTURES or any(part.startswith(".") for part in place.parts):
            left += 1
            continue
        # A photo beside the folders is a person of its own, called as the photo is.
        alone = len(place.parts) == 1
        name = path.stem if alone else place.parts[0]
        person = None if alone else place.parts[0]
        yield ImportItem(place.as_posix(), partial(media_in_memory, path, limits), name, (), person)
    if left:
        note(f"Left alone, since no pictures by their names: {left} file{'' if left == 1 else 's'}.")


def _from_list(source: Path, limits: MediaLimits) -> Iterator[ImportItem]:
    try:
        with source.open("rb") as file:
            raw = file.read(_MAX_LIST_BYTES + 1)
    except OSError as error:
        raise NotFound(f"expected a folder or a list that can be read: {error.strerror or 'it cannot be'}") from None
    if len(raw) > _MAX_LIST_BYTES:
        raise RequestInvalid(f"expected a list of at most {_MAX_LIST_BYTES} bytes; import it in parts")
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        raise RequestInvalid("expected a list in UTF-8; save it as such") from None
    for number, row in enumerate(read_manifest(text), 1):
        if not row.file:
            raise RequestInvalid(f"expected a file in every row of the list; row {number} has none")
        path = source.parent / row.file
        key = row.key or row.file
        reading = partial(media_in_memory, path, limits)
        yield ImportItem(key, reading, row.name, row.attributes, row.person, row.consent_id, row.source)


@contextmanager
def _interruptible() -> Iterator["_Asked"]:
    """SIGINT asks once, to be heard between two photos; a second one ends the process as it always does."""
    asked = _Asked()
    before = signal.signal(signal.SIGINT, asked.on_signal)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class _Asked:
    """Whether somebody asked to end: once in order, the second time at once."""

    def __init__(self) -> None:
        self._asked = False

    def on_signal(self, _signal: int, _frame: FrameType | None) -> None:
        """Note the wish. Raises `KeyboardInterrupt` where it was noted before."""
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def __call__(self) -> bool:
        return self._asked


def _told(report: ImportReport, json_out: str | None) -> None:
    if json_out is not None:
        write_output(json_out, json.dumps(asdict(report)) + "\n")
    else:
        typer.echo(
            f"{report.enrolled} photos enrolled of {report.persons} persons, {report.skipped} done before, "
            f"{len(report.failures)} failed, {report.duplicates} look like somebody enrolled already"
        )
    for failure in report.failures[:_FAILURES_SHOWN]:
        note(f"{failure.key}: {failure.code}: {failure.detail}")
    if len(report.failures) > _FAILURES_SHOWN:
        note(f"and {len(report.failures) - _FAILURES_SHOWN} more; --json tells all of them")


def _exported(office: Office, collection: str, target: Path) -> int:
    """Write the archive whole or not at all, readable by its owner alone."""
    with placed(target, 0o600) as fd, os.fdopen(os.dup(fd), "wb") as sink:
        return office.people.export(office.company_id, collection, sink)
