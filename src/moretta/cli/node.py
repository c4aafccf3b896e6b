"""`moretta node`: a comparing node in another region, or on another machine."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def node(
    region: Annotated[str, typer.Option(help="The region in which it stands, as the regions file names it.")],
    listen: Annotated[str, typer.Option(help="Where it listens: tls:HOST:PORT, or unix:/PATH for one machine.")],
    data: Annotated[Path, typer.Option(help="The folder for its copies of segments; nobody else's.")],
    certificates: Annotated[
        Path | None, typer.Option(help="The folder with its certificate, from `moretta certificates`.")
    ] = None,
) -> None:
    """Hold galleries as their scheme protects them, follow the database that `serve` reads, and compare."""
    from moretta.cli.listening import end_in_order
    from moretta.wiring.node import opened_node

    end_in_order()
    with opened_node(region, listen, data, certificates) as server:
        typer.echo(f"The node of region {region} listens on {server.address}.")
        sys.stdout.flush()
        server.serve_forever()
