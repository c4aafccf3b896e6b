"""`moretta serve`: the service."""

import gc
import json
import sys
from typing import Annotated

import typer

from moretta.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on instead of MORETTA_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="The port to listen on instead of MORETTA_PORT; 0: a free one.")
    ] = None,
) -> None:
    """Start the service and, the first time, print an API key once."""
    from moretta.api.app import create_app
    from moretta.api.serving import serving
    from moretta.cli.listening import end_in_order, listen, serve_app, url
    from moretta.pages.statistics import StatisticsPageMaker
    from moretta.pages.subject import SubjectPageMaker

    settings = Settings()
    end_in_order()
    # The port comes first: a key that is shown once must not be shown by a service that cannot start.
    with (
        listen(host or settings.host, settings.port if port is None else port) as listener,
        serving(settings, _report_outcome) as running,
    ):
        if running.first_key is not None:
            typer.echo(f"API key (shown once, stored as a hash): {running.first_key.token}")
        typer.echo(
            f"Moretta listens on {url(listener)}. Every process runs on this machine: an administrator of it can"
        )
        typer.echo(
            "read what the workers hold in memory while they work; the workers themselves have no files and no network."
        )
        sys.stdout.flush()
        app = create_app(running.services, maker=SubjectPageMaker(), statistics_maker=StatisticsPageMaker())
        # What has been loaded stays: without this, a full collection looks at all of it, 0.1 s in the midst of an answer.
        gc.collect()
        gc.freeze()
        serve_app(app, listener)


def _report_outcome(outcome: str) -> None:
    print(json.dumps({"event": "usage-report", "outcome": outcome}), file=sys.stderr)
