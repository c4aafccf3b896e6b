"""`moretta drill`: prove on this deployment, now, that erasing erases.

Belongs here: arguments and what is printed. Does not belong here: the drill.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moretta.cli.opened import LazyWorker
from moretta.cli.outputs import write_output
from moretta.cli.people import note, show, table
from moretta.core.errors import RequestInvalid
from moretta.core.protection import Scheme
from moretta.settings import Settings

if TYPE_CHECKING:
    from moretta.wiring.drill import DrillReport

app = typer.Typer(no_args_is_help=True, help="Hold a drill: erase somebody made up, and search every store for them.")


@app.callback()
def _drills() -> None:
    """Hold a drill: erase somebody made up, and search every store for them."""


@app.command()
def erasure(
    data: Annotated[Path | None, typer.Option(help="The data folder instead of MORETTA_DATA_DIR.")] = None,
    certificate: Annotated[Path | None, typer.Option(help="Write the certificate of the erasure to this file.")] = None,
    scheme: Annotated[Scheme, typer.Option(help="How the made-up subject's template is protected.")] = Scheme.HE,
    region: Annotated[
        str | None, typer.Option(help="The region in which it is held; left out: the default one.")
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(help="A folder to search as well: of a party, a node, a database server; repeatable."),
    ] = None,
    vacuum: Annotated[
        bool,
        typer.Option(
            help="Have a PostgreSQL server write its tables anew after the erasure (VACUUM FULL, which locks them meanwhile)."
        ),
    ] = False,
) -> None:
    """Enrol somebody made up, erase them, and search the bytes of every store for them; exit status 76 where anything is left."""
    from contextlib import closing

    from moretta.wiring.drill.opened import held_drill
    from moretta.wiring.service import opened

    for folder in also or []:
        if not folder.exists():
            raise RequestInvalid("expected a folder to search as well that is there")
    settings = Settings() if data is None else Settings(data_dir=data)
    with opened(settings) as deployment, closing(LazyWorker(settings)) as worker:
        report = held_drill(
            settings, deployment.engine, worker, scheme=scheme, region=region, also=also or [], vacuum=vacuum
        )
    shown = table("store", "files", "bytes")
    for one in report.searched:
        shown.add_row(one.store, str(one.files), f"{one.size:,}")
    show(shown)
    if certificate is not None:
        write_output(certificate, report.certificate.document)
    _tell_of_servers(report)
    report.require_clean()
    note(
        f"Nothing was found of {report.marks} marks of the erased subject; before the erasure the same search found "
        f"{report.control}. Certificate {report.certificate.certificate_id}, {report.seconds:.1f} s."
    )


def _tell_of_servers(report: "DrillReport") -> None:
    """Which part of a database server was searched, and what it keeps for a while."""
    for name in report.rows_only:
        note(
            f"{name}: every row was searched, the server's own files were not; dead rows and its log hold ciphertext for a "
            "while: run this where they are, with --also and their folder"
        )
    if report.cleaned:
        note(f"{report.cleaned} tables were written anew after the erasure")
    for name in report.log_kept:
        note(
            f"{name}: the role may not begin a new log (pg_switch_wal, CHECKPOINT): the old one goes when it is written over"
        )
    for finding in report.kept:
        note(f"kept until the server's VACUUM FULL and the reuse of its log: {finding.mark} in {finding.store}")
