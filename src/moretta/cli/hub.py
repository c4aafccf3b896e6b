"""`moretta hub`: the vendor's small service that issues company ids and keys and shows counts."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from moretta.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="The vendor's side: issue company ids and keys, take batches, show counts."
)
companies = typer.Typer(no_args_is_help=True, help="Issue and list companies.")
app.add_typer(companies, name="companies")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0: a free one.")] = 8443,
    cert: Annotated[Path | None, typer.Option(help="TLS certificate (PEM).")] = None,
    key: Annotated[Path | None, typer.Option(help="TLS private key (PEM).")] = None,
) -> None:
    """Take signed batches over HTTPS and show counts. Without a certificate it listens on this machine only."""
    from moretta.api.hub import create_hub_app
    from moretta.cli.listening import end_in_order, listen, serve_app, url
    from moretta.core.errors import RequestInvalid
    from moretta.wiring.hub import opened_hub

    if (cert is None or key is None) and host not in {"127.0.0.1", "::1", "localhost"}:
        raise RequestInvalid(
            "expected --cert and --key for an address outside this machine: batches travel over HTTPS only"
        )
    if (cert is None) is not (key is None):
        raise RequestInvalid("expected --cert and --key together, got one of them")
    tls = {} if cert is None or key is None else {"ssl_certfile": os.fspath(cert), "ssl_keyfile": os.fspath(key)}
    end_in_order()
    with listen(host, port) as listener, opened_hub(Settings()) as hub:
        typer.echo(f"The hub listens on {url(listener, 'https' if tls else 'http')}.")
        sys.stdout.flush()
        serve_app(create_hub_app(hub), listener, **tls)


@app.command()
def token() -> None:
    """Issue a token that reads every company's counts; it is printed once."""
    from moretta.wiring.hub import opened_hub

    with opened_hub(Settings()) as hub:
        typer.echo(hub.create_admin_token())


@app.command()
def counts() -> None:
    """What every company reported, by day."""
    from moretta.wiring.hub import opened_hub

    with opened_hub(Settings()) as hub:
        for count in hub.counts():
            typer.echo(f"{count.day} {count.company_id} {count.endpoint} {count.status} {count.items}")


@companies.command()
def create() -> None:
    """Issue a company: its random id, its signing key and a token for its own counts, all printed once."""
    from moretta.wiring.hub import opened_hub

    with opened_hub(Settings()) as hub:
        issued = hub.create_company()
    typer.echo(f"company id:  {issued.company_id}")
    typer.echo(f"signing key: {issued.signing_key}")
    typer.echo(f"token:       {issued.token}")
    typer.echo("Keep key and token now: the hub stores only the public key and a hash.", err=True)


@companies.command("list")
def list_companies() -> None:
    """List the companies' ids; the hub knows no names."""
    from moretta.wiring.hub import opened_hub

    with opened_hub(Settings()) as hub:
        for company_id in hub.companies():
            typer.echo(company_id)
