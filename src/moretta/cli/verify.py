"""`moretta verify`: of a photo, whether it shows a person; of a document, whether it holds.

Belongs here: telling the two apart, reading files, and what is printed. Does not belong here: deciding (see `matching`), and what
makes a document hold (see `wiring.verifying`).
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.outputs import STDIO
from moretta.cli.people import Json, Purpose
from moretta.core.documents import Trust
from moretta.core.errors import RequestInvalid
from moretta.core.signing import fingerprint
from moretta.settings import Settings


def verify(
    what: Annotated[
        str,
        typer.Argument(
            help="A signed document: certificate, receipt, proof, checkpoint or ZIP; `-` reads it from standard input. "
            "With PHOTO: a person's id."
        ),
    ],
    photo: Annotated[str | None, typer.Argument(help="A photo; `-` reads it from standard input.")] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(
            help="A public key that is trusted, or a file of some; left out: those of this deployment's own regions."
        ),
    ] = None,
    purpose: Purpose = None,
    json_out: Json = None,
) -> None:
    """Whether a signed document holds, or whether a photo shows a person; exit status 0 for yes.

    A document is verified offline, with nothing but the public key of the region that signed it; one that does not hold ends with
    exit status 65 and the reason. A photo that shows somebody else ends with exit status 1.
    """
    if photo is not None:
        from moretta.cli import matching

        matching.verify(what, photo, purpose, json_out)
        return
    from moretta.wiring.verifying import trust_in, verified

    found = verified(_read(what), trust_in(key) if key else _own())
    typer.echo(f"holds: {found.type}, signed by {found.public_key.hex()}")
    typer.echo(f"  fingerprint of the key (SHA-256): {fingerprint(found.public_key)}")
    for statement in found.statements:
        typer.echo(f"  {statement}")


def _own() -> Trust:
    from moretta.wiring.own_keys import trust_in_own

    return trust_in_own(Settings())


def _read(name: str) -> bytes:
    from moretta.wiring.verifying import MAX_DOCUMENT_BYTES

    try:
        if name == STDIO:
            content = sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise RequestInvalid(f"the document cannot be read: {error.strerror}") from None
    if len(content) > MAX_DOCUMENT_BYTES:
        raise RequestInvalid("expected a document of less than 2 GiB")
    return content
