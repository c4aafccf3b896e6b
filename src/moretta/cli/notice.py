"""`moretta notice`.

Belongs here: arguments and tables. Does not belong here: what a notice must say.
"""

from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Annotated

import typer

from moretta.api.consent_schemas import NoticeView, notice_view
from moretta.cli.consent_desk import opened_consent_desk, text_of
from moretta.cli.people import CollectionId, Json, print_json, show, table
from moretta.core.paging import every

app = typer.Typer(no_args_is_help=True, help="What people are shown before they consent: add a version, list, show.")

_PAGE = 200


@app.command("add")
def add_notice(
    collection: CollectionId,
    text: Annotated[Path, typer.Argument(help="The notice as Markdown, in UTF-8.")],
    controller: Annotated[str, typer.Option(help="Who answers for it, and where they are reached.")],
    language: Annotated[str, typer.Option(help="Its language, such as en or pt-BR.")] = "en",
    json_out: Json = None,
) -> None:
    """Show a text to the people of a collection, in place of the one before in this language."""
    written = text_of(text)
    with opened_consent_desk() as desk:
        made = desk.consents.add_notice(
            desk.company_id, collection, language=language, controller=controller, text=written
        )
    if json_out is not None:
        print_json(json_out, [(NoticeView, notice_view(made))])
    else:
        typer.echo(f"{made.notice_id} version {made.version} {made.sha256}")


@app.command("list")
def list_notices(
    collection: Annotated[str | None, typer.Argument(help="Of this collection alone.")] = None, json_out: Json = None
) -> None:
    """The newest version of each notice."""
    with opened_consent_desk() as desk:
        page = partial(desk.consents.notices, desk.company_id, _PAGE, collection_id=collection)
        found = list(every(page, attrgetter("notice_id")))
    if json_out is not None:
        print_json(json_out, [(NoticeView, notice_view(one)) for one in found])
        return
    rows = table("NOTICE", "VERSION", "LANGUAGE", "COLLECTION", "SHA-256")
    for one in found:
        rows.add_row(one.notice_id, str(one.version), one.language, one.collection_id, one.sha256)
    show(rows)


@app.command("show")
def show_notice(
    notice: Annotated[str, typer.Argument(help="The notice's id, such as not_local_0123456789abcdef01234567.")],
    version: Annotated[int | None, typer.Option(min=1, help="Which version; left out, the newest.")] = None,
    json_out: Json = None,
) -> None:
    """The text of a notice."""
    with opened_consent_desk() as desk:
        found = desk.consents.notice(desk.company_id, notice, version)
    if json_out is not None:
        print_json(json_out, [(NoticeView, notice_view(found))])
    else:
        typer.echo(found.text, nl=False)
