"""What the commands of governance share: its parts opened in this process, and documents written.

Belongs here: opening, writing, moments. Does not belong here: any one command.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from moretta.api.services import Governance
from moretta.cli.opened import opened_here
from moretta.core.clock import Clock

# Who did something where no API key did.
TERMINAL = "cli"

Out = Annotated[Path, typer.Option("--out", help="Where to write it; `-`: standard output.")]
Moment = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="A day, or a moment, in UTC.")
]


@dataclass(frozen=True, slots=True)
class GovernanceDesk:
    """Governance as a command meets it."""

    governance: Governance
    company_id: str
    clock: Clock


@contextmanager
def opened_governance() -> Iterator[GovernanceDesk]:
    """Governance of this deployment, in this process, until the context ends; it works beside a running service."""
    from moretta.use_cases.incidents import Incidents
    from moretta.wiring.governance import GovernanceDocuments
    from moretta.wiring.retention import retention_over

    with opened_here() as here:
        means = here.means
        governance = Governance(
            retention_over(means, here.rights()), Incidents(means), GovernanceDocuments(means, here.settings)
        )
        yield GovernanceDesk(governance, here.company_id, means.clock)


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment as typed, in UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC)
