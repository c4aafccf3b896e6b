"""What every kind of database must do for the deployment, the counts, the hub, and for transactions that run at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.storage_rig import COMPANY, KINDS, OTHER_COMPANY, Database, a_database
from tests.usage_rig import a_record

from moretta.core.errors import NotFound, UsageRejected
from moretta.core.metering import HubCount, UsageCount
from moretta.core.usage import new_company_id
from moretta.storage.database import exclusive, open_hub_database, reading, writing
from moretta.storage.deployment import local_company_id
from moretta.storage.hub import HubStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.usage.envelope import BatchSigner, new_signing_key, parse_envelope
from moretta.usage.hub import Hub


def test_a_deployment_makes_up_its_company_once_however_many_ask_at_once(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        told = set(pool.map(lambda _: local_company_id(engine), range(8)))
    assert len(told) == 1


def test_counts_add_up_by_key_day_endpoint_and_status(engine: Engine) -> None:
    store = UsageStore(engine)
    for count in (1, 2):
        store.append(a_record(COMPANY, count), "key1")
    store.append(a_record(COMPANY, 4))
    store.append(a_record(COMPANY, 8, time="2025-03-02T00:00:00Z"), "key1")
    store.append(a_record(OTHER_COMPANY, 16), "key1")
    day, next_day = "2025-03-01", "2025-03-02"
    assert store.counts(COMPANY) == [
        UsageCount(COMPANY, None, day, "/v1/analyze", 200, 4),
        UsageCount(COMPANY, "key1", day, "/v1/analyze", 200, 3),
        UsageCount(COMPANY, "key1", next_day, "/v1/analyze", 200, 8),
    ]
    assert store.counts(COMPANY, since=next_day) == [UsageCount(COMPANY, "key1", next_day, "/v1/analyze", 200, 8)]
    assert (store.total(COMPANY), store.total()) == (15, 31)


def test_records_that_arrive_while_a_batch_is_frozen_are_in_it_or_wait_and_never_lost(engine: Engine) -> None:
    usage, outbox = UsageStore(engine), OutboxStore(engine, batch_records=3)
    signer = BatchSigner(COMPANY, new_signing_key().secret)
    stop = threading.Event()
    sealed: list[int] = []

    def report() -> None:
        done = False
        while not done:
            done = stop.is_set()
            while (batch := outbox.next_batch(COMPANY, signer.seal)) is not None:
                sealed.extend(record.count for record in parse_envelope(batch.envelope).batch.records)
                outbox.acknowledge(batch.batch_id)

    with ThreadPoolExecutor(3) as pool:
        reporting = pool.submit(report)
        appending = [
            pool.submit(lambda k: [usage.append(a_record(COMPANY, 1 + n)) for n in range(k, k + 15)], k)
            for k in (0, 15)
        ]
        for job in appending:
            job.result()
        stop.set()
        reporting.result()
    assert sorted(sealed) == list(range(1, 31))
    assert outbox.waiting() == 0


def test_a_read_sees_the_database_as_of_one_moment(engine: Engine) -> None:
    usage = UsageStore(engine)
    usage.append(a_record(COMPANY))
    counted = text("SELECT count(*) FROM usage_records")
    with reading(engine) as connection:
        before = connection.execute(counted).scalar_one()
        usage.append(a_record(COMPANY))
        assert connection.execute(counted).scalar_one() == before == 1
    assert usage.total() == 2


def test_a_failed_write_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError), writing(engine) as connection:
        connection.execute(text("INSERT INTO deployment VALUES ('a', 'b')"))
        raise RuntimeError
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM deployment")).scalar_one() == 0


def test_writers_take_turns(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(text("INSERT INTO deployment VALUES ('count', '0')"))

    def add_one(_: int) -> None:
        with writing(engine) as connection:
            now = int(connection.execute(text("SELECT value FROM deployment")).scalar_one())
            connection.execute(text("UPDATE deployment SET value = :value"), {"value": str(now + 1)})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, range(20)))
    with reading(engine) as connection:
        assert connection.execute(text("SELECT value FROM deployment")).scalar_one() == "20"


def test_a_lock_of_one_name_is_held_by_one_at_a_time_and_another_name_is_another_lock(engine: Engine) -> None:
    inside, most = 0, 0

    def hold(_: int) -> None:
        nonlocal inside, most
        with exclusive(engine, "report"):
            inside += 1
            most = max(most, inside)
            with exclusive(engine, "keys"):
                pass
            inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(hold, range(12)))
    assert most == 1


@pytest.fixture(params=KINDS)
def hub_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database(request.param, request, tmp_path, migrated=False) as database:
        yield database


def test_a_hub_keeps_each_batch_once_and_counts_what_it_kept(hub_database: Database) -> None:
    engine = open_hub_database(hub_database.where)
    store = HubStore(engine)
    company = Hub(store).create_company()
    signer = BatchSigner(company.company_id, company.signing_key)
    records = (a_record(company.company_id, 2), a_record(company.company_id, 3))
    sealed = signer.seal(records)
    batch = parse_envelope(sealed.envelope).batch
    assert store.keep(batch, sealed.envelope)
    assert not store.keep(batch, sealed.envelope)
    with pytest.raises(UsageRejected):
        store.keep(batch, sealed.envelope + b" ")
    assert store.keep(parse_envelope(signer.seal(records).envelope).batch, b"another")
    assert store.counts() == [HubCount(company.company_id, "2025-03-01", "/v1/analyze", 200, 10)]
    assert store.companies() == [company.company_id]
    assert store.revoke_signing_keys(company.company_id) == 1
    assert store.signing_keys(company.company_id) == []
    with pytest.raises(NotFound):
        store.add_token("1234", b"hash", new_company_id())
    engine.dispose()
