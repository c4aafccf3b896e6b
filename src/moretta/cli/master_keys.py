"""`moretta master-keys`: list the master keys of a region, and change them without a pause.

Belongs here: what the commands say. Does not belong here: the steps of a change (see `keys.rotation`).
"""

from typing import Annotated

import typer

from moretta.keys.rotation import settling_s
from moretta.settings import Settings
from moretta.wiring.master_keys import change_of_master_key, listed_master_keys

app = typer.Typer(no_args_is_help=True, help="The keys that wrap everything else: list them, change them.")

Region = Annotated[str | None, typer.Option(help="A region with a database; left out: the default one.")]


@app.command("list")
def list_keys(region: Region = None) -> None:
    """List the ids of the master keys that still open something, the oldest first."""
    master_keys, active = listed_master_keys(Settings(), region)
    for master_key_id in master_keys:
        typer.echo(f"{master_key_id}  {'active' if master_key_id == active else 'old: a change was begun'}")


@app.command()
def change(
    region: Region = None,
    anew: Annotated[
        bool, typer.Option(help="Make another key even where a change was begun and not finished.")
    ] = False,
    settle_s: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Longest time, in seconds, for which a request may hold a key that it has not stored. Left out: what the "
            "settings allow a request.",
        ),
    ] = None,
) -> None:
    """Wrap every key under a new master key while the service goes on, then destroy the old one.

    Cut off at any point, it goes on where it was when it is run again. Regions whose keys are in the same place change together.
    """
    settings = Settings()
    settle_s = settling_s(settings.time_limit_s) if settle_s is None else settle_s
    typer.echo(f"This takes at least {settle_s:g} s: until no request can hold a key of the old kind.", err=True)
    done = change_of_master_key(settings, region, anew=anew, settle_s=settle_s)
    typer.echo(
        f"{done.active} is active; {done.rewrapped} keys were wrapped anew, {len(done.destroyed)} master keys destroyed."
    )
    if done.kept:
        typer.echo(
            f"{len(done.kept)} old master keys are kept: {done.unreadable} stored keys do not open, and would be lost with them.",
            err=True,
        )
        raise typer.Exit(75)
