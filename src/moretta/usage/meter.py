"""One record for each processed media item, kept before the answer is sent."""

from moretta.core.clock import Clock, to_second, utc_now
from moretta.core.metering import UsageLog
from moretta.core.usage import UsageRecord


class UsageMeter:
    """Counts what was processed. Safe to share between threads."""

    def __init__(self, log: UsageLog, clock: Clock = utc_now) -> None:
        self._log = log
        self._clock = clock

    def record(
        self,
        endpoint: str,
        status: int,
        company_id: str,
        count: int = 1,
        key_id: str | None = None,
    ) -> UsageRecord:
        """Count `count` media items; call it before the answer leaves, since it is durable when it returns.

        Args:
            endpoint: one of `core.usage.ENDPOINTS`.
            status: the HTTP status about to be sent (100-599), or the exit status for `cli:` and `sdk:`.
            company_id: the company of the API key, or the deployment's own.
            count: how many media items, at least 1.
            key_id: the API key, for the local counter alone; it is never reported.
        Raises:
            UsageRejected: a value has another form.
        """
        record = UsageRecord(to_second(self._clock()), endpoint, status, company_id, count)
        self._log.append(record, key_id)
        return record
