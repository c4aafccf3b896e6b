"""`moretta collections`: galleries of people under one purpose and one protection scheme.

Belongs here: arguments and tables. Does not belong here: what a collection is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import Annotated, Any

import typer

from moretta.api.people_schemas import CollectionView
from moretta.api.people_views import collection_view
from moretta.cli.people import (
    CollectionId,
    Json,
    bar,
    confirmed,
    note,
    opened_office,
    print_json,
    show,
    table,
)
from moretta.core.errors import RequestInvalid
from moretta.core.paging import every
from moretta.core.protection import Scheme
from moretta.core.recognition import Collection, Thresholds
from moretta.use_cases.recognition.results import OnStep, StepProgress

app = typer.Typer(no_args_is_help=True, help="Make, list, change, renew and delete collections of people.")

_PAGE = 200
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
MinQuality = Annotated[float | None, typer.Option(min=0, max=100, help="The quality gate of enrolment, 0-100.")]
Retention = Annotated[int | None, typer.Option(min=1, help="Days until a person is deleted.")]
Replicas = Annotated[list[str] | None, typer.Option("--replica", help="A region where it may be too; repeatable.")]
Bands = Annotated[bool | None, typer.Option(help="Whether a match tells coarsely how far over the threshold it is.")]
Match = Annotated[float | None, typer.Option(min=-1, max=1, help="Similarity from which faces match.")]
DuplicateAt = Annotated[
    float | None,
    typer.Option("--duplicate", min=-1, max=1, help="Similarity from which enrolment reports a duplicate."),
]
Fmr = Annotated[float | None, typer.Option(help="The false match rate that --match stands for.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it; no place for a name of a person.")],
    purpose: Annotated[str, typer.Option(help="What the people in it agreed to; every use can be held to it.")],
    scheme: Annotated[Scheme, typer.Option(help="How templates are protected.")] = Scheme.HE,
    region: Annotated[str | None, typer.Option(help="Its home; left out: the deployment's first region.")] = None,
    replica: Replicas = None,
    retention_days: Retention = None,
    model: Annotated[str | None, typer.Option(help="An installed embedder; left out: the default one.")] = None,
    min_quality: MinQuality = None,
    bands: Bands = None,
    match: Match = None,
    duplicate: DuplicateAt = None,
    fmr: Fmr = None,
    json_out: Json = None,
) -> None:
    """Make a collection and print its id."""
    with opened_office() as office:
        made = office.people.create_collection(
            office.company_id,
            name,
            purpose,
            scheme=scheme,
            region=region,
            replicas=replica or (),
            retention_days=retention_days,
            model=model,
            min_quality=min_quality,
            bands=bool(bands),
            thresholds=_thresholds(match, duplicate, fmr, None),
        )
    _told(made, json_out)


@app.command("list")
def list_collections(json_out: Json = None) -> None:
    """Every collection of this deployment's company."""
    with opened_office() as office:
        page = partial(office.people.collections, office.company_id, _PAGE)
        found = list(every(page, attrgetter("collection_id")))
    if json_out is not None:
        print_json(json_out, [(CollectionView, collection_view(one)) for one in found])
        return
    shown = table("collection", "name", "purpose", "scheme", "model", "regions", "state")
    for one in found:
        regions = ", ".join((one.home, *sorted(one.replicas)))
        shown.add_row(one.collection_id, one.name, one.purpose, one.scheme, one.model_id, regions, one.state)
    show(shown)


@app.command("show")
def show_collection(collection: CollectionId, json_out: Json = None) -> None:
    """A collection as it stands."""
    with opened_office() as office:
        found = office.people.collection(office.company_id, collection)
    if json_out is not None:
        print_json(json_out, [(CollectionView, collection_view(found))])
        return
    shown = table("", "")
    at = found.thresholds
    for heading, value in (
        ("id", found.collection_id),
        ("name", found.name),
        ("purpose", found.purpose),
        ("scheme", found.scheme),
        ("model", f"{found.model_id}, {found.dimension} dimensions"),
        ("key", found.key_id),
        ("match from", f"{at.match:.3f} (false match rate {at.fmr:g}, {at.source})"),
        ("duplicate from", f"{at.duplicate:.3f}"),
        ("least quality", f"{found.min_quality:g} of 100"),
        ("bands", "told" if found.bands else "not told"),
        ("regions", ", ".join((found.home, *sorted(found.replicas)))),
        ("retention", "until it is deleted" if found.retention_days is None else f"{found.retention_days} days"),
        ("state", found.state),
        ("made", f"{found.created_at:%Y-%m-%d %H:%M}"),
    ):
        shown.add_row(heading, value)
    show(shown)


@app.command()
def update(
    collection: CollectionId,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    purpose: Annotated[str | None, typer.Option(help="Another purpose.")] = None,
    retention_days: Annotated[int | None, typer.Option(min=0, help="Days until a person is deleted; 0: never.")] = None,
    min_quality: MinQuality = None,
    bands: Bands = None,
    replica: Replicas = None,
    match: Match = None,
    duplicate: DuplicateAt = None,
    fmr: Fmr = None,
    json_out: Json = None,
) -> None:
    """Change a collection; what is left out stays. `moretta evaluate accuracy` measures thresholds on your own photos."""
    given: dict[str, Any] = {
        "name": name,
        "purpose": purpose,
        "min_quality": min_quality,
        "bands": bands,
        "replicas": replica,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if retention_days is not None:
        changes["retention_days"] = retention_days or None
    with opened_office() as office:
        if thresholds := _thresholds(match, duplicate, fmr, (office.people.collection, office.company_id, collection)):
            changes["thresholds"] = thresholds
        changed = office.people.update_collection(office.company_id, collection, **changes)
    _told(changed, json_out)


@app.command()
def delete(collection: CollectionId, yes: Yes = False) -> None:
    """Erase everybody of a collection, each with a certificate, then the collection and its key; it cannot be undone.

    Standard output: the certificates' ids. Interrupted, it goes on when called again.
    """
    with opened_office() as office:
        confirmed("Delete the collection, everybody in it, and its key?", yes)
        office.rights.close_collection(office.company_id, collection)
        with _steps("erase") as on_step:
            done = office.rights.delete_collection(office.company_id, collection, on_progress=on_step)
    for certificate_id in done.certificates:
        show(certificate_id)
    note(f"Deleted; {done.persons} persons were erased, each with a certificate.")
    if done.waiting:
        note(f"{', '.join(done.waiting)} did not acknowledge yet; those certificates are made anew once they have.")


@app.command()
def reissue(
    collection: CollectionId,
    model: Annotated[
        str | None, typer.Option(help="Move to this embedder: templates are made anew from stored photos.")
    ] = None,
) -> None:
    """Renew what protects a collection, without enrolling anybody again: its key, or for `shares` the shares."""
    with opened_office() as office:
        people, company_id = office.people, office.company_id
        found = people.collection(company_id, collection)
        with _steps("reissue") as on_step:
            if model is not None:
                moved = people.reenrol(company_id, collection, model=model, on_progress=on_step)
                note(f"{moved.faces} faces are of {moved.model_id} now.")
                for person_id in moved.needing_photo:
                    show(f"{person_id} needs a new photo")
            elif found.scheme is Scheme.SHARES:
                people.refresh_shares(company_id, collection)
                note("The parties hold fresh shares; older ones are worth nothing.")
            else:
                renewed = people.reissue(company_id, collection, on_progress=on_step)
                note(f"The collection is under the key {renewed.key_id}; the old one is destroyed.")


@app.command()
def repack(collection: CollectionId) -> None:
    """Pack what is not packed yet, and rewrite packed ciphertexts without what was removed (scheme `he`)."""
    with opened_office() as office:
        office.people.repack(office.company_id, collection)
    note("Packed.")


def _told(collection: Collection, json_out: str | None) -> None:
    if json_out is not None:
        print_json(json_out, [(CollectionView, collection_view(collection))])
    else:
        typer.echo(collection.collection_id)


def _thresholds(match: float | None, duplicate: float | None, fmr: float | None, present: Any) -> Thresholds | None:
    if match is None and duplicate is None and fmr is None:
        return None
    if present is not None:
        read, company_id, collection_id = present
        now = read(company_id, collection_id).thresholds
        duplicate = now.duplicate if duplicate is None else duplicate
        if match is None and fmr is None:
            return Thresholds(now.match, duplicate, now.fmr, now.source)
    if match is None or fmr is None:
        raise RequestInvalid(
            "expected --match and --fmr together: a threshold says which rate of false matches it stands for"
        )
    return Thresholds(match, match if duplicate is None else duplicate, fmr, "calibrated")


@contextmanager
def _steps(title: str) -> Iterator[OnStep]:
    with bar(title) as tell:

        def on_step(progress: StepProgress) -> None:
            tell(progress.done, progress.total, progress.stage)

        yield on_step
