"""The file, the background loop, and where a hub may be."""

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.usage_rig import MemoryLedger, MemoryUsage, a_record

from moretta.core.errors import RequestInvalid, StorageUnusable
from moretta.core.metering import Delivery, Record, SealedBatch
from moretta.core.usage import new_company_id
from moretta.usage.envelope import BatchSigner, new_signing_key, parse_envelope
from moretta.usage.file_report import FileSender
from moretta.usage.report import HubSender
from moretta.usage.reporting import BACKOFF_FIRST_S, BACKOFF_MAX_S, Reporter, ReportLoop, backoff_s

COMPANY = new_company_id()
SIGNER = BatchSigner(COMPANY, new_signing_key().secret)


def a_batch(count: int = 1) -> SealedBatch:
    return SIGNER.seal((a_record(COMPANY, count),))


def deliver(target: Path, batch: SealedBatch) -> tuple[Delivery, bytes]:
    noted: list[bytes] = []
    return FileSender(target).deliver(batch, noted.append), b"".join(noted)


def test_a_file_holds_one_signed_line_a_batch_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    target = tmp_path / "usage.jsonl"
    batches = [a_batch(1), a_batch(2)]
    for batch in batches:
        assert deliver(target, batch) == (Delivery(True, "acknowledged"), batch.envelope + b"\n")
    assert target.read_bytes().splitlines() == [batch.envelope for batch in batches]
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_batch_that_is_in_the_file_is_not_written_again(tmp_path: Path) -> None:
    target = tmp_path / "usage.jsonl"
    first, second = a_batch(), a_batch()
    for batch in (first, second):
        deliver(target, batch)
    for batch in (first, second):
        assert deliver(target, batch) == (Delivery(True, "acknowledged"), b"")
    assert len(target.read_bytes().splitlines()) == 2


@pytest.mark.parametrize("cut", [1, 10, -2, -1])
def test_a_line_that_a_crash_cut_off_is_written_whole(tmp_path: Path, cut: int) -> None:
    target = tmp_path / "usage.jsonl"
    first, second = a_batch(), a_batch()
    line = second.envelope + b"\n"
    target.write_bytes(first.envelope + b"\n" + line[:cut])
    deliver(target, second)
    assert target.read_bytes() == first.envelope + b"\n" + line


def test_another_writers_unfinished_line_is_ended_and_not_removed(tmp_path: Path) -> None:
    target = tmp_path / "usage.jsonl"
    target.write_bytes(b"a note of the operator")
    batch = a_batch()
    deliver(target, batch)
    assert target.read_bytes() == b"a note of the operator\n" + batch.envelope + b"\n"


def test_a_file_that_cannot_be_written_makes_records_wait(tmp_path: Path) -> None:
    usage, ledger = MemoryUsage(), MemoryLedger()
    usage.append(a_record(COMPANY))
    reporter = Reporter(usage, ledger, FileSender(tmp_path / "absent" / "usage.jsonl"), SIGNER)
    assert reporter.run_once() == Delivery(False, "file not writable")
    assert usage.waiting() == 1
    (tmp_path / "absent").mkdir()
    assert reporter.drain() is None
    assert usage.waiting() == 0
    line = (tmp_path / "absent" / "usage.jsonl").read_bytes()
    assert parse_envelope(line.rstrip(b"\n")).batch.items == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example",
        "http://localhost:8000",
        "http://192.0.2.1",
        "http://127.0.0.1.example",
        "ftp://hub.example",
        "hub.example",
        "https://",
        "https://user:secret@hub.example",
        "https://hub.example?company=1",
        "https://hub.example#x",
        "https://hub.example:99999",
        "https://[::1",
        "",
    ],
)
def test_an_address_that_is_not_safe_to_send_to_is_refused(url: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        HubSender(url)
    assert "secret" not in refused.value.detail


def test_https_to_any_host_and_http_to_a_loopback_address_are_allowed() -> None:
    assert HubSender("https://hub.example/base/").address == "https://hub.example:443"
    assert HubSender("http://127.0.0.1:8000").address == "http://127.0.0.1:8000"
    assert HubSender("http://[::1]:8000").address == "http://[::1]:8000"
    assert HubSender("https://hub.example/base/").preview(a_batch()).startswith(b"POST /base/v1/batches HTTP/1.1\r\n")


def test_certificates_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "absent.pem"):
        with pytest.raises(RequestInvalid, match="PEM"):
            HubSender("https://hub.example", ca_file=tmp_path / name)


def test_the_pause_doubles_to_a_ceiling_and_jitter_takes_at_most_half() -> None:
    assert [backoff_s(failures, 1.0) for failures in (1, 2, 3)] == [5.0, 10.0, 20.0]
    assert backoff_s(1, 0.0) == BACKOFF_FIRST_S / 2
    assert backoff_s(10_000, 1.0) == BACKOFF_MAX_S


class ScriptedSender:
    channel = "hub"
    address = "https://hub.example:443"

    def __init__(self, script: Iterator[str]) -> None:
        self._script = script

    def deliver(self, batch: SealedBatch, record: Record) -> Delivery:
        outcome = next(self._script, "acknowledged")
        if outcome == "raise":
            raise OSError
        return Delivery(outcome == "acknowledged", outcome)

    def preview(self, batch: SealedBatch) -> bytes:
        return batch.envelope


def test_the_loop_goes_on_through_every_failure_until_nothing_waits() -> None:
    usage = MemoryUsage(batch_records=1)
    for _ in range(3):
        usage.append(a_record(COMPANY))
    outcomes: list[str] = []
    done = threading.Event()

    def on_outcome(outcome: str) -> None:
        outcomes.append(outcome)
        if outcome == "acknowledged":
            done.set()

    sender = ScriptedSender(iter(["unreachable", "raise", "acknowledged", "timed out"]))
    reporter = Reporter(usage, MemoryLedger(), sender, SIGNER)
    loop = ReportLoop(reporter, interval_s=60, on_outcome=on_outcome, jitter=lambda: 0.0, backoff_first_s=0.001)
    loop.start()
    assert done.wait(10)
    loop.stop()
    loop.stop()
    assert outcomes == ["unreachable", "failed with OSError", "timed out", "acknowledged"]
    assert usage.waiting() == 0


def test_a_loop_that_waits_stops_at_once() -> None:
    reporter = Reporter(MemoryUsage(), MemoryLedger(), ScriptedSender(iter([])), SIGNER)
    before = threading.active_count()
    loop = ReportLoop(reporter, interval_s=3600)
    loop.start()
    loop.stop(timeout_s=10)
    assert threading.active_count() == before
    ReportLoop(reporter).stop()


def test_a_line_that_cannot_be_noted_is_not_written(tmp_path: Path) -> None:
    def refuse(_: bytes) -> None:
        raise StorageUnusable("the disk is full")

    with pytest.raises(StorageUnusable):
        FileSender(tmp_path / "usage.jsonl").deliver(a_batch(), refuse)
    assert (tmp_path / "usage.jsonl").read_bytes() == b""
