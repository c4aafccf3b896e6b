"""`moretta subject-link`: a person's way to their own pages.

Belongs here: arguments and what is printed. Does not belong here: what a link is (see `core.subject_access`).
"""

from datetime import timedelta
from typing import Annotated

import typer

from moretta.api.v1.subjects import SubjectLinkView, subject_link_view
from moretta.cli.consent_desk import TERMINAL
from moretta.cli.opened import opened_here
from moretta.cli.people import Json, print_json
from moretta.core.subject_access import LINK_LIFE, MAX_LINK_LIFE


def subject_link(
    person: Annotated[str, typer.Argument(help="The person's id, such as per_local_0123456789abcdef01234567.")],
    hours: Annotated[
        int, typer.Option(min=1, max=MAX_LINK_LIFE.days * 24, help="For how long its code can be used.")
    ] = LINK_LIFE.days * 24,
    json_out: Json = None,
) -> None:
    """Make a link with a one-time code to a person's own pages; the code is shown once."""
    from moretta.wiring.subjects import own_pages

    with opened_here() as here:
        pages = own_pages(here.means, here.settings)
        made = pages.make_link(here.company_id, person, made_by=TERMINAL, life=timedelta(hours=hours))
    view = subject_link_view(made, here.settings.subject_origin)
    if json_out is not None:
        print_json(json_out, [(SubjectLinkView, view)])
        return
    typer.echo(f"Link: {view.url}")
    typer.echo(f"Code: {view.code} (shown once, stored as a hash)")
    typer.echo(f"It opens the person's own pages once, until {made.link.expires_at:%Y-%m-%d %H:%M} UTC.")
    typer.echo("Give it to that person and nobody else; where you can, send link and code by different ways.")
