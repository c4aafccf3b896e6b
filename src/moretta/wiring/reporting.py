"""Usage reporting and the egress ledger, as the settings say.

Belongs here: which channel is used. Does not belong here: sending.
"""

from pathlib import Path
from typing import TypeVar

from moretta.core.errors import RequestInvalid
from moretta.settings import Settings
from moretta.storage.egress import EgressStore
from moretta.storage.outbox import OutboxStore
from moretta.usage.egress import AllowedAddress, Egress
from moretta.usage.envelope import BatchSigner
from moretta.usage.file_report import FileSender
from moretta.usage.report import HubSender
from moretta.usage.reporting import Reporter
from moretta.wiring.callbacks import allowed_addresses
from moretta.wiring.service import Deployment
from moretta.wiring.streams.addresses import camera_addresses

T = TypeVar("T", str, Path)


def build_reporter(settings: Settings, deployment: Deployment) -> Reporter | None:
    """The reporter that the settings name; None when reporting is off.

    Raises:
        RequestInvalid: a setting that the channel needs is missing.
    """
    if settings.usage_report == "off":
        return None
    signer = BatchSigner(_needed(settings.company_id, "MORETTA_COMPANY_ID"), _signing_key(settings))
    sender: HubSender | FileSender
    if settings.usage_report == "hub":
        sender = HubSender(_needed(settings.hub_url, "MORETTA_HUB_URL"), ca_file=settings.hub_ca_file)
    else:
        sender = FileSender(_needed(settings.usage_report_file, "MORETTA_USAGE_REPORT_FILE"))
    engine = deployment.engine
    return Reporter(OutboxStore(engine), EgressStore(engine), sender, signer)


def build_egress(settings: Settings, deployment: Deployment) -> Egress:
    """The reading side of the ledger of everything that leaves."""
    reporter = build_reporter(settings, deployment)

    def others() -> tuple[AllowedAddress, ...]:
        return (*allowed_addresses(settings), *camera_addresses(deployment.engine, settings))

    return Egress(EgressStore(deployment.engine), reporter, others)


def _signing_key(settings: Settings) -> str:
    path = _needed(settings.hub_key_file, "MORETTA_HUB_KEY_FILE")
    try:
        if path.stat().st_mode & 0o077:
            raise RequestInvalid(
                "expected the signing key's file to be readable by its owner alone: `chmod 600` mends it"
            )
        return path.read_text().strip()
    except OSError as error:
        raise RequestInvalid(f"expected MORETTA_HUB_KEY_FILE to name a readable file: {error.strerror}") from None


def _needed(value: T | None, name: str) -> T:
    if value is None:
        raise RequestInvalid(f"expected the setting {name}, which this way of reporting needs; the hub issues it")
    return value
