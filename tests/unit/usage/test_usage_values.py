"""The closed schema: five fields, one spelling."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import UsageRejected
from moretta.core.usage import (
    BATCH_RECORDS_MAX,
    ENDPOINTS,
    UsageBatch,
    UsageRecord,
    batch_fields,
    canonical_json,
    new_batch,
    new_company_id,
    parse_batch,
    parse_record,
    record_fields,
    serialise_batch,
    serialise_record,
)

COMPANY = "co_0123456789abcdef0123"
RECORD = UsageRecord("2025-03-01T12:00:00Z", "/v1/analyze", 200, COMPANY, 1)

records = st.builds(
    UsageRecord,
    time=st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(
        lambda moment: moment.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ),
    endpoint=st.sampled_from(sorted(ENDPOINTS)),
    status=st.integers(100, 255),
    company_id=st.just(COMPANY),
    count=st.integers(1, 1_000_000),
)


def test_a_record_has_five_fields_and_no_more() -> None:
    names = [field.name for field in dataclasses.fields(UsageRecord)]
    assert names == ["time", "endpoint", "status", "company_id", "count"]
    assert serialise_record(RECORD) == (
        b'{"company_id":"co_0123456789abcdef0123","count":1,"endpoint":"/v1/analyze","status":200,'
        b'"time":"2025-03-01T12:00:00Z"}'
    )


@given(records)
def test_a_record_is_read_back_as_it_was_written(record: UsageRecord) -> None:
    assert parse_record(serialise_record(record)) == record


@given(st.lists(records, min_size=1, max_size=5))
def test_a_batch_is_read_back_as_it_was_written(several: list[UsageRecord]) -> None:
    batch = new_batch(COMPANY, several)
    assert parse_batch(serialise_batch(batch)) == batch


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", "2025-03-01T12:00:00.123Z"),
        ("time", "2025-03-01T12:00:00+00:00"),
        ("time", "2025-02-30T12:00:00Z"),
        ("time", "2025-3-01T12:00:00Z"),
        ("time", 1740830400),
        ("endpoint", "/v1/analyze?file=holiday.jpg"),
        ("endpoint", "cli:holiday"),
        ("endpoint", None),
        ("status", 99),
        ("status", 600),
        ("status", True),
        ("status", 200.0),
        ("status", "200"),
        ("company_id", "Example Ltd"),
        ("company_id", COMPANY + "\n"),
        ("company_id", COMPANY.upper()),
        ("count", 0),
        ("count", -1),
        ("count", True),
        ("count", 1.0),
        ("count", 10**9),
    ],
)
def test_a_value_of_another_form_is_refused_by_writer_and_reader(field: str, value: object) -> None:
    fields = {**record_fields(RECORD), field: value}
    with pytest.raises(UsageRejected) as written:
        UsageRecord(**fields)  # type: ignore[arg-type]
    with pytest.raises(UsageRejected):
        parse_record(canonical_json(fields))
    assert "holiday" not in written.value.detail


def test_an_exit_status_belongs_to_the_command_line_alone() -> None:
    assert dataclasses.replace(RECORD, endpoint="cli:analyze", status=0).status == 0
    with pytest.raises(UsageRejected):
        dataclasses.replace(RECORD, endpoint="cli:analyze", status=300)
    with pytest.raises(UsageRejected):
        dataclasses.replace(RECORD, status=0)


@pytest.mark.parametrize("where", ["record", "batch"])
def test_an_unknown_or_a_missing_field_is_refused_without_naming_it(where: str) -> None:
    batch = json.loads(serialise_batch(new_batch(COMPANY, [RECORD])))
    target = batch if where == "batch" else batch["records"][0]
    target["holiday.jpg"] = 1
    with pytest.raises(UsageRejected, match="0 missing and 1 unknown") as refused:
        parse_batch(canonical_json(batch))
    assert "holiday" not in refused.value.detail
    del target["holiday.jpg"], target["company_id"]
    with pytest.raises(UsageRejected, match="1 missing and 0 unknown"):
        parse_batch(canonical_json(batch))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"NaN",
        serialise_record(RECORD) + b"\n",
        serialise_record(RECORD).replace(b":", b": "),
        serialise_record(RECORD).replace(b'"count":1', b'"count":1,"count":1'),
        serialise_record(RECORD).replace(b"200", b"2e2"),
        serialise_record(RECORD).replace(b"/v1", b"\\/v1"),
        json.dumps(record_fields(RECORD), separators=(",", ":")).encode(),
        b"[" * 100_000,
    ],
)
def test_bytes_that_the_writer_would_not_have_written_are_refused(raw: bytes) -> None:
    with pytest.raises(UsageRejected):
        parse_record(raw)


def test_a_batch_holds_records_of_its_own_company_only() -> None:
    with pytest.raises(UsageRejected, match="own company"):
        new_batch(new_company_id(), [RECORD])


def test_a_batch_is_neither_empty_nor_over_its_limit_and_its_id_is_random() -> None:
    with pytest.raises(UsageRejected):
        new_batch(COMPANY, [])
    with pytest.raises(UsageRejected):
        new_batch(COMPANY, [RECORD] * (BATCH_RECORDS_MAX + 1))
    for wrong in ("holiday.jpg", "00000000-0000-1000-8000-000000000000", "", 7):
        with pytest.raises(UsageRejected):
            UsageBatch(wrong, COMPANY, (RECORD,))  # type: ignore[arg-type]


def test_the_fullest_batch_fits_the_hubs_limit() -> None:
    widest = UsageRecord("2025-03-01T12:00:00Z", max(ENDPOINTS, key=len), 200, COMPANY, 1_000_000)
    assert len(canonical_json(batch_fields(new_batch(COMPANY, [widest] * BATCH_RECORDS_MAX)))) < 200_000


def test_a_company_id_is_random_and_not_a_name() -> None:
    assert len({new_company_id() for _ in range(100)}) == 100
