"""`moretta keyd`: holds keys and opens scores in a process, and best on a machine, of its own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from moretta.core.errors import RequestInvalid


def keyd(
    listen: Annotated[str, typer.Option(help="Where it listens: tls:HOST:PORT, or unix:/PATH for one machine.")],
    data: Annotated[Path, typer.Option(help="The folder of its keys; nobody else's, and worth a backup of its own.")],
    certificates: Annotated[
        Path | None, typer.Option(help="The folder with its certificate, from `moretta certificates`.")
    ] = None,
    pkcs11: Annotated[
        str | None,
        typer.Option(
            help="Keep master keys in a token: pkcs11:token=LABEL?module-path=/LIBRARY.so&pin-source=file:/FILE."
        ),
    ] = None,
    party_key: Annotated[
        list[str] | None, typer.Option(help="For the scheme shares: a party's public key in hex; give three, in order.")
    ] = None,
    openings_per_minute: Annotated[
        int, typer.Option(min=1, help="How often scores may be opened under one gallery key.")
    ] = 6000,
    tell_templates: Annotated[
        bool,
        typer.Option(
            "--tell-templates",
            help="Tell `serve` single templates, at a rate of their own: for people who ask for theirs (GDPR Art. 15).",
        ),
    ] = False,
) -> None:
    """Hold master keys and gallery keys for `moretta serve`: it gets persons' data keys and matches, never a score."""
    from moretta.cli.listening import end_in_order
    from moretta.wiring.key_holding import opened_keyd

    end_in_order()
    with opened_keyd(
        listen,
        data,
        certificates,
        pkcs11=pkcs11,
        parties=_public_keys(party_key or []),
        openings_per_minute=openings_per_minute,
        tell_templates=tell_templates,
    ) as server:
        typer.echo(f"The key holder listens on {server.address}.")
        sys.stdout.flush()
        server.serve_forever()


def _public_keys(given: list[str]) -> bytes:
    try:
        keys = [bytes.fromhex(text) for text in given]
    except ValueError:
        keys = [b""]
    if keys and (len(keys) != 3 or any(len(key) != 32 for key in keys)):
        raise RequestInvalid("expected --party-key three times, each with 64 hexadecimal digits")
    return b"".join(keys)
