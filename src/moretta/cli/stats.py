"""`moretta stats`: released statistics and what was spent on them.

Belongs here: reading arguments and printing. Does not belong here: sums and intervals (`use_cases.statistics`), watching
(`watch`).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from moretta.cli.outputs import write_output
from moretta.cli.terminal import console
from moretta.core.clock import to_second, utc_now
from moretta.core.statistics import MEASURES, Measure
from moretta.settings import Settings
from moretta.use_cases.statistics import Figure, Statistics, Step
from moretta.use_cases.statistics.export import TextFormat, exported, rows
from moretta.wiring.service import opened
from moretta.wiring.statistics import parquet, statistics_over

app = typer.Typer(no_args_is_help=True, help="Anonymous statistics of watched sites: show, live, export, budgets.")

SiteName = Annotated[str, typer.Argument(help="The site's name.")]
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
Since = Annotated[
    datetime | None, typer.Option("--from", formats=_MOMENTS, help="In UTC; left out: a day before the end.")
]
Until = Annotated[datetime | None, typer.Option("--to", formats=_MOMENTS, help="In UTC; left out: now.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


class Form(StrEnum):
    """In which form statistics leave."""

    CSV = "csv"
    PARQUET = "parquet"
    PROMETHEUS = "prometheus"


@app.command()
def sites() -> None:
    """The sites of which anything was released."""
    with _statistics() as statistics:
        for name in statistics.sites():
            typer.echo(name)


@app.command()
def show(
    site: SiteName,
    measure: Annotated[Measure, typer.Argument(help="What was measured.")],
    since: Since = None,
    until: Until = None,
    step: Annotated[Step, typer.Option(help="What one row covers.")] = Step.BUCKET,
    as_json: Json = False,
) -> None:
    """A measure of a site over time."""
    first, last = _span(since, until)
    with _statistics() as statistics:
        series = statistics.series(site, measure, first, last, step)
    if as_json:
        for point in series.points:
            figures = [figure._asdict() for figure in point.figures]
            line = {
                "start": to_second(point.start),
                "day": None if point.day is None else point.day.isoformat(),
                "place": point.place,
                "covered_s": point.covered_s,
                "figures": figures,
            }
            typer.echo(json.dumps({"site": site, "measure": measure, **line, "confidence": series.confidence}))
        return
    terms = MEASURES[measure]
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("day" if step is Step.DAY else "from", "place", *terms.cells):
        table.add_column(heading)
    for point in series.points:
        when = to_second(point.start) if point.day is None else point.day.isoformat()
        table.add_row(when, point.place, *(_told(figure) for figure in point.figures))
    console().print(table)
    typer.echo(
        f"{terms.unit} {terms.title}; in brackets, where the true figure lies with {series.confidence:.0%} confidence; "
        "–: too small to be shown"
    )


@app.command()
def live(site: SiteName, as_json: Json = False) -> None:
    """The live counters of a site as last released."""
    with _statistics() as statistics:
        found = statistics.live(site)
    if as_json:
        for (place, measure), figures in found.figures.items():
            told = {"place": place, "measure": measure, "figures": [figure._asdict() for figure in figures]}
            typer.echo(json.dumps({"site": site, "day": found.day.isoformat(), "time": to_second(found.time), **told}))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("place", "counter", "figures"):
        table.add_column(heading)
    for (place, measure), figures in found.figures.items():
        words = "  ".join(f"{figure.cell} {_told(figure)}" for figure in figures)
        table.add_row(place, f"{MEASURES[measure].unit} {MEASURES[measure].title}", words)
    console().print(table)
    typer.echo(f"{found.day.isoformat()}, as of {to_second(found.time)}")


@app.command()
def export(
    site: SiteName,
    since: Since = None,
    until: Until = None,
    form: Annotated[Form, typer.Option("--format", help="The form.")] = Form.CSV,
    out: Annotated[str, typer.Option(help="The file to write, or `-`.")] = "-",
) -> None:
    """All measures of a site as CSV or Parquet, or the newest figures for Prometheus."""
    first, last = _span(since, until)
    with _statistics() as statistics:
        if form is Form.PARQUET:
            content = parquet(rows(statistics, site, first, last))
        else:
            content = exported(statistics, site, first, last, TextFormat(form.value)).encode()
    write_output(out, content)


@app.command()
def alarms(site: SiteName, since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """When released figures went over what the site file sets: crowding, loitering, unusual flow."""
    first, last = _span(since, until)
    with _statistics() as statistics:
        found = statistics.alarms(site, first, last)
    for one in found:
        time = to_second(one.time)
        if as_json:
            told = {"time": time, "kind": one.kind, "place": one.place, "value": one.value, "threshold": one.threshold}
            typer.echo(json.dumps({"site": site, **told}))
        else:
            typer.echo(f"{time}  {one.kind}  {one.place}: {one.value}, set {one.threshold:g}")
    if not found and not as_json:
        typer.echo("no alarms")


@app.command()
def budgets(
    site: Annotated[str | None, typer.Argument(help="Of this site; left out: of all.")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How many days back.")] = 30,
    as_json: Json = False,
) -> None:
    """What may be spent on any one visit of a day, what was, and what is left (epsilon)."""
    # A site east of Greenwich is in its next day already.
    last = utc_now().date() + timedelta(days=1)
    with _statistics() as statistics:
        found = statistics.budgets(site, last - timedelta(days=days), last)
    if as_json:
        for one in found:
            typer.echo(
                json.dumps(
                    {
                        "site": one.site,
                        "day": one.day.isoformat(),
                        "limit": one.limit,
                        "spent": one.spent,
                        "left": one.left,
                    }
                )
            )
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("site", "day", "limit", "spent", "left"):
        table.add_column(heading)
    for one in found:
        table.add_row(one.site, one.day.isoformat(), *(f"{value:g}" for value in (one.limit, one.spent, one.left)))
    console().print(table)


@contextmanager
def _statistics() -> Iterator[Statistics]:
    with opened(Settings()) as deployment:
        yield statistics_over(deployment.engine, deployment.company_id)


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    last = until.replace(tzinfo=UTC) if until is not None else utc_now()
    return (since.replace(tzinfo=UTC) if since is not None else last - timedelta(days=1)), last


def _told(figure: Figure) -> str:
    return "–" if figure.value is None else f"{figure.value} ({figure.low} to {figure.high})"
