"""`moretta party`: one of the three parties that hold galleries of the scheme `shares`, best each in a region of its own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from moretta.core.errors import RequestInvalid

app = typer.Typer(help="Hold one of three shares of galleries that nobody can read (scheme `shares`).")

DataFolder = Annotated[
    Path | None, typer.Option(help="The folder of its key and its shares; nobody else's, and worth a backup.")
]


@app.callback(invoke_without_command=True)
def party(
    context: typer.Context,
    region: Annotated[
        str | None, typer.Option(help="The region in which it stands; it takes collections that may be there.")
    ] = None,
    index: Annotated[int | None, typer.Option(min=0, max=2, help="Which of the three it is: 0, 1 or 2.")] = None,
    listen: Annotated[
        str | None, typer.Option(help="Where it listens: tls:HOST:PORT, or unix:/PATH for one machine.")
    ] = None,
    peers: Annotated[
        list[str] | None,
        typer.Option("--peer", help="Another party, as INDEX=ADDRESS; give both, each in its own option."),
    ] = None,
    data: DataFolder = None,
    certificates: Annotated[
        Path | None, typer.Option(help="The folder with its certificate: role party-0, party-1 or party-2.")
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0.1, help="Longest wait for another party's message, in seconds.")
    ] = 10.0,
    restore: Annotated[
        bool, typer.Option("--restore", help="Fetch the galleries that this party lost from the two others first.")
    ] = False,
) -> None:
    """Run a party. All three are needed to compare; one alone learns nothing of a face."""
    from moretta.cli.listening import end_in_order
    from moretta.wiring.party import opened_party

    if context.invoked_subcommand is not None:
        return
    if region is None or index is None or listen is None or data is None:
        raise RequestInvalid("expected --region, --index, --listen and --data, and --peer for each of the two others")
    end_in_order()
    with opened_party(index, region, listen, _addresses(peers or []), data, certificates, patience) as (
        server,
        running,
    ):
        if restore:
            typer.echo(f"Party {index} holds {running.restore()} galleries.")
        typer.echo(f"Party {index} of region {region} listens on {server.address}.")
        sys.stdout.flush()
        server.serve_forever()


@app.command()
def key(data: DataFolder = None) -> None:
    """Print the party's public key, 64 hexadecimal digits; made the first time."""
    from moretta.wiring.party import party_public_key

    if data is None:
        raise RequestInvalid("expected --data, the party's folder")
    typer.echo(party_public_key(data).hex())


def _addresses(peers: list[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for text in peers:
        number, _, address = text.partition("=")
        if number not in {"0", "1", "2"} or int(number) in found:
            raise RequestInvalid(
                "expected --peer as INDEX=ADDRESS, such as 1=tls:10.0.0.2:7321, once for each other party"
            )
        found[int(number)] = address
    return found
