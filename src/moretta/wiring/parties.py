"""The three parties of a region (scheme `shares`) as `serve` reaches them.

Belongs here: opening their node, and remembering their public keys. Does not belong here: a party's process (see `party`).
"""

import logging
from pathlib import Path

from moretta.core.errors import NodeUnavailable
from moretta.core.gallery import spec_of
from moretta.core.recognition import Collection
from moretta.links.addresses import parse_address
from moretta.links.certificates import files_of
from moretta.protection.shares.node import connected
from moretta.protection.shares.party import SERVICE_ROLE
from moretta.protection.shares.sealing import PARTIES, PUBLIC_KEY_BYTES
from moretta.wiring.party import PATIENCE_S
from moretta.wiring.regions import OpenParties, Parties
from moretta.wiring.regions_file import RegionPlan

_log = logging.getLogger(__name__)


def open_parties(certificates: Path | None, data_dir: Path) -> OpenParties:
    """What `wiring.regions` opens a region's parties with.

    Args:
        certificates: the folder of `serve`'s certificate.
        data_dir: where the parties' public keys are remembered, so that a region opens while a party is down.
    """

    def opened(name: str, plan: RegionPlan) -> Parties:
        tls = files_of(certificates, SERVICE_ROLE) if certificates is not None else None
        node = connected(name, [parse_address(link) for link in plan.parties], tls, 2 * PATIENCE_S + 1)

        def refresh(collection: Collection) -> None:
            node.refresh(spec_of(collection))

        remembered = data_dir / "parties" / f"{name}.keys"
        try:
            keys = b"".join(node.public_keys())
        except NodeUnavailable as error:
            _log.warning("parties.keys_remembered: %s: %s", name, error.code)
            keys = remembered.read_bytes() if remembered.exists() else b""
        else:
            _remember(remembered, keys)
        if len(keys) != PARTIES * PUBLIC_KEY_BYTES:
            keys = b""
        return Parties(node, keys, refresh)

    return opened


def _remember(path: Path, keys: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(keys)
    temporary.replace(path)
