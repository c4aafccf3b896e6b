"""`moretta search`, `moretta verify` and `moretta compare`: decisions, with an exit status for scripts.

Belongs here: arguments and tables. Does not belong here: deciding.
"""

import sys
from typing import Annotated

import typer

from moretta.api.people_schemas import ComparisonView, SearchView, VerificationView
from moretta.api.people_views import comparison_view, search_view, verification_view
from moretta.api.v1.matching import names_in
from moretta.cli.items import label
from moretta.cli.people import (
    NO,
    CollectionId,
    Json,
    Office,
    PersonId,
    Purpose,
    note,
    opened_office,
    photos_in_memory,
    print_json,
    show,
    table,
)
from moretta.core.errors import MorettaError

ComparePurpose = Annotated[
    str | None, typer.Option("--purpose", help="Why: a purpose of the policy; left out, the only one that allows it.")
]
Photo = Annotated[str, typer.Argument(help="A photo; `-` reads it from standard input.")]


def search(
    collection: CollectionId,
    photos: Annotated[list[str], typer.Argument(help="Photos; `-` reads one from standard input.", metavar="PHOTO...")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Most persons a face.")] = 10,
    names: Annotated[bool, typer.Option(help="Tell names too.")] = True,
    purpose: Purpose = None,
    json_out: Json = None,
) -> None:
    """Who of a collection is in a photo; every face is searched."""
    answers: list[SearchView] = []
    failure: MorettaError | None = None
    with opened_office() as office:
        for photo in photos:
            try:
                answers.append(_searched(office, collection, photo, limit, names, purpose))
            except MorettaError as error:
                if len(photos) == 1:
                    raise
                failure = failure or error
                note(f"{label(photo)}: {error.title}: {error.detail}")
                continue
            if json_out is None:
                _show(label(photo), answers[-1])
    if json_out is not None:
        print_json(json_out, [(SearchView, answer) for answer in answers])
    if failure is not None:
        raise typer.Exit(failure.exit_code)


def verify(person: PersonId, photo: Photo, purpose: Purpose = None, json_out: Json = None) -> None:
    """Whether a photo shows a person; exit status 0 for yes, 1 for no."""
    with opened_office() as office, photos_in_memory([photo], office.limits) as (fd,):
        with office.counted("cli:verify"):
            found = office.people.verify(office.company_id, person, fd, purpose=purpose)
        office.count("cli:verify", 0 if found.match else NO, 1)
    view = verification_view(person, found)
    if json_out is not None:
        print_json(json_out, [(VerificationView, view)])
    else:
        pending = f"pending: people must confirm it: moretta reviews show {found.pending}" if found.pending else "no"
        typer.echo("yes" if found.match else pending)
    if not found.match:
        raise typer.Exit(NO)


def compare(
    a: Photo,
    b: Photo,
    model: Annotated[str | None, typer.Option(help="An installed embedder; left out: the default one.")] = None,
    fmr: Annotated[
        float | None, typer.Option(help="A false match rate that the model's card has a threshold for.")
    ] = None,
    purpose: ComparePurpose = None,
    json_out: Json = None,
) -> None:
    """Whether two photos show the same person; exit status 0 for yes, 1 for no."""
    with opened_office() as office, photos_in_memory([a, b], office.limits) as (first, second):
        with office.counted("cli:compare", 2):
            found = office.people.compare(office.company_id, first, second, model=model, fmr=fmr, purpose=purpose)
        office.count("cli:compare", 0 if found.match else NO, 2)
    if json_out is not None:
        print_json(json_out, [(ComparisonView, comparison_view(found))])
    else:
        typer.echo("yes" if found.match else "no")
    if not found.match:
        raise typer.Exit(NO)


def _searched(office: Office, collection: str, photo: str, limit: int, names: bool, purpose: str | None) -> SearchView:
    with photos_in_memory([photo], office.limits) as (fd,):
        with office.counted("cli:search"):
            found = office.people.search(office.company_id, collection, fd, limit=limit, purpose=purpose)
        view = search_view(found, names_in(office.people, office.company_id, found) if names else None)
        office.count("cli:search", 0, 1)
    return view


def _show(photo: str, found: SearchView) -> None:
    shown = table("face", "place", "quality", "person", "name", "rank")
    for number, face in enumerate(found.faces, 1):
        place = " ".join(f"{side:.0f}" for side in face.box)
        quality = f"{face.quality:.0f}"
        if not face.candidates:
            shown.add_row(str(number), place, quality, face.reason or "nobody", "", "")
        for one in face.candidates:
            shown.add_row(str(number), place, quality, one.person_id, one.name or "", str(one.rank))
    show(f"{photo}: {len(found.faces)} face{'' if len(found.faces) == 1 else 's'}")
    show(shown)
    if found.pending:
        print(f"Somebody may match. People must confirm who: moretta reviews show {found.pending}", file=sys.stderr)
    if found.behind:
        print(f"Compared in {found.from_region}, {found.behind} changes behind.", file=sys.stderr)
