"""`moretta log`: look into the transparency log of a region, prove what is in it, and check it as a whole.

Belongs here: arguments and what is printed. Does not belong here: proving and checking (see `ledger`).
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from moretta.core.errors import RequestInvalid
from moretta.core.notes import Note, parse_note
from moretta.core.signing import to_base64
from moretta.settings import Settings

app = typer.Typer(
    no_args_is_help=True, help="The log of everything that was done: read it, prove what is in it, check it."
)

Region = Annotated[str | None, typer.Option(help="A region with a database; left out: the default one.")]
Earlier = Annotated[
    list[Path] | None,
    typer.Option(help="A checkpoint of this log that was kept elsewhere; may be given several times."),
]


@app.command()
def show(
    start: Annotated[int, typer.Option(min=0, help="The first entry.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most entries.")] = 100,
    region: Region = None,
) -> None:
    """Print entries as JSON, one a line: what was done, and people as salted commitments only."""
    from moretta.wiring.own_keys import opened_ledger

    with opened_ledger(Settings(), region) as ledger:
        for found in ledger.log.entries(start, limit):
            typer.echo(json.dumps({"index": found.index, **found.entry.fields()}))


@app.command()
def checkpoint(
    region: Region = None,
    size: Annotated[int | None, typer.Option(min=0, help="One that was signed before, of that size.")] = None,
    since: Annotated[
        int | None, typer.Option(min=0, help="Put a proof before it that the log begins with its first SINCE entries.")
    ] = None,
) -> None:
    """Print a signed checkpoint: keep it elsewhere, and no one can rewrite what it covers without being found out."""
    from moretta.wiring.own_keys import opened_ledger

    with opened_ledger(Settings(), region) as ledger:
        found = ledger.log.checkpoint(size)
        if since is not None:
            typer.echo(f"old {since}")
            for one in ledger.log.consistency(since, found.size).hashes:
                typer.echo(to_base64(one))
            typer.echo("")
        typer.echo(found.note, nl=False)


@app.command()
def keys(region: Region = None) -> None:
    """Print the public keys that sign for a region, the oldest first; give them to whoever verifies."""
    from moretta.wiring.own_keys import opened_ledger

    with opened_ledger(Settings(), region) as ledger:
        for key in ledger.log.public_keys():
            typer.echo(key.text())


@app.command()
def prove(
    index: Annotated[int, typer.Argument(min=0, help="Where the entry stands.")],
    region: Region = None,
    earlier: Annotated[
        Path | None, typer.Option(help="A checkpoint that was kept: prove as well that the log begins with it.")
    ] = None,
) -> None:
    """Print a proof that an entry is in the log, as JSON that `moretta verify` checks offline."""
    from moretta.ledger.proofs import proof_of
    from moretta.wiring.own_keys import opened_ledger

    with opened_ledger(Settings(), region) as ledger:
        typer.echo(json.dumps(proof_of(ledger.log, index, None if earlier is None else _note(earlier)), indent=1))


@app.command()
def check(region: Region = None, against: Earlier = None) -> None:
    """Compute the whole tree anew and compare it with what is stored and what was signed; exit 76 where it was changed.

    A database that is rolled back as a whole agrees with itself: only a witness, or a checkpoint kept elsewhere, can tell.
    """
    from moretta.keys.signing import is_signed_by
    from moretta.ledger.check import check_log
    from moretta.wiring.own_keys import opened_ledger

    known = [_note(path) for path in against or ()]
    with opened_ledger(Settings(), region) as ledger:
        found = check_log(ledger.store, ledger.log.public_keys(), is_signed_by, known)
    typer.echo(
        f"The log holds: {found.size} entries, root {found.root.hex()}, as {found.checkpoints} signed checkpoints "
        f"and {len(known)} kept elsewhere say."
    )


def _note(path: Path) -> Note:
    try:
        return parse_note(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        raise RequestInvalid("expected a file with a checkpoint, as `moretta log checkpoint` prints it") from None
