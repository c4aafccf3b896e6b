"""`moretta enrol` and `moretta persons`.

Belongs here: arguments and tables. Does not belong here: enrolling.
"""

from functools import partial
from operator import attrgetter
from typing import Annotated

import typer

from moretta.api.people_schemas import Enrolment, FaceView, PersonView
from moretta.api.people_views import enrolment, face_view, person_view
from moretta.api.people_work import refused
from moretta.cli.items import label
from moretta.cli.people import (
    SOME_FAILED,
    CollectionId,
    Json,
    PersonId,
    Purpose,
    confirmed,
    note,
    opened_office,
    photos_in_memory,
    print_json,
    show,
    table,
)
from moretta.core.errors import RequestInvalid
from moretta.core.paging import every
from moretta.core.recognition import Enrolled, FailureToEnrol, PersonState, StoreWish

app = typer.Typer(no_args_is_help=True, help="List, show, rename, restrict and erase enrolled people.")

ENDPOINT = "cli:enrol"
_PAGE = 200


def enrol(
    collection: CollectionId,
    photos: Annotated[
        list[str], typer.Argument(help="Photos of one person; `-` reads one from standard input.", metavar="PHOTO...")
    ],
    name: Annotated[str, typer.Option(help="The operator's own word for the person; encrypted where it is kept.")] = "",
    attribute: Annotated[list[str] | None, typer.Option(help="KEY=VALUE, kept as the name is; repeatable.")] = None,
    person: Annotated[str | None, typer.Option(help="The id of a known person, who gets more faces.")] = None,
    consent: Annotated[
        str | None, typer.Option(help="The id of the consent on which it rests; it says who it is.")
    ] = None,
    keep_photo: Annotated[bool, typer.Option("--keep-photo", help="Keep the photos too, encrypted.")] = False,
    refuse_duplicates: Annotated[
        bool, typer.Option("--refuse-duplicates", help="Refuse a face that is enrolled already.")
    ] = False,
    purpose: Purpose = None,
    json_out: Json = None,
) -> None:
    """Enrol a person with photos that show nobody else."""
    with opened_office() as office, photos_in_memory(photos, office.limits) as fds:
        with office.counted(ENDPOINT):
            outcomes = office.people.enrol(
                office.company_id,
                collection,
                fds,
                name=name,
                attributes=_attributes(attribute or []),
                person_id=person,
                consent_id=consent,
                store=StoreWish.PHOTO if keep_photo else StoreWish.TEMPLATE,
                purpose=purpose,
                refuse_duplicates=refuse_duplicates,
            )
        failures = [one for one in outcomes if isinstance(one, FailureToEnrol)]
        office.count(ENDPOINT, 0, len(outcomes) - len(failures))
        office.count(ENDPOINT, SOME_FAILED, len(failures))
    if len(failures) == len(outcomes):
        raise refused(failures)
    view = enrolment(outcomes)
    if json_out is not None:
        print_json(json_out, [(Enrolment, view)])
    else:
        typer.echo(view.person_id)
    for photo, one in zip(photos, outcomes, strict=True):
        if isinstance(one, FailureToEnrol):
            note(f"{label(photo)}: {one.reason.value}: {one.detail}")
        else:
            _tell_duplicates(label(photo), one)
    if failures:
        raise typer.Exit(SOME_FAILED)


@app.command("list")
def list_persons(collection: CollectionId, json_out: Json = None) -> None:
    """The persons of a collection."""
    with opened_office() as office:
        page = partial(office.people.persons, office.company_id, collection, _PAGE)
        found = list(every(page, attrgetter("person_id")))
    if json_out is not None:
        print_json(json_out, [(PersonView, person_view(one)) for one in found])
        return
    shown = table("person", "name", "attributes", "faces", "state", "enrolled")
    for one in found:
        words = ", ".join(f"{key}={value}" for key, value in one.attributes)
        shown.add_row(one.person_id, one.name, words, str(one.faces), one.state, f"{one.created_at:%Y-%m-%d %H:%M}")
    show(shown)


@app.command("show")
def show_person(person: PersonId, json_out: Json = None) -> None:
    """A person and their faces; with `--json`, a line for the person and one for each face."""
    with opened_office() as office:
        found = office.people.person(office.company_id, person)
        faces = office.people.faces(office.company_id, person)
    if json_out is not None:
        print_json(json_out, [(PersonView, person_view(found)), *((FaceView, face_view(face)) for face in faces)])
        return
    words = ", ".join(f"{key}={value}" for key, value in found.attributes)
    show(f"{found.person_id}  {found.name}  {found.state}{'  ' if words else ''}{words}")
    shown = table("face", "quality", "photo kept", "model", "enrolled")
    for face in faces:
        kept = "no" if face.photo_id is None else "yes"
        shown.add_row(face.face_id, f"{face.quality:.0f}", kept, face.model_id, f"{face.created_at:%Y-%m-%d %H:%M}")
    show(shown)


@app.command()
def rename(person: PersonId, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Give a person another name."""
    with opened_office() as office:
        office.people.update_person(office.company_id, person, name=name)
    note("Renamed.")


@app.command()
def restrict(person: PersonId) -> None:
    """Keep a person and compare them with nobody, until `release`."""
    _set(person, PersonState.RESTRICTED, "The person is kept and compared with nobody.")


@app.command()
def release(
    person: PersonId,
    reason: Annotated[str, typer.Option(help="Why: it is recorded, sealed, and a digest of it stands in the log.")],
) -> None:
    """Let a restricted person be compared again, for a reason that is recorded."""
    with opened_office() as office:
        office.rights.compare_again(office.company_id, person, reason)
    note("The person is compared again.")


@app.command()
def erase(person: PersonId, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Erase a person: templates, photos, name, and the key they were encrypted under; it cannot be undone."""
    with opened_office() as office:
        faces = office.people.faces(office.company_id, person)
        confirmed(f"Erase the person with {len(faces)} faces?", yes)
        certificate = office.rights.erase(office.company_id, person).certificate.certificate_id
    note(f"Erased, with {len(faces)} faces and {len({face.photo_id for face in faces} - {None})} photos.")
    typer.echo(certificate)


def _set(person_id: str, state: PersonState, told: str) -> None:
    with opened_office() as office:
        office.people.update_person(office.company_id, person_id, state=state)
    note(told)


def _tell_duplicates(photo: str, enrolled: Enrolled) -> None:
    for other in enrolled.duplicates:
        note(f"{photo}: looks like {other.person_id}, who is enrolled already")


def _attributes(given: list[str]) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in given]
    if any(not key or not sep for key, sep, _ in pairs):
        raise RequestInvalid("expected --attribute as KEY=VALUE")
    return [(key, value) for key, _, value in pairs]
