"""`moretta governance`.

Belongs here: arguments and files. Does not belong here: what documents say.
"""

from pathlib import Path
from typing import Annotated

import typer

from moretta.cli.governance_desk import Out, opened_governance
from moretta.cli.outputs import write_output

app = typer.Typer(
    no_args_is_help=True, help="Documents from the running configuration: records, assessment, sign, notice, evidence."
)

NoticeId = Annotated[str, typer.Argument(help="The notice's id, such as not_local_0123456789abcdef01234567.")]
_STDOUT = Path("-")


@app.command("ropa")
def ropa(out: Out = _STDOUT) -> None:
    """The records of processing activities (GDPR Art. 30) as Markdown; what is missing is listed at the end."""
    with opened_governance() as desk:
        write_output(out, desk.governance.documents.ropa(desk.company_id))


@app.command("dpia")
def dpia(out: Out = _STDOUT) -> None:
    """A pre-filled impact assessment (GDPR Art. 35) as Markdown; what people must add is listed at the end."""
    with opened_governance() as desk:
        write_output(out, desk.governance.documents.dpia(desk.company_id))


@app.command("sign")
def sign(notice: NoticeId, out: Out = Path("sign.pdf")) -> None:
    """The sign of a notice as PDF, to be printed; its code leads to the notice's page at MORETTA_SUBJECT_ORIGIN."""
    with opened_governance() as desk:
        write_output(out, desk.governance.documents.sign(desk.company_id, notice))


@app.command("notice")
def notice_page(notice: NoticeId, out: Out = _STDOUT) -> None:
    """The page of a notice as HTML, as people see it who follow the sign's code."""
    with opened_governance() as desk:
        write_output(out, desk.governance.documents.notice_page(notice))


@app.command("evidence")
def evidence(out: Out = _STDOUT) -> None:
    """The evidence map as Markdown: what laws ask, what enforces it here, what shows it, what remains with you."""
    from moretta.wiring.governance.documents import evidence_map

    write_output(out, evidence_map())
