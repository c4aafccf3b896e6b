"""`moretta demo-stats`: a made-up shop and a real clip, counted without recognising anybody, and the page that shows it.

Belongs here: the order and the words. Does not belong here: watching, simulating, serving.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from moretta.core.cameras import WatchReceipt
from moretta.core.clock import utc_now
from moretta.core.keys import Scope
from moretta.core.statistics import MEASURES, Measure
from moretta.settings import Settings
from moretta.use_cases.statistics import Statistics, Step
from moretta.wiring.service import opened
from moretta.wiring.statistics import statistics_over

_HOURS = 10.0
_PEOPLE_PER_HOUR = 300.0
_SHOWN = (Measure.PASSERS, Measure.VISITS, Measure.DWELL, Measure.FLOW, Measure.AGE)


def demo_stats(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where the page is served on this machine; 0: a free port.")
    ] = 0,
    page: Annotated[bool, typer.Option("--page/--no-page", help="Serve the page at the end, until Ctrl-C.")] = True,
    keep: Annotated[Path | None, typer.Option(help="Keep what is stored in this new folder, to look at it.")] = None,
) -> None:
    """Count a made-up shop's visitors and those of a real clip, with noise, and show the page of it."""
    with _folder(keep) as folder:
        settings = Settings(data_dir=folder)
        _simulate(settings)
        _watch_clip(settings)
        with opened(settings) as deployment:
            _tell(statistics_over(deployment.engine, deployment.company_id))
        if page:
            _serve(settings, port)


def _simulate(settings: Settings) -> None:
    from moretta.cli.simulate import simulated_hours

    typer.echo(f"1. {_HOURS:g} hours of a made-up shop: people are not real; noise, budget and releases are.")
    typer.echo(f"   {simulated_hours(settings, None, _HOURS, _PEOPLE_PER_HOUR, 0)}\n")


def _watch_clip(settings: Settings) -> None:
    from moretta.sdk_watching import Listener, Watcher, watch_target
    from moretta.vision.models import fetch_demo_clip

    typer.echo("2. A real clip of one talking person, watched by a process without files, network and any recogniser.")
    clip = fetch_demo_clip(settings.media_dir)
    listener = Listener(begun=_tell_receipt)
    target = watch_target({"clip": str(clip)}, name="clip")
    watcher = Watcher(target, listener, fast=True, settings=settings, door="cli:watch")
    watcher.run()
    for one in watcher.health():
        typer.echo(f"   {one.camera}: {one.analysed} pictures were looked at; one visit is too few to be shown.\n")


def _tell_receipt(receipt: WatchReceipt) -> None:
    names = ", ".join(sorted(model.name for model in receipt.models))
    typer.echo(f"   It loaded {names}: nothing that could tell who somebody is.")


def _tell(statistics: Statistics) -> None:
    now = utc_now()
    typer.echo("3. What was released of the shop, with where the true figure lies 95 times out of 100:")
    for measure in _SHOWN:
        series = statistics.series("sim-shop", measure, now - timedelta(days=2), now + timedelta(hours=1), Step.ALL)
        for point in series.points:
            figures = [
                f"{figure.cell} {figure.value} ({figure.low} to {figure.high})"
                for figure in point.figures
                if figure.value is not None
            ]
            typer.echo(
                f"   {point.place}: {MEASURES[measure].unit} {MEASURES[measure].title}: {', '.join(figures) or '–'}"
            )
    for budget in statistics.budgets("sim-shop", now.date() - timedelta(days=1), now.date() + timedelta(days=1)):
        typer.echo(f"   {budget.day}: {budget.spent:g} of epsilon {budget.limit:g} is spent, and never comes back.")
    typer.echo("")


def _serve(settings: Settings, port: int) -> None:
    from moretta.api.app import create_app
    from moretta.api.serving import serving
    from moretta.cli.listening import end_in_order, listen, serve_app, url
    from moretta.pages.statistics import StatisticsPageMaker

    end_in_order()
    with listen("127.0.0.1", port) as listener, serving(settings, lambda _: None) as running:
        with opened(settings) as deployment:
            key = deployment.keys.create(deployment.company_id, [Scope.STATS_READ], label="demo")
        typer.echo(f"4. The page: {url(listener)}/statistics?site=sim-shop")
        typer.echo(f"   Any name; the password is {key.token}")
        typer.echo("   Ctrl-C ends the demonstration and deletes what it stored.")
        sys.stdout.flush()
        serve_app(create_app(running.services, statistics_maker=StatisticsPageMaker()), listener)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=False)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="moretta-demo-") as folder:
        yield Path(folder)
