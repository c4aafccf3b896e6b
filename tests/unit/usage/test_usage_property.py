"""Whatever fails, in whatever order: once all is delivered, both sides count the same."""

from collections.abc import Iterator
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.usage_rig import HubInMemorySender, MemoryLedger, MemoryUsage, a_record

from moretta.core.errors import UsageRejected
from moretta.core.metering import HubCount
from moretta.core.usage import UsageBatch
from moretta.usage.envelope import BatchSigner
from moretta.usage.hub import Hub
from moretta.usage.reporting import Reporter

TROUBLES = ["fine", "unreachable", "lost", "kept", "dies"]


class MemoryHub:
    """`HubLedger` without a disk, as far as batches go."""

    def __init__(self) -> None:
        self.keys: dict[str, list[bytes]] = {}
        self.batches: dict[tuple[str, str], tuple[UsageBatch, bytes]] = {}

    def add_company(self, company_id: str) -> None:
        self.keys[company_id] = []

    def add_signing_key(self, company_id: str, public_key: bytes) -> None:
        self.keys[company_id].append(public_key)

    def revoke_signing_keys(self, company_id: str) -> int:
        return len(self.keys.pop(company_id))

    def add_token(self, token_id: str, secret_hash: bytes, company_id: str | None) -> None:
        pass

    def token(self, token_id: str) -> tuple[bytes, str | None] | None:
        return None

    def signing_keys(self, company_id: str) -> list[bytes]:
        return self.keys.get(company_id, [])

    def keep(self, batch: UsageBatch, envelope: bytes) -> bool:
        key = (batch.company_id, batch.batch_id)
        if key in self.batches and self.batches[key][1] != envelope:
            raise UsageRejected("another batch")
        return self.batches.setdefault(key, (batch, envelope))[1] is envelope

    def counts(self, company_id: str | None = None) -> list[HubCount]:
        return [HubCount(batch.company_id, "", "", 0, batch.items) for batch, _ in self.batches.values()]

    def companies(self) -> list[str]:
        return list(self.keys)


steps = st.lists(st.one_of(st.integers(1, 9), st.sampled_from(["report", "preview"])), max_size=40)


@given(steps=steps, troubles=st.lists(st.sampled_from(TROUBLES), max_size=20))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_totals_are_equal_after_any_sequence_of_failures(steps: list[int | str], troubles: list[str]) -> None:
    ledger = MemoryHub()
    hub = Hub(ledger)
    company = hub.create_company()
    usage = MemoryUsage(batch_records=3)
    script: Iterator[str] = iter(troubles)
    signer = BatchSigner(company.company_id, company.signing_key)
    reporter = Reporter(usage, MemoryLedger(), HubInMemorySender(hub, script), signer)
    for step in steps:
        if isinstance(step, int):
            usage.append(a_record(company.company_id, step))
        elif step == "preview":
            reporter.next_batch_preview()
        else:
            with suppress(KeyboardInterrupt):
                reporter.run_once()
        reported = sum(count.items for count in hub.counts())
        assert usage.total() - usage.waiting() <= reported <= usage.total()
    list(script)  # from here on all is fine
    assert reporter.drain() is None
    assert sum(count.items for count in hub.counts()) == usage.total()
    assert usage.waiting() == 0
