"""Writes what a release's databases look like, as SQL: run it on the release that is to be dumped, once, at its tag.

    python tests/vectors/storage/dump_released_databases.py VERSION

`VERSION` is the schema's; `service_vVERSION.sql` and `hub_vVERSION.sql` appear beside this script. `test_storage_migrations.py`
brings them up to the present schema. Only ids and keys made here and now are in them; nobody's.
"""

import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from moretta.core.keys import Scope
from moretta.core.usage import UsageRecord
from moretta.storage.api_keys import ApiKeyStore
from moretta.storage.database import open_database, open_hub_database
from moretta.storage.deployment import local_company_id
from moretta.storage.egress import EgressStore
from moretta.storage.hub import HubStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.usage.envelope import BatchSigner
from moretta.usage.hub import Hub


def now() -> datetime:
    return datetime(2025, 3, 1, 12, tzinfo=UTC)


def main(version: str) -> None:
    here = Path(__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        service, hub = Path(folder) / "service.db", Path(folder) / "hub.db"
        fill(service, hub)
        for path in (service, hub):
            connection = sqlite3.connect(path)
            dump = "\n".join(connection.iterdump()) + "\n"
            connection.close()
            (here / f"{path.stem}_v{version}.sql").write_text(dump)


def fill(service: Path, hub: Path) -> None:
    hub_engine, engine = open_hub_database(hub), open_database(service)
    hub_store = HubStore(hub_engine, now)
    issued = Hub(hub_store).create_company()
    local_company_id(engine)
    key = ApiKeyStore(engine, now).create(issued.company_id, [Scope.ADMIN], label="front desk").info
    usage, outbox, egress = UsageStore(engine), OutboxStore(engine, now), EgressStore(engine, now)
    for count in (1, 2, 3):
        usage.append(UsageRecord("2025-03-01T12:00:00Z", "/v1/analyze", 200, issued.company_id, count), key.key_id)
    batch = outbox.next_batch(issued.company_id, BatchSigner(issued.company_id, issued.signing_key).seal)
    assert batch is not None
    attempt = egress.start(batch.batch_id, "hub", "https://hub.example:443")
    egress.write(attempt, batch.envelope)
    Hub(hub_store).accept(batch.envelope)
    egress.finish(attempt, "acknowledged")
    outbox.acknowledge(batch.batch_id)
    usage.append(UsageRecord("2025-03-02T12:00:00Z", "/v1/analyze", 422, issued.company_id, 1))
    engine.dispose()
    hub_engine.dispose()


if __name__ == "__main__":
    main(sys.argv[1])
