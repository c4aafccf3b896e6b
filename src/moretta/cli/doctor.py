"""`moretta doctor`: what works here, what does not, and how to mend it."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from moretta.cli.terminal import console
from moretta.settings import Settings
from moretta.wiring.health import examine


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Examine this machine and installation; exit 78 when something that is needed does not work."""
    findings = examine(Settings())
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("", no_wrap=True)
        for heading in ("what", "found", "to mend"):
            table.add_column(heading, overflow="fold")
        for finding in findings:
            mark = "[green]works[/]" if finding.ok else "[red]broken[/]" if finding.needed else "[yellow]missing[/]"
            table.add_row(mark, finding.what, finding.found, "" if finding.ok else finding.mend)
        console().print(table)
    if any(finding.needed and not finding.ok for finding in findings):
        raise typer.Exit(78)
