"""`moretta serve`: the service."""

import json
import sys
from typing import Annotated

import typer

from moretta.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on instead of MORETTA_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on instead of MORETTA_PORT.")] = None,
) -> None:
    """Start the service and, the first time, print an API key once."""
    import uvicorn

    from moretta.api.app import create_app
    from moretta.api.serving import serving

    settings = Settings()
    host, port = host or settings.host, settings.port if port is None else port
    with serving(settings, _report_outcome) as running:
        if running.first_key is not None:
            typer.echo(f"API key (shown once, stored as a hash): {running.first_key.token}")
        typer.echo(
            f"Moretta listens on http://{host}:{port}. Every process runs on this machine: an administrator of it can"
        )
        typer.echo(
            "read what the workers hold in memory while they work; the workers themselves have no files and no network."
        )
        sys.stdout.flush()
        uvicorn.run(
            create_app(running.services),
            host=host,
            port=port,
            access_log=False,
            server_header=False,
            log_level="warning",
        )


def _report_outcome(outcome: str) -> None:
    print(json.dumps({"event": "usage-report", "outcome": outcome}), file=sys.stderr)
