"""Counting: durable before the meter returns, per key on this machine only."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from moretta.core.errors import UsageRejected
from moretta.core.metering import UsageCount
from moretta.core.usage import UsageRecord, new_company_id
from moretta.storage.database import open_database
from moretta.storage.deployment import local_company_id
from moretta.storage.usage import UsageStore
from moretta.usage.meter import UsageMeter

NOW = datetime(2025, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
COMPANY = new_company_id()
KEY = "0123456789abcdef"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "moretta.sqlite")
    yield engine
    engine.dispose()


def test_a_record_is_kept_when_the_meter_returns(engine: Engine, tmp_path: Path) -> None:
    record = UsageMeter(UsageStore(engine), lambda: NOW).record("/v1/analyze", 200, COMPANY, key_id=KEY)
    assert record == UsageRecord("2025-03-01T12:00:00Z", "/v1/analyze", 200, COMPANY, 1)
    other = open_database(tmp_path / "moretta.sqlite")
    assert UsageStore(other).total(COMPANY) == 1
    other.dispose()


def test_counts_are_per_key_day_endpoint_and_status(engine: Engine) -> None:
    store = UsageStore(engine)
    meter = UsageMeter(store, lambda: NOW)
    meter.record("/v1/analyze", 200, COMPANY, 2, KEY)
    meter.record("/v1/analyze", 200, COMPANY, 3, KEY)
    meter.record("/v1/analyze", 422, COMPANY, 1, KEY)
    meter.record("cli:analyze", 0, COMPANY)
    meter.record("/v1/detect", 200, new_company_id())
    assert store.counts(COMPANY) == [
        UsageCount(COMPANY, KEY, "2025-03-01", "/v1/analyze", 200, 5),
        UsageCount(COMPANY, KEY, "2025-03-01", "/v1/analyze", 422, 1),
        UsageCount(COMPANY, None, "2025-03-01", "cli:analyze", 0, 1),
    ]
    assert store.counts(COMPANY, since="2025-03-02") == []
    assert (store.total(COMPANY), store.total()) == (7, 8)
    assert sum(count.items for count in store.counts()) == store.total()


def test_the_record_that_may_be_reported_has_no_place_for_the_key(engine: Engine) -> None:
    UsageMeter(UsageStore(engine), lambda: NOW).record("/v1/analyze", 200, COMPANY, key_id=KEY)
    with engine.begin() as connection:
        (row,) = connection.execute(text("SELECT * FROM usage_records")).all()
    assert KEY not in str(tuple(row))


def test_a_record_of_another_form_is_not_kept(engine: Engine) -> None:
    store = UsageStore(engine)
    with pytest.raises(UsageRejected):
        UsageMeter(store, lambda: NOW).record("/v1/analyze/holiday.jpg", 200, COMPANY)
    assert store.total() == 0


def test_the_deployments_own_company_id_stays_the_same(engine: Engine) -> None:
    assert local_company_id(engine) == local_company_id(engine)
