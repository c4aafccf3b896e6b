"""`moretta keys`: create, list and revoke API keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from moretta.cli.terminal import console
from moretta.core.keys import Scope
from moretta.settings import Settings
from moretta.wiring.service import opened

app = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")


@app.command()
def create(
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; repeat for several.")] = None,
    company: Annotated[
        str | None, typer.Option(help="The company it belongs to; left out: this deployment's own.")
    ] = None,
    label: Annotated[str, typer.Option(help="A note for yourself; shown in lists, never logged or sent.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="After how many days it expires; left out: never.")] = None,
) -> None:
    """Create a key. It is printed once and stored only as a hash."""
    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with opened(Settings()) as state:
        issued = state.keys.create(
            company or state.company_id, scope or [Scope.MEDIA_ANALYZE], label=label, expires_at=expires
        )
    typer.echo(issued.token)
    typer.echo(f"Key {issued.info.key_id}: keep it now, it is not shown again.", err=True)


@app.command("list")
def list_keys() -> None:
    """List the keys, without their secrets."""
    with opened(Settings()) as state:
        keys = state.keys.list()
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("key", "scopes", "created", "state", "label", "company"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "key")
    now = datetime.now(UTC)
    for key in keys:
        state_word = "active" if key.is_active(now) else "revoked" if key.revoked_at else "expired"
        created = key.created_at.strftime("%Y-%m-%d %H:%M")
        table.add_row(key.key_id, " ".join(sorted(key.scopes)), created, state_word, escape(key.label), key.company_id)
    console().print(table)


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id, from `moretta keys list`.")]) -> None:
    """Revoke a key: from now on it opens nothing."""
    with opened(Settings()) as state:
        state.keys.revoke(key_id)
    typer.echo(f"Key {key_id} is revoked.")
