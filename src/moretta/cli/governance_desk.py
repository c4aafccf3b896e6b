"""What the commands of governance share: its parts opened in this process, and documents written.

Belongs here: opening, writing, moments. Does not belong here: any one command.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from moretta.api.services import Governance
from moretta.cli.people import LazyWorker
from moretta.core.clock import Clock
from moretta.settings import Settings

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
    from moretta.wiring.recognition import opened_means
    from moretta.wiring.retention import retention_over
    from moretta.wiring.rights import rights_over
    from moretta.wiring.service import opened

    settings = Settings()
    with (
        opened(settings) as deployment,
        closing(LazyWorker(settings)) as worker,
        opened_means(settings, deployment.engine, worker) as means,
    ):
        retention = retention_over(
            means, rights_over(means, backup_days=settings.backup_days, master_key_days=settings.master_key_days)
        )
        governance = Governance(retention, Incidents(means), GovernanceDocuments(means, settings))
        yield GovernanceDesk(governance, deployment.company_id, means.clock)


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment as typed, in UTC."""
    return None if moment is None else moment.replace(tzinfo=UTC)
