"""`moretta certificates`: the deployment's own authority, and a certificate for each of its processes."""

from pathlib import Path
from typing import Annotated

import typer


def certificates(
    folder: Annotated[Path, typer.Argument(help="Where the files go; an authority that is there is used.")],
    roles: Annotated[
        list[str], typer.Argument(help="Whose certificates: serve, keyd, node-REGION, party-0, party-1, party-2.")
    ],
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long they are valid.")] = 825,
) -> None:
    """Make the certificates with which the processes of one deployment know each other."""
    from moretta.links.certificates import AUTHORITY, issue

    issue(folder, roles, days)
    typer.echo(f"Wrote {AUTHORITY}.crt, and a certificate and a key (mode 0600) for {', '.join(roles)}.")
    typer.echo(f"Give each process its own two files and {AUTHORITY}.crt, and take {AUTHORITY}.key off line.", err=True)
