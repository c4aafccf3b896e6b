"""What tests of usage reporting share: one side or the other, running for real on the loopback, and stand-ins in memory.

The functions `append_and_report` and `run_hub` are also the whole of a child process that is killed at a named step.
"""

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import uvicorn
from sqlalchemy import Engine

from moretta.api.hub import create_hub_app
from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.metering import BatchSender, Delivery, EgressAttempt, Record, Seal, SealedBatch
from moretta.core.usage import BATCH_RECORDS_MAX, UsageRecord
from moretta.storage.database import open_database, open_hub_database
from moretta.storage.egress import EgressStore
from moretta.storage.hub import HubStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.usage.envelope import BatchSigner, acknowledgement, parse_envelope
from moretta.usage.file_report import FileSender
from moretta.usage.hub import Hub
from moretta.usage.report import HubSender
from moretta.usage.reporting import Reporter

KILLED = 9


def a_record(company_id: str, count: int = 1, time: str = "2025-03-01T12:00:00Z") -> UsageRecord:
    return UsageRecord(time, "/v1/analyze", 200, company_id, count)


def dying_at(step: str) -> Checkpoint:
    """A checkpoint that ends the process at `step`, or at its nth time for `step#n`, with nothing tidied up."""
    name, _, nth = step.partition("#")
    seen: Counter[str] = Counter()

    def checkpoint(reached: str) -> None:
        seen[reached] += 1
        if reached == name and seen[reached] == int(nth or 1):
            os._exit(KILLED)

    return checkpoint


def a_reporter(
    engine: Engine, sender: BatchSender, company_id: str, key: str, checkpoint: Checkpoint = no_checkpoint
) -> Reporter:
    outbox = OutboxStore(engine, checkpoint=checkpoint, batch_records=3)
    return Reporter(outbox, EgressStore(engine, checkpoint=checkpoint), sender, BatchSigner(company_id, key))


def append_and_report(database: Path, target: str, company_id: str, key: str, step: str, appends: int) -> None:
    """A child's whole life: append, then report until nothing waits."""
    checkpoint = dying_at(step)
    engine = open_database(database)
    store = UsageStore(engine, checkpoint)
    for count in range(1, appends + 1):
        store.append(a_record(company_id, count))
    hub = target.startswith("http")
    sender: BatchSender = (
        HubSender(target, checkpoint=checkpoint) if hub else FileSender(Path(target), checkpoint=checkpoint)
    )
    a_reporter(engine, sender, company_id, key, checkpoint).drain()
    engine.dispose()


def append_many(database: Path, company_id: str, times: int) -> None:
    """Another child's whole life."""
    engine = open_database(database)
    store = UsageStore(engine)
    for _ in range(times):
        store.append(a_record(company_id))
    engine.dispose()


def run_hub(database: Path, listener: socket.socket, step: str) -> None:
    """A hub process on an open socket; it dies at `step`, or when it is ended."""
    checkpoint = dying_at(step)
    engine = open_hub_database(database)
    _server(Hub(HubStore(engine, checkpoint=checkpoint), checkpoint)).run(sockets=[listener])
    engine.dispose()


def _server(hub: Hub, **options: str) -> uvicorn.Server:
    config = uvicorn.Config(
        create_hub_app(hub),
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        **options,  # type: ignore[arg-type]
    )
    return uvicorn.Server(config)


def a_listener() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(16)
    return listener


@contextmanager
def serving(hub: Hub, **options: str) -> Iterator[int]:
    """The hub in a thread of this process; its port."""
    listener = a_listener()
    server = _server(hub, **options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()


class RawServer:
    """Keeps every byte that arrives, and answers with what `reply` makes of the request's body."""

    def __init__(self, reply: Callable[[bytes], bytes], wait_s: float = 0.0) -> None:
        self.received: list[bytes] = []
        self._reply = reply
        self._wait_s = wait_s
        self._listener = a_listener()
        self.port = int(self._listener.getsockname()[1])
        self._last: tuple[str, int] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "RawServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Whoever came before this last connection is answered first: what they sent is in `received` when the block ends.
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            self._last = last.getsockname()
            last.connect(("127.0.0.1", self.port))
            self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        while True:
            connection, peer = self._listener.accept()
            with connection:
                if peer == self._last:
                    return
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        got = b""
        self.received.append(got)
        while not _complete(got):
            chunk = connection.recv(65536)
            if not chunk:
                return
            got += chunk
            self.received[-1] = got
        answer = self._reply(got.partition(b"\r\n\r\n")[2])
        try:
            for start in range(0, len(answer), 64):
                connection.sendall(answer[start : start + 64])
                time.sleep(self._wait_s)
            connection.settimeout(5)
            while answer and (chunk := connection.recv(65536)):
                self.received[-1] += chunk
        except OSError:
            return


def _complete(got: bytes) -> bool:
    head, found, body = got.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(found) and len(body) >= int(lengths[0])


def http_answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def right_answer(envelope: bytes) -> bytes:
    """What a hub that kept the batch says."""
    batch = parse_envelope(envelope).batch
    return http_answer("200 OK", acknowledgement(batch.batch_id, batch.company_id, len(batch.records), envelope))


class MemoryUsage:
    """`UsageLog` and `Outbox` without a disk."""

    def __init__(self, batch_records: int = BATCH_RECORDS_MAX) -> None:
        self.records: list[UsageRecord] = []
        self._batched = 0
        self._batch_records = batch_records
        self._open: SealedBatch | None = None
        self._acknowledged = 0

    def append(self, record: UsageRecord, key_id: str | None = None) -> None:
        self.records.append(record)

    def total(self, company_id: str | None = None) -> int:
        return sum(record.count for record in self.records)

    def reporting(self) -> AbstractContextManager[None]:
        return nullcontext()

    def next_batch(self, company_id: str, seal: Seal) -> SealedBatch | None:
        if self._open is None and self._batched < len(self.records):
            chosen = tuple(self.records[self._batched :][: self._batch_records])
            self._open = seal(chosen)
            self._batched += len(chosen)
        return self._open

    def acknowledge(self, batch_id: str) -> None:
        if self._open is not None and self._open.batch_id == batch_id:
            self._acknowledged += self._open.items
            self._open = None

    def waiting(self, company_id: str | None = None) -> int:
        return self.total() - self._acknowledged


class MemoryLedger:
    """`EgressLedger` without a disk."""

    def __init__(self) -> None:
        self._attempts: list[EgressAttempt] = []

    def start(self, batch_id: str, channel: str, address: str) -> int:
        number = len(self._attempts) + 1
        self._attempts.append(EgressAttempt(number, batch_id, channel, address, "2025-03-01T12:00:00Z", None, b""))
        return number

    def write(self, attempt_id: int, content: bytes) -> None:
        old = self._attempts[attempt_id - 1]
        self._replace(old, old.outcome, old.content + content)

    def finish(self, attempt_id: int, outcome: str) -> None:
        old = self._attempts[attempt_id - 1]
        self._replace(old, old.outcome or outcome, old.content)

    def attempts(self) -> Iterator[EgressAttempt]:
        return iter(list(self._attempts))

    def counts(self) -> list[tuple[str, str, int]]:
        counted = Counter((attempt.channel, attempt.address) for attempt in self._attempts)
        return sorted((channel, address, count) for (channel, address), count in counted.items())

    def _replace(self, old: EgressAttempt, outcome: str | None, content: bytes) -> None:
        self._attempts[old.attempt_id - 1] = EgressAttempt(
            old.attempt_id, old.batch_id, old.channel, old.address, old.started_at, outcome, content
        )


class HubInMemorySender:
    """A `BatchSender` straight into a hub, with a script of what goes wrong: `lost`, `kept` (answer lost), or `fine`."""

    channel = "hub"
    address = "https://hub.example:443"

    def __init__(self, hub: Hub, script: Iterator[str]) -> None:
        self._hub = hub
        self._script = script

    def deliver(self, batch: SealedBatch, record: Record) -> Delivery:
        what = next(self._script, "fine")
        if what == "unreachable":
            return Delivery(False, "unreachable")
        record(batch.envelope)
        if what == "lost":
            return Delivery(False, "connection lost")
        self._hub.accept(batch.envelope)
        if what == "kept":
            return Delivery(False, "timed out")
        if what == "dies":
            raise KeyboardInterrupt
        return Delivery(True, "acknowledged")

    def preview(self, batch: SealedBatch) -> bytes:
        return batch.envelope
