"""What every place for records and every egress ledger must do; run on the real ones and on those that tests use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.storage_rig import KINDS, a_database
from tests.usage_rig import MemoryLedger, MemoryUsage, a_record

from moretta.core.metering import EgressLedger, Outbox, UsageLog
from moretta.core.usage import new_company_id
from moretta.storage.egress import EgressStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.usage.envelope import BatchSigner, new_signing_key, parse_envelope

COMPANY = new_company_id()
SIGNER = BatchSigner(COMPANY, new_signing_key().secret)


Places = tuple[UsageLog, Outbox, EgressLedger]


@pytest.fixture(params=[*KINDS, "memory"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Places]:
    if request.param == "memory":
        both = MemoryUsage(batch_records=3)
        yield both, both, MemoryLedger()  # type: ignore[misc]  # nobody asks the stand-in for counts by day
        return
    with a_database(request.param, request, tmp_path) as database:
        engine = database.opened()
        yield UsageStore(engine), OutboxStore(engine, batch_records=3), EgressStore(engine)
        engine.dispose()


def test_nothing_waits_in_an_empty_outbox(places: Places) -> None:
    _, outbox, _ = places
    assert outbox.next_batch(COMPANY, SIGNER.seal) is None
    assert outbox.waiting() == 0


def test_a_batch_stays_the_same_to_the_byte_until_it_is_acknowledged(places: Places) -> None:
    log, outbox, _ = places
    log.append(a_record(COMPANY, 2))
    first = outbox.next_batch(COMPANY, SIGNER.seal)
    log.append(a_record(COMPANY, 3))
    assert first is not None
    assert outbox.next_batch(COMPANY, SIGNER.seal) == first
    outbox.acknowledge(first.batch_id)
    outbox.acknowledge(first.batch_id)
    second = outbox.next_batch(COMPANY, SIGNER.seal)
    assert second is not None
    assert (first.items, second.items) == (2, 3)
    assert outbox.waiting() == 3


def test_each_record_goes_into_one_batch_in_the_order_of_arrival(places: Places) -> None:
    log, outbox, _ = places
    for count in range(1, 9):
        log.append(a_record(COMPANY, count))
    seen: list[int] = []
    while (batch := outbox.next_batch(COMPANY, SIGNER.seal)) is not None:
        assert outbox.waiting() == sum(range(1, 9)) - sum(seen)
        seen += [record.count for record in parse_envelope(batch.envelope).batch.records]
        outbox.acknowledge(batch.batch_id)
    assert seen == list(range(1, 9))
    assert log.total() == sum(seen)
    assert outbox.waiting() == 0


def test_a_seal_that_fails_leaves_the_records_waiting(places: Places) -> None:
    log, outbox, _ = places
    log.append(a_record(COMPANY))

    def fail(_: object) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        outbox.next_batch(COMPANY, fail)  # type: ignore[arg-type]
    batch = outbox.next_batch(COMPANY, SIGNER.seal)
    assert batch is not None
    assert batch.items == 1


def test_a_ledger_keeps_every_byte_of_every_attempt_in_order(places: Places) -> None:
    log, outbox, ledger = places
    log.append(a_record(COMPANY))
    batch = outbox.next_batch(COMPANY, SIGNER.seal)
    assert batch is not None
    first = ledger.start(batch.batch_id, "hub", "https://hub.example:443")
    ledger.write(first, b"head")
    ledger.write(first, batch.envelope)
    ledger.write(first, batch.envelope)
    second = ledger.start(batch.batch_id, "file", "")
    ledger.write(second, batch.envelope)
    ledger.finish(second, "acknowledged")
    ledger.finish(second, "never mind")
    one, two = ledger.attempts()
    assert (one.content, one.outcome) == (b"head" + batch.envelope * 2, None)
    assert (two.content, two.outcome) == (batch.envelope, "acknowledged")
    assert ledger.counts() == [("file", "", 1), ("hub", "https://hub.example:443", 1)]


def test_a_ledger_lists_more_attempts_than_it_reads_at_once(places: Places) -> None:
    log, outbox, ledger = places
    log.append(a_record(COMPANY))
    batch = outbox.next_batch(COMPANY, SIGNER.seal)
    assert batch is not None
    started = [ledger.start(batch.batch_id, "file", "") for _ in range(120)]
    assert [attempt.attempt_id for attempt in ledger.attempts()] == started
