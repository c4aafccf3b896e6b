"""`moretta simulate`: a site with a made-up crowd, so that it can be tried with no person.

Belongs here: reading arguments, progress. Does not belong here: the crowd (`statistics.simulation`).
"""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from moretta.cli.terminal import console
from moretta.core.clock import utc_now
from moretta.core.site import Line, Site, Target, View, Zone
from moretta.settings import Settings
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.wiring.service import opened
from moretta.wiring.simulating import simulate as simulated
from moretta.wiring.site_file import read_site


def example_site() -> Site:
    """A shop with a door that is also a line, and a shelf that people look at."""
    zones = (
        Zone("entrance", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))),
        Zone("shelf", ((0.5, 0.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1.0))),
    )
    threshold = Line("threshold", (0.5, 0.0), (0.5, 1.0))
    return Site("shop", (View("door", zones, (threshold,), Target("screen")),))


def simulate(
    site_file: Annotated[
        Path | None,
        typer.Argument(help="The site file; left out: a shop with a door and a shelf.", metavar="[SITE.toml]"),
    ] = None,
    hours: Annotated[float, typer.Option(min=0.1, max=240, help="How many hours, ending now.")] = 10.0,
    people: Annotated[
        float,
        typer.Option("--people-per-hour", min=1, max=20_000, help="How many come to each camera in the busiest hour."),
    ] = 200.0,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed makes the same crowd; the noise is new each time.")
    ] = 0,
) -> None:
    """Let a made-up crowd pass a site's cameras; noise, budget and releases are real, people are not."""
    typer.echo(simulated_hours(Settings(), site_file, hours, people, seed))


def simulated_hours(settings: Settings, site_file: Path | None, hours: float, people: float, seed: int) -> str:
    """Simulate so many hours that end now, with a progress bar, and say in words what came of it."""
    site = read_site(site_file).site if site_file is not None else example_site()
    site = site.as_made_up()
    end = utc_now()
    start_s, end_s = (end - timedelta(hours=hours)).timestamp(), end.timestamp()
    visits = released = refused = 0
    with opened(settings) as deployment, _bar() as bar:
        budgets = SqlBudgetStore(deployment.engine, deployment.company_id)
        releases = SqlReleaseStore(deployment.engine, deployment.company_id)
        task = bar.add_task(f"{hours:g} h of {site.name}", total=end_s - start_s)
        for told in simulated(site, budgets, releases, start_s=start_s, end_s=end_s, people_per_hour=people, seed=seed):
            visits = told.visits
            released += sum(outcome.made is not None for outcome in told.outcomes)
            refused += sum(outcome.refused is not None for outcome in told.outcomes)
            bar.update(task, completed=told.time_s - start_s)
    spent = f"; {refused} not made: the day's privacy budget is spent" if refused else ""
    return f"{visits} made-up visits, {released} releases of {site.name}{spent}: moretta stats show {site.name} visits"


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console(stderr=True), transient=True)
