"""The `moretta` command.

Belongs here: the tree of commands, and how an error becomes a message and an exit code.
"""

import logging
import resource
import sys
from typing import Annotated

import typer

from moretta import __version__
from moretta.cli import analyze, docs, doctor, hub, keys, models, serve, usage
from moretta.core.errors import MorettaError

app = typer.Typer(
    name="moretta",
    help="Self-hosted face analytics that keeps its mouth shut: trust scores and measurements where the media is.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"moretta {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Errors of a command are told once, by `run`; the service keeps its log."""
    if context.invoked_subcommand != "serve":
        logging.getLogger("moretta").addHandler(logging.NullHandler())


app.command("analyze")(analyze.analyze)
app.command("demo")(analyze.demo)
app.command("doctor")(doctor.doctor)
app.command("serve")(serve.serve)
app.command("usage")(usage.usage)
app.command("egress")(usage.egress)
app.command("docs")(docs.docs)
app.add_typer(models.app, name="models")
app.add_typer(keys.app, name="keys")
app.add_typer(hub.app, name="hub")


def run() -> None:
    """Run the command of the process's arguments; errors become one message on stderr and their exit code.

    Typer itself ends quietly on SIGINT (exit status 130) and where the reader of a pipe has gone (1).
    """
    # This process holds media bytes in memory: a crash must not write them to a disk.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        app()
    except MorettaError as error:
        because = f" ({error.legal_ref})" if error.legal_ref is not None else ""
        typer.echo(f"moretta: {error.title}: {error.detail}{because}", err=True)
        sys.exit(error.exit_code)
