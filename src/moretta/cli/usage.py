"""`moretta usage` and `moretta egress`: what was counted, and everything that left."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from moretta.cli.terminal import console
from moretta.settings import Settings
from moretta.wiring.reporting import build_egress
from moretta.wiring.service import opened

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object per line.")]


def usage(
    as_json: Json = False,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="From this UTC day on, YYYY-MM-DD.")
    ] = None,
) -> None:
    """How many media items were processed, by day, door, status and API key."""
    with opened(Settings()) as deployment:
        counts = deployment.usage.counts(since=None if since is None else f"{since:%Y-%m-%d}")
    if as_json:
        for count in counts:
            typer.echo(json.dumps(asdict(count)))
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("day", "endpoint", "status", "key", "company"):
        table.add_column(heading)
    table.add_column("items", justify="right")
    for count in counts:
        table.add_row(
            count.day, count.endpoint, str(count.status), count.key_id or "–", count.company_id, str(count.items)
        )
    console().print(table)
    items = sum(count.items for count in counts)
    typer.echo(f"{items} media item{'' if items == 1 else 's'} in all")


def egress(
    as_json: Json = False,
    preview: Annotated[
        bool, typer.Option(help="Print the exact bytes that would be sent next; sends nothing.")
    ] = False,
) -> None:
    """Every byte ever sent to the vendor, verbatim, and every address that the settings allow."""
    settings = Settings()
    with opened(settings) as deployment:
        ledger = build_egress(settings, deployment)
        if preview:
            content = ledger.next_batch_preview()
            nothing = "Reporting is off." if settings.usage_report == "off" else "Nothing waits."
            typer.echo(nothing if content is None else content.decode("utf-8", "replace"))
            return
        summary, attempts = ledger.summary(), list(ledger.attempts())
    if as_json:
        typer.echo(json.dumps({"summary": asdict(summary)}))
        for attempt in attempts:
            typer.echo(
                json.dumps({"attempt": {**asdict(attempt), "content": attempt.content.decode("utf-8", "replace")}})
            )
        return
    typer.echo(
        f"Reporting: {summary.reporter}. Attempts: {summary.attempts}. Bytes sent to the vendor: {summary.bytes_sent}."
    )
    for address in summary.addresses:
        times = "1 time" if address.count == 1 else f"{address.count} times"
        typer.echo(f"Allowed: {address.address} ({address.purpose}), tried {times}")
    if not summary.addresses:
        typer.echo("Allowed: no address outside this machine.")
    for attempt in attempts:
        where = attempt.address or "a file"
        typer.echo(
            f"\n{attempt.started_at} to {where}: {attempt.outcome or 'interrupted'}, {len(attempt.content)} bytes"
        )
        typer.echo(attempt.content.decode("utf-8", "replace"))
