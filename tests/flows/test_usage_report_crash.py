"""Either side is killed at every step; after a restart nothing is lost and nothing is counted twice.

The killed side is a process of its own that ends with `os._exit` at a named step, before and after every commit.
"""

import multiprocessing
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.usage_rig import KILLED, a_listener, a_record, a_reporter, append_and_report, append_many, run_hub

from moretta.storage.database import open_database, open_hub_database
from moretta.storage.egress import EgressStore
from moretta.storage.hub import HubStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.usage.envelope import parse_envelope
from moretta.usage.file_report import FileSender
from moretta.usage.hub import Hub, IssuedCompany
from moretta.usage.report import HubSender

# Five appends of 1, 2, 3, 4 and 5 items; three records a batch make two batches.
APPENDS, ITEMS = 5, 15

APPEND_STEPS = ["append:before-commit", "append:after-commit", "append:before-commit#3", "append:after-commit#3"]
BATCH_STEPS = [
    f"{what}:{when}-commit"
    for what in ("seal", "attempt", "note", "outcome", "acknowledge")
    for when in ("before", "after")
]
# The head and the body are noted and written one after the other.
WIRE_STEPS = [
    "connected",
    "bytes:written",
    "note:before-commit#2",
    "note:after-commit#2",
    "bytes:written#2",
    "reply:received",
]
SECOND_BATCH_STEPS = [
    "seal:before-commit#2",
    "seal:after-commit#2",
    "acknowledge:before-commit#2",
    "acknowledge:after-commit#2",
]
HUB_STEPS = ["accept:verified", "keep:before-commit", "keep:after-commit", "accept:kept"]
FILE_STEPS = ["file:written", "file:synced"]
NEVER = "never"

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["tests.usage_rig"])


@dataclass
class Sides:
    """Both databases, the company, and a hub process that can be started again on the same port."""

    local: Path
    hub: Path
    company: IssuedCompany
    listener: socket.socket
    process: multiprocessing.process.BaseProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def start_hub(self, step: str = NEVER) -> None:
        self.process = context.Process(target=run_hub, args=(self.hub, self.listener, step))
        self.process.start()

    def stop_hub(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def run_reporter(self, step: str, target: str | None = None) -> int | None:
        arguments = (self.local, target or self.url, self.company.company_id, self.company.signing_key, step, APPENDS)
        child = context.Process(target=append_and_report, args=arguments)
        child.start()
        child.join(60)
        return child.exitcode

    def local_total(self) -> int:
        engine = open_database(self.local)
        total = UsageStore(engine).total(self.company.company_id)
        engine.dispose()
        return total

    def restart_reporter(self) -> None:
        engine = open_database(self.local)
        sender = HubSender(self.url)
        assert a_reporter(engine, sender, self.company.company_id, self.company.signing_key).drain() is None
        engine.dispose()

    def assert_equal_totals(self) -> int:
        local, hub = open_database(self.local), open_hub_database(self.hub)
        total = UsageStore(local).total(self.company.company_id)
        reported = HubStore(hub).counts(self.company.company_id)
        assert sum(count.items for count in reported) == total
        assert OutboxStore(local).waiting() == 0
        with hub.begin() as connection:
            kept = connection.execute(text("SELECT envelope FROM hub_batches")).scalars().all()
        noted = b"".join(attempt.content for attempt in EgressStore(local).attempts())
        assert all(envelope in noted for envelope in kept)
        assert sum(parse_envelope(envelope).batch.items for envelope in kept) == total
        local.dispose()
        hub.dispose()
        return total


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[Sides]:
    engine = open_hub_database(tmp_path / "hub.sqlite")
    company = Hub(HubStore(engine)).create_company()
    engine.dispose()
    listener = a_listener()
    sides = Sides(tmp_path / "moretta.sqlite", tmp_path / "hub.sqlite", company, listener)
    yield sides
    sides.stop_hub()
    listener.close()


@pytest.mark.parametrize("step", BATCH_STEPS + WIRE_STEPS + SECOND_BATCH_STEPS)
def test_a_reporter_that_dies_at_any_step_loses_nothing_and_repeats_nothing(sides: Sides, step: str) -> None:
    sides.start_hub()
    assert sides.run_reporter(step) == KILLED
    sides.restart_reporter()
    assert sides.assert_equal_totals() == ITEMS


@pytest.mark.parametrize(
    ("step", "kept"), [(APPEND_STEPS[0], 0), (APPEND_STEPS[1], 1), (APPEND_STEPS[2], 3), (APPEND_STEPS[3], 6)]
)
def test_a_record_counts_from_its_commit_on(sides: Sides, step: str, kept: int) -> None:
    sides.start_hub()
    assert sides.run_reporter(step) == KILLED
    assert sides.local_total() == kept
    sides.restart_reporter()
    assert sides.assert_equal_totals() == kept


@pytest.mark.parametrize("step", [*HUB_STEPS, "keep:before-commit#2", "accept:kept#2"])
def test_a_hub_that_dies_at_any_step_loses_nothing_and_counts_nothing_twice(sides: Sides, step: str) -> None:
    sides.start_hub(step)
    assert sides.run_reporter(NEVER) == 0
    assert sides.process is not None
    sides.process.join(60)
    assert sides.process.exitcode == KILLED
    sides.start_hub()
    sides.restart_reporter()
    assert sides.assert_equal_totals() == ITEMS


@pytest.mark.parametrize(
    ("hub_step", "reporter_step"),
    [
        ("keep:before-commit", "outcome:before-commit"),
        ("keep:after-commit", "bytes:written#2"),
        ("accept:kept", "outcome:after-commit"),
        ("accept:kept#2", "acknowledge:before-commit"),
    ],
)
def test_both_sides_may_die_in_the_same_round(sides: Sides, hub_step: str, reporter_step: str) -> None:
    sides.start_hub(hub_step)
    sides.run_reporter(reporter_step)
    sides.stop_hub()
    sides.start_hub()
    sides.restart_reporter()
    assert sides.assert_equal_totals() == ITEMS


@pytest.mark.parametrize("step", BATCH_STEPS + SECOND_BATCH_STEPS + FILE_STEPS)
def test_a_file_holds_each_batch_once_wherever_its_writer_died(sides: Sides, tmp_path: Path, step: str) -> None:
    target = tmp_path / "usage.jsonl"
    assert sides.run_reporter(step, str(target)) == KILLED
    engine = open_database(sides.local)
    company = sides.company
    assert a_reporter(engine, FileSender(target), company.company_id, company.signing_key).drain() is None
    engine.dispose()
    lines = target.read_bytes().splitlines()
    assert len(set(lines)) == len(lines)
    assert sum(parse_envelope(line).batch.items for line in lines) == sides.local_total() == ITEMS


def test_the_steps_above_are_all_there_are(sides: Sides, tmp_path: Path) -> None:
    seen: set[str] = set()
    hub = open_hub_database(sides.hub)
    store = HubStore(hub, checkpoint=seen.add)
    hub_side = Hub(store, seen.add)
    local = open_database(sides.local)
    for sender in (FileSender(tmp_path / "usage.jsonl", seen.add), HubSender(sides.url, checkpoint=seen.add)):
        UsageStore(local, seen.add).append(a_record(sides.company.company_id))
        if isinstance(sender, HubSender):
            sides.start_hub()
        reporter = a_reporter(local, sender, sides.company.company_id, sides.company.signing_key, seen.add)
        assert reporter.drain() is None
    hub_side.accept((tmp_path / "usage.jsonl").read_bytes().rstrip(b"\n"))
    local.dispose()
    hub.dispose()
    tried = APPEND_STEPS + BATCH_STEPS + WIRE_STEPS + HUB_STEPS + FILE_STEPS
    assert seen == {step.partition("#")[0] for step in tried}


def test_two_processes_may_append_while_two_report(sides: Sides) -> None:
    sides.start_hub()
    company = sides.company
    open_database(sides.local).dispose()
    appending = [context.Process(target=append_many, args=(sides.local, company.company_id, 40)) for _ in range(2)]
    arguments = (sides.local, sides.url, company.company_id, company.signing_key, NEVER, APPENDS)
    reporting = [context.Process(target=append_and_report, args=arguments) for _ in range(2)]
    for child in appending + reporting:
        child.start()
    for child in appending + reporting:
        child.join(120)
    assert [child.exitcode for child in appending + reporting] == [0, 0, 0, 0]
    sides.restart_reporter()
    assert sides.assert_equal_totals() == 2 * 40 + 2 * ITEMS
