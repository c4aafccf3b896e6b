"""What is counted, and the only bytes that may ever reach the vendor.

Belongs here: `UsageRecord`, a batch of them, and their strict readers and writers. The schema is closed: a field too many,
a field too few, a value of another form or bytes in another order are all refused, by whoever writes and by whoever reads,
so that nothing can hide in a batch.
Does not belong here: signatures, storage, sending.
"""

import json
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from moretta.core.clock import from_second
from moretta.core.errors import UsageRejected

# One entry per way in which a media item can be processed; a door that adds one adds it here, and the hub learns it with
# the same release. A pattern instead of a list would be a place to hide data in.
ENDPOINTS = frozenset(
    {
        "/v1/analyze",
        "/v1/compare",
        "/v1/detect",
        "/v1/import",
        "/v1/persons",
        "/v1/redactions",
        "/v1/search",
        "/v1/streams",
        "/v1/verify",
        "cli:analyze",
        "cli:compare",
        "cli:enrol",
        "cli:features",
        "cli:import",
        "cli:redact",
        "cli:search",
        "cli:verify",
        "cli:watch",
        "sdk:analyze",
        "sdk:compare",
        "sdk:enrol",
        "sdk:features",
        "sdk:import",
        "sdk:redact",
        "sdk:search",
        "sdk:verify",
        "sdk:watch",
    }
)
COUNT_MAX = 1_000_000
# About 130 bytes a record: a full batch stays under a fifth of the hub's limit of 1 MiB.
BATCH_RECORDS_MAX = 1_000

_COMPANY_ID = re.compile(r"co_[0-9a-f]{20}")
_RECORD_FIELDS = frozenset({"time", "endpoint", "status", "company_id", "count"})
_BATCH_FIELDS = frozenset({"batch_id", "company_id", "records"})


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One processed media item (or `count` of them in one call), and nothing else about it.

    `time` is ISO-8601 in UTC to the second; `endpoint` is one of `ENDPOINTS`; `status` is the HTTP status of the answer
    (100-599), or the exit status (0-255) for `cli:` and `sdk:`; `company_id` is a random id from `new_company_id`.

    Raises:
        UsageRejected: a value has another form.
    """

    time: str
    endpoint: str
    status: int
    company_id: str
    count: int

    def __post_init__(self) -> None:
        _require(type(self.time) is str and _is_second(self.time), "time", "ISO-8601 in UTC to the second")
        _require(type(self.endpoint) is str and self.endpoint in ENDPOINTS, "endpoint", "one of the known endpoints")
        low, high = (100, 599) if type(self.endpoint) is str and self.endpoint.startswith("/") else (0, 255)
        _require(type(self.status) is int and low <= self.status <= high, "status", f"an integer {low}-{high}")
        require_company_id(self.company_id)
        _require(type(self.count) is int and 1 <= self.count <= COUNT_MAX, "count", f"an integer 1-{COUNT_MAX}")


@dataclass(frozen=True, slots=True)
class UsageBatch:
    """Records of one company that are reported together; `batch_id` is a random UUID (version 4).

    Raises:
        UsageRejected: no record, too many, a record of another company, or an id of another form.
    """

    batch_id: str
    company_id: str
    records: tuple[UsageRecord, ...]

    def __post_init__(self) -> None:
        _require(type(self.batch_id) is str and _is_uuid4(self.batch_id), "batch_id", "a random UUID")
        require_company_id(self.company_id)
        _require(1 <= len(self.records) <= BATCH_RECORDS_MAX, "records", f"1-{BATCH_RECORDS_MAX} records")
        same_company = all(record.company_id == self.company_id for record in self.records)
        _require(same_company, "records", "records of the batch's own company")

    @property
    def items(self) -> int:
        """The sum of the records' counts."""
        return sum(record.count for record in self.records)


def new_company_id() -> str:
    """A random company id (80 bits); it is not derived from a name, and says nothing about the company."""
    return f"co_{secrets.token_hex(10)}"


def new_batch(company_id: str, records: Sequence[UsageRecord]) -> UsageBatch:
    """A batch of `records` with a fresh random id."""
    return UsageBatch(str(uuid.uuid4()), company_id, tuple(records))


def require_company_id(value: object) -> str:
    """`value`, which is a company id.

    Raises:
        UsageRejected: it is not.
    """
    fits = type(value) is str and _COMPANY_ID.fullmatch(value) is not None
    _require(fits, "company_id", "`co_` and 20 hexadecimal digits")
    return str(value)


def record_fields(record: UsageRecord) -> dict[str, str | int]:
    """The five fields by name, ready for JSON."""
    return {
        "time": record.time,
        "endpoint": record.endpoint,
        "status": record.status,
        "company_id": record.company_id,
        "count": record.count,
    }


def batch_fields(batch: UsageBatch) -> dict[str, object]:
    """The three fields by name, ready for JSON."""
    records = [record_fields(record) for record in batch.records]
    return {"batch_id": batch.batch_id, "company_id": batch.company_id, "records": records}


def record_from_fields(value: object) -> UsageRecord:
    """The record in a parsed JSON object.

    Raises:
        UsageRejected: a field is unknown, missing or of another form.
    """
    fields = require_fields(value, _RECORD_FIELDS, "record")
    return UsageRecord(**fields)  # type: ignore[arg-type]  # UsageRecord checks every type itself


def batch_from_fields(value: object) -> UsageBatch:
    """The batch in a parsed JSON object.

    Raises:
        UsageRejected: a field is unknown, missing or of another form.
    """
    fields = require_fields(value, _BATCH_FIELDS, "batch")
    records = fields["records"]
    if not isinstance(records, list) or len(records) > BATCH_RECORDS_MAX:
        raise UsageRejected(f"records: expected a list of at most {BATCH_RECORDS_MAX}")
    parsed = tuple(record_from_fields(record) for record in records)
    return UsageBatch(fields["batch_id"], fields["company_id"], parsed)  # type: ignore[arg-type]  # it checks both


def serialise_record(record: UsageRecord) -> bytes:
    """The one way in which a record is written."""
    return canonical_json(record_fields(record))


def parse_record(raw: bytes) -> UsageRecord:
    """The record that `serialise_record` wrote.

    Raises:
        UsageRejected: anything else.
    """
    return record_from_fields(parse_canonical_json(raw))


def serialise_batch(batch: UsageBatch) -> bytes:
    """The one way in which a batch is written: these bytes are what is signed."""
    return canonical_json(batch_fields(batch))


def parse_batch(raw: bytes) -> UsageBatch:
    """The batch that `serialise_batch` wrote.

    Raises:
        UsageRejected: anything else.
    """
    return batch_from_fields(parse_canonical_json(raw))


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys, no spaces and ASCII only: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def parse_canonical_json(raw: bytes) -> object:
    """The value that `canonical_json` wrote.

    Raises:
        UsageRejected: not JSON, a repeated key, or bytes that `canonical_json` would have written otherwise.
    """
    try:
        value: object = json.loads(raw.decode("ascii"), parse_constant=_refuse_constant)
        same = canonical_json(value) == raw
    except (ValueError, RecursionError) as error:
        raise UsageRejected("expected canonical JSON in ASCII, got something else") from error
    if not same:  # a repeated key, a space, another order or another spelling of a number
        raise UsageRejected("expected canonical JSON: sorted keys, each once, no spaces")
    return value


def require_fields(value: object, names: frozenset[str], what: str) -> Mapping[str, object]:
    """`value`, an object with exactly the fields `names`.

    Raises:
        UsageRejected: not an object, or a field too many or too few.
    """
    if not isinstance(value, dict):
        raise UsageRejected(f"{what}: expected an object with exactly the fields {sorted(names)}")
    missing, unknown = len(names - value.keys()), len(value.keys() - names)
    if missing or unknown:  # how many, not which: an unknown field's name may itself be data
        got = f"{missing} missing and {unknown} unknown"
        raise UsageRejected(f"{what}: expected exactly the fields {sorted(names)}, got {got}")
    return value


def _require(holds: bool, field: str, expected: str) -> None:
    if not holds:
        raise UsageRejected(f"{field}: expected {expected}")


def _is_second(text: str) -> bool:
    try:
        from_second(text)
    except ValueError:
        return False
    return True


def _is_uuid4(text: str) -> bool:
    try:
        parsed = uuid.UUID(text)
    except ValueError:
        return False
    return parsed.version == 4 and str(parsed) == text


def _refuse_constant(_: str) -> object:
    raise ValueError("not a number of JSON")
