"""A region's transparency log, its signing keys and its records of comparisons, put together over its database.

Belongs here: which implementations they are. Does not belong here: what they do.
"""

from dataclasses import dataclass

from sqlalchemy import Engine

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.clock import Clock, utc_now
from moretta.core.key_service import KeyService
from moretta.keys.signing import WrappedSigningKeys, is_signed_by, rewrap_signing_keys
from moretta.ledger.log import SignedLog
from moretta.storage.ledger.audit import SqlAuditStore
from moretta.storage.ledger.signing_keys import SqlSigningKeyStore
from moretta.storage.ledger.store import SqlLedger


@dataclass(frozen=True, slots=True)
class Ledger:
    """What of accountability every region has, whatever its collections are."""

    log: SignedLog
    audit: SqlAuditStore
    signing: WrappedSigningKeys
    store: SqlLedger


def ledger_in(
    engine: Engine,
    region: str,
    service: KeyService,
    checkpoint: Checkpoint = no_checkpoint,
    clock: Clock = utc_now,
) -> Ledger:
    """The ledger in a region's database; the engine stays the caller's. Signing keys are made when they are first needed."""
    store = SqlLedger(engine, checkpoint)
    signing = WrappedSigningKeys(SqlSigningKeyStore(engine), service, clock)
    log = SignedLog(store, region, signing, is_signed_by, clock)
    return Ledger(log, SqlAuditStore(engine, checkpoint), signing, store)


def rewrap_signing_keys_in(engine: Engine, service: KeyService) -> int:
    """Wrap the region's signing key under the active master key; how many were wrapped anew."""
    return rewrap_signing_keys(SqlSigningKeyStore(engine), service)
