"""Rights over the region of `recognition_rig`, in SQLite or PostgreSQL."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from moretta.core.checkpoints import no_checkpoint
from moretta.core.documents import Trust, Verified
from moretta.keys.signing import is_signed_by
from moretta.ledger.certificates import verify_certificate
from moretta.use_cases.rights import Rights
from moretta.wiring.rights import rights_over
from tests import recognition_rig as rig
from tests.shares_rig import Trio


@contextmanager
def opened(
    root: Path,
    *,
    checkpoint: Callable[[str], None] = no_checkpoint,
    trio: Trio | None = None,
    database: str | None = None,
    backup_days: int | None = None,
    master_key_days: int = 0,
) -> Iterator[tuple[Rights, rig.Place]]:
    """Rights, and the place that they are over; opened again, it finds what was there."""
    with rig.opened(root, checkpoint=checkpoint, trio=trio, database=database) as place:
        yield rights_over(place.means, backup_days=backup_days, master_key_days=master_key_days), place


def trust_of(place: rig.Place) -> Trust:
    """Nothing but the region's public keys, and how a signature is checked."""
    return Trust(tuple(key.public_key for key in place.region.signing.history()), is_signed_by)


def verified(place: rig.Place, document: bytes) -> Verified:
    return verify_certificate(document, trust_of(place))


def fields(document: bytes) -> Mapping[str, object]:
    found = json.loads(document)
    assert isinstance(found, dict)
    return found
