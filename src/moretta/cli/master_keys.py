"""`moretta master-keys`: list the master keys of each region, and change them without a pause.

Belongs here: what the commands say. Does not belong here: the steps of a change (see `keys.rotation`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from moretta.core.errors import RequestInvalid
from moretta.keys.rotation import SETTLE_S
from moretta.settings import Settings
from moretta.wiring.key_holding import Keys, opened_keys
from moretta.wiring.regions import opened_regions
from moretta.wiring.regions_file import RegionsPlan, folder_in, local_plan, read_regions
from moretta.wiring.service import opened

app = typer.Typer(no_args_is_help=True, help="The keys that wrap everything else: list them, change them.")

Region = Annotated[str | None, typer.Option(help="A region with a database; left out: the default one.")]


@app.command("list")
def list_keys(region: Region = None) -> None:
    """List the ids of the master keys that still open something, the oldest first; the last one is active."""
    settings = Settings()
    plan = local_plan(settings.data_dir) if settings.regions_file is None else read_regions(settings.regions_file)
    with _keys(plan, region or plan.default) as keys:
        active = keys.service.active()
        for master_key_id in keys.service.master_keys():
            typer.echo(f"{master_key_id}{'  active' if master_key_id == active else ''}")


@app.command()
def change(region: Region = None) -> None:
    """Make a new master key, wrap every key under it while the service goes on, and destroy the old ones.

    Cut off at any point, it is run again. Keep no copy of the old keys: a copy would still open copies of the database.
    """
    settings = Settings()
    with opened(settings) as state, opened_regions(settings, state.engine) as regions:
        name = region or regions.default
        if name not in regions:
            raise RequestInvalid("expected a region that has a database")
        typer.echo(f"Changing the master key of {name}: at least {SETTLE_S:g} s, until no writer can hold an old one.")
        active = regions[name].change_master_key()
    typer.echo(f"{active} is active.")


@contextmanager
def _keys(plan: RegionsPlan, name: str) -> Iterator[Keys]:
    found = plan.regions.get(name)
    if found is None or found.keys is None:
        raise RequestInvalid("expected a region that has a database")
    with opened_keys(found.keys, folder_in(found.gallery_keys or ""), folder_in(plan.certificates or "")) as keys:
        yield keys
