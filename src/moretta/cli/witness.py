"""`moretta witness`: an independent process, best run by somebody else, that watches a log.

Belongs here: arguments, waiting, and what is said. Does not belong here: what a witness believes (see `ledger.witness`).
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moretta.core.clock import utc_now
from moretta.core.errors import LogBroken, NodeUnavailable, RequestInvalid
from moretta.core.notes import parse_note_key

if TYPE_CHECKING:
    from moretta.wiring.witnessing import LogSource, Witness


def witness(
    log: Annotated[
        str, typer.Option(help="https://host of a Moretta service, a file with a checkpoint and its proof, or `-`.")
    ],
    key: Annotated[
        list[str], typer.Option(help="A key of the log, as `moretta log keys` prints it; several are tried.")
    ],
    state: Annotated[Path, typer.Option(help="A folder of the witness's own: its key, and what it saw last.")],
    name: Annotated[str, typer.Option(help="The witness's name, under which it signs.")] = "witness",
    token_file: Annotated[Path | None, typer.Option(help="A file with an API key of the service.")] = None,
    region: Annotated[str | None, typer.Option(help="Whose log; left out: the service's default region.")] = None,
    every_s: Annotated[
        float | None, typer.Option(min=1, help="Look again after so many seconds; left out: once.")
    ] = None,
) -> None:
    """Watch a log from outside: sign each checkpoint that only grew, cry out where one was rewritten.

    A log that was forked or rolled back ends it with exit status 76; both checkpoints are then in a file of evidence.
    """
    from moretta.wiring.witnessing import Witness

    watching = Witness(state, name, [parse_note_key(one) for one in key], utc_now)
    typer.echo(f"witness {watching.key().text()}", err=True)
    while True:
        try:
            _look(watching, log, token_file, region)
        except NodeUnavailable as error:
            if every_s is None:
                raise
            typer.echo(f"moretta: {error.detail}", err=True)
        if every_s is None:
            return
        time.sleep(every_s)


def _look(watching: "Witness", log: str, token_file: Path | None, region: str | None) -> None:
    from moretta.wiring.witnessing import CriedOut

    found = watching.look(_source(log, token_file, region))
    if isinstance(found, CriedOut):
        raise LogBroken(
            f"{found.evidence.misdeed}: the log does not begin with what was seen of it; evidence in {found.file.name} of the "
            "state folder. Keep it, and ask whoever runs the log"
        )
    typer.echo(f"{found.note.origin} has {found.note.size} entries and only grew")
    typer.echo(found.line, nl=False)


def _source(log: str, token_file: Path | None, region: str | None) -> "LogSource":
    from moretta.core.notes import MAX_NOTE_BYTES
    from moretta.links.http import parse_http_address
    from moretta.wiring.witnessing import FileSource, HttpSource

    if "://" in log:
        if token_file is None:
            raise RequestInvalid("expected --token-file, a file with an API key of the service")
        return HttpSource(parse_http_address(log), _text(token_file, 4096).strip(), region)
    return FileSource(sys.stdin.read(MAX_NOTE_BYTES) if log == "-" else _text(Path(log), MAX_NOTE_BYTES))


def _text(path: Path, most: int) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(most)
    except (OSError, UnicodeDecodeError):
        raise RequestInvalid("expected a file of text that can be read") from None
