"""What really goes over the wire: as noted, to the byte, and only to whom the settings name."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import Engine
from tests.usage_rig import RawServer, a_record, a_reporter, http_answer, right_answer, serving

from moretta.core.errors import StorageUnusable
from moretta.core.metering import Delivery, SealedBatch
from moretta.core.usage import new_company_id
from moretta.storage.database import open_database, open_hub_database
from moretta.storage.egress import EgressStore
from moretta.storage.hub import HubStore
from moretta.storage.outbox import OutboxStore
from moretta.storage.usage import UsageStore
from moretta.usage.egress import AllowedAddress, Egress
from moretta.usage.envelope import BatchSigner, new_signing_key
from moretta.usage.hub import Hub
from moretta.usage.report import REPLY_BYTES_MAX, HubSender

COMPANY = new_company_id()
KEY = new_signing_key().secret


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "moretta.sqlite")
    UsageStore(engine).append(a_record(COMPANY, 7), "0123456789abcdef")
    yield engine
    engine.dispose()


@pytest.fixture
def batch() -> SealedBatch:
    return BatchSigner(COMPANY, KEY).seal((a_record(COMPANY),))


def test_the_ledger_and_the_preview_hold_what_a_server_receives_to_the_byte(engine: Engine) -> None:
    with RawServer(right_answer) as server:
        reporter = a_reporter(engine, HubSender(f"http://127.0.0.1:{server.port}"), COMPANY, KEY)
        preview = reporter.next_batch_preview()
        assert server.received == []
        assert reporter.run_once() == Delivery(True, "acknowledged")
    (attempt,) = EgressStore(engine).attempts()
    assert server.received == [attempt.content]
    assert attempt.content == preview
    assert (attempt.outcome, attempt.address) == ("acknowledged", f"http://127.0.0.1:{server.port}")
    assert reporter.next_batch_preview() is None


def test_a_request_holds_three_headers_a_signed_batch_and_nothing_else(engine: Engine) -> None:
    with RawServer(right_answer) as server:
        a_reporter(engine, HubSender(f"http://127.0.0.1:{server.port}"), COMPANY, KEY).run_once()
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.decode().split("\r\n") == [
        "POST /v1/batches HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    envelope = json.loads(body)
    assert envelope.keys() == {"batch", "signature"}
    assert envelope["batch"].keys() == {"batch_id", "company_id", "records"}
    assert envelope["batch"]["records"] == [
        {
            "company_id": COMPANY,
            "count": 7,
            "endpoint": "/v1/analyze",
            "status": 200,
            "time": "2025-03-01T12:00:00Z",
        }
    ]


def test_every_attempt_repeats_the_same_bytes_until_it_is_acknowledged(engine: Engine) -> None:
    answers = iter([lambda _: http_answer("503 Service Unavailable", b""), lambda _: b"", right_answer])

    def answer_in_turn(body: bytes) -> bytes:
        return next(answers)(body)

    with RawServer(answer_in_turn) as server:
        reporter = a_reporter(engine, HubSender(f"http://127.0.0.1:{server.port}"), COMPANY, KEY)
        first = reporter.run_once()
        UsageStore(engine).append(a_record(COMPANY))  # goes into a later batch
        outcomes = [first, reporter.run_once(), reporter.run_once()]
    assert [outcome.outcome for outcome in outcomes if outcome] == [
        "refused with status 503",
        "connection lost",
        "acknowledged",
    ]
    assert len(server.received) == 3
    assert len(set(server.received)) == 1
    assert [attempt.content for attempt in EgressStore(engine).attempts()] == server.received
    assert OutboxStore(engine).waiting(COMPANY) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"\x00\xff garbage\r\n\r\n", "connection lost"),
        (b"", "connection lost"),
        (http_answer("200 OK", b""), "answer not understood"),
        (http_answer("200 OK", b"OK"), "answer not understood"),
        (http_answer("200 OK", b"[" * REPLY_BYTES_MAX * 2), "answer not understood"),
        (http_answer("202 Accepted", b"{}"), "refused with status 202"),
        (http_answer("204 No Content", b""), "refused with status 204"),
        (http_answer("422 Unprocessable", b"{}"), "refused with status 422"),
        (http_answer("500 Internal Server Error", b"secret words"), "refused with status 500"),
    ],
)
def test_nothing_but_the_exact_answer_is_an_acknowledgement(batch: SealedBatch, answer: bytes, outcome: str) -> None:
    with RawServer(lambda _: answer) as server:
        sender = HubSender(f"http://127.0.0.1:{server.port}", timeout_s=5)
        assert sender.deliver(batch, lambda _: None) == Delivery(False, outcome)


def test_the_right_answer_to_another_batch_is_no_acknowledgement(batch: SealedBatch) -> None:
    other = BatchSigner(COMPANY, KEY).seal((a_record(COMPANY),))
    with RawServer(lambda _: right_answer(other.envelope)) as server:
        sender = HubSender(f"http://127.0.0.1:{server.port}")
        assert sender.deliver(batch, lambda _: None) == Delivery(False, "answer not understood")


def test_a_redirect_is_not_followed(batch: SealedBatch) -> None:
    with RawServer(right_answer) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/v1/batches"
        with RawServer(lambda _: http_answer("307 Temporary Redirect", b"", location)) as server:
            sender = HubSender(f"http://127.0.0.1:{server.port}")
            assert sender.deliver(batch, lambda _: None) == Delivery(False, "refused with status 307")
    assert elsewhere.received == []


def test_proxies_of_the_environment_are_ignored(batch: SealedBatch, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(right_answer) as proxy, RawServer(right_answer) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert HubSender(f"http://127.0.0.1:{server.port}").deliver(batch, lambda _: None).acknowledged
    assert proxy.received == []


def test_a_hub_that_answers_byte_by_byte_does_not_hold_the_reporter(batch: SealedBatch) -> None:
    slow = http_answer("200 OK", b"x" * 4000)
    with RawServer(lambda _: slow, wait_s=0.05) as server:
        sender = HubSender(f"http://127.0.0.1:{server.port}", timeout_s=0.4)
        assert sender.deliver(batch, lambda _: None) == Delivery(False, "timed out")


def test_a_hub_that_is_not_there_gets_nothing_and_records_wait(engine: Engine) -> None:
    with RawServer(right_answer) as server:
        port = server.port
    reporter = a_reporter(engine, HubSender(f"http://127.0.0.1:{port}"), COMPANY, KEY)
    assert reporter.run_once() == Delivery(False, "unreachable")
    (attempt,) = EgressStore(engine).attempts()
    assert (attempt.content, attempt.outcome) == (b"", "unreachable")
    assert OutboxStore(engine).waiting(COMPANY) == 7


def test_over_tls_the_ledger_holds_the_plaintext_and_an_untrusted_hub_gets_none(engine: Engine, tmp_path: Path) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    certificate = ours.issue_cert("127.0.0.1")
    files = {name: tmp_path / name for name in ("ours.pem", "theirs.pem", "cert.pem", "key.pem")}
    ours.cert_pem.write_to_path(files["ours.pem"])
    theirs.cert_pem.write_to_path(files["theirs.pem"])
    certificate.cert_chain_pems[0].write_to_path(files["cert.pem"])
    certificate.private_key_pem.write_to_path(files["key.pem"])
    hub_engine = open_hub_database(tmp_path / "hub.sqlite")
    hub = Hub(HubStore(hub_engine))
    company = hub.create_company()
    UsageStore(engine).append(a_record(company.company_id, 5))
    options = {"ssl_certfile": str(files["cert.pem"]), "ssl_keyfile": str(files["key.pem"])}
    with serving(hub, **options) as port:
        url = f"https://127.0.0.1:{port}"
        for ca_file in (files["theirs.pem"], None):
            sender = HubSender(url, ca_file=ca_file)
            reporter = a_reporter(engine, sender, company.company_id, company.signing_key)
            assert reporter.run_once() == Delivery(False, "certificate not trusted")
        sender = HubSender(url, ca_file=files["ours.pem"])
        reporter = a_reporter(engine, sender, company.company_id, company.signing_key)
        preview = reporter.next_batch_preview()
        assert reporter.run_once() == Delivery(True, "acknowledged")
    refused, refused_too, sent = EgressStore(engine).attempts()
    assert (refused.content, refused_too.content) == (b"", b"")
    assert sent.content == preview
    assert sent.content.startswith(b"POST /v1/batches HTTP/1.1\r\n")
    assert [count.items for count in hub.counts(company.company_id)] == [5]
    hub_engine.dispose()


def test_a_batch_signed_by_another_key_is_refused_and_waits(engine: Engine, tmp_path: Path) -> None:
    hub_engine = open_hub_database(tmp_path / "hub.sqlite")
    hub = Hub(HubStore(hub_engine))
    company = hub.create_company()
    UsageStore(engine).append(a_record(company.company_id))
    with serving(hub) as port:
        reporter = a_reporter(engine, HubSender(f"http://127.0.0.1:{port}"), company.company_id, KEY)
        assert reporter.run_once() == Delivery(False, "refused with status 422")
    assert hub.counts() == []
    assert OutboxStore(engine).waiting(company.company_id) == 1
    hub_engine.dispose()


def test_egress_lists_what_was_sent_and_every_allowed_address(engine: Engine) -> None:
    others = [AllowedAddress("database", "db.example:5432", 0)]
    assert Egress(EgressStore(engine)).summary().reporter == "off"
    assert Egress(EgressStore(engine)).next_batch_preview() is None
    with RawServer(right_answer) as server:
        reporter = a_reporter(engine, HubSender(f"http://127.0.0.1:{server.port}"), COMPANY, KEY)
        egress = Egress(EgressStore(engine), reporter, lambda: others)
        hub = AllowedAddress("usage hub", f"http://127.0.0.1:{server.port}", 0)
        assert egress.addresses() == (hub, others[0])
        preview = egress.next_batch_preview()
        reporter.drain()
    assert [attempt.content for attempt in egress.sent_to_vendor()] == server.received == [preview]
    summary = egress.summary()
    assert (summary.reporter, summary.attempts, summary.bytes_sent) == ("hub", 1, len(server.received[0]))
    assert [address.count for address in summary.addresses] == [1, 0]


def test_records_of_another_company_are_never_sent(engine: Engine) -> None:
    other = new_company_id()
    with RawServer(right_answer) as server:
        a_reporter(engine, HubSender(f"http://127.0.0.1:{server.port}"), other, KEY).drain()
    assert server.received == []
    assert OutboxStore(engine).waiting(COMPANY) == 7


def test_the_key_of_the_caller_is_not_in_what_is_sent(engine: Engine) -> None:
    with RawServer(right_answer) as server:
        a_reporter(engine, HubSender(f"http://127.0.0.1:{server.port}"), COMPANY, KEY).drain()
    assert b"0123456789abcdef" not in server.received[0]
    assert not re.search(rb"(?i)user-agent|accept|cookie|authorization", server.received[0])


def test_bytes_that_cannot_be_noted_are_not_sent(batch: SealedBatch) -> None:
    def refuse_from(position: int) -> list[bytes]:
        noted: list[bytes] = []

        def note(content: bytes) -> None:
            if len(noted) == position:
                raise StorageUnusable("the disk is full")
            noted.append(content)

        with RawServer(right_answer) as server, pytest.raises(StorageUnusable):
            HubSender(f"http://127.0.0.1:{server.port}").deliver(batch, note)
        assert b"".join(server.received) == b"".join(noted)
        return noted

    assert refuse_from(0) == []
    (head,) = refuse_from(1)
    assert head.startswith(b"POST ")
    assert batch.envelope not in head
