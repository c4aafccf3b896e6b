"""The hub's addresses: batches in, counts out, nothing else."""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.usage_rig import a_record, serving

from moretta.core.errors import NotFound
from moretta.core.usage import canonical_json, new_company_id
from moretta.storage.database import open_hub_database
from moretta.storage.hub import HubStore
from moretta.usage.envelope import ENVELOPE_BYTES_MAX, BatchSigner
from moretta.usage.hub import Hub

JSON = {"content-type": "application/json"}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    engine = open_hub_database(tmp_path / "hub.sqlite")
    yield Hub(HubStore(engine))
    engine.dispose()


@pytest.fixture
def client(hub: Hub) -> Iterator[httpx.Client]:
    with serving(hub) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_a_batch_is_kept_once_and_acknowledged_alike_each_time(hub: Hub, client: httpx.Client) -> None:
    company = hub.create_company()
    batch = BatchSigner(company.company_id, company.signing_key).seal(
        (a_record(company.company_id, 2), a_record(company.company_id, 3, "2025-03-02T00:00:00Z"))
    )
    first, second = (client.post("/v1/batches", content=batch.envelope, headers=JSON) for _ in range(2))
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert first.json().keys() == {"batch_id", "company_id", "records", "sha256"}
    assert [(count.day, count.items) for count in hub.counts()] == [("2025-03-01", 2), ("2025-03-02", 3)]


def test_a_batch_that_stands_still_is_given_up(hub: Hub, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may connect to a hub: nobody keeps a connection by sending nothing."""
    monkeypatch.setattr("moretta.api.hub.BODY_S", 0.2)
    with socket.create_connection((str(client.base_url.host), client.base_url.port or 0)) as connection:
        connection.settimeout(5)
        head = (
            "POST /v1/batches HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")


def test_a_used_batch_id_for_other_records_is_refused(hub: Hub, client: httpx.Client) -> None:
    company = hub.create_company()
    signer = BatchSigner(company.company_id, company.signing_key)
    first = signer.seal((a_record(company.company_id),))
    assert client.post("/v1/batches", content=first.envelope, headers=JSON).status_code == 200
    other = hub.create_company()
    foreign = BatchSigner(other.company_id, other.signing_key).seal((a_record(other.company_id),))
    renamed = json.loads(foreign.envelope)
    renamed["batch"]["batch_id"] = first.batch_id
    refused = client.post("/v1/batches", content=canonical_json(renamed), headers=JSON)
    assert (refused.status_code, refused.json()["code"]) == (422, "usage.rejected")
    assert sum(count.items for count in hub.counts()) == 1


def test_the_same_answer_for_an_unknown_company_and_a_wrong_signature(hub: Hub, client: httpx.Client) -> None:
    company, other = hub.create_company(), hub.create_company()
    unknown = new_company_id()
    wrong = [
        BatchSigner(company.company_id, other.signing_key).seal((a_record(company.company_id),)),
        BatchSigner(unknown, company.signing_key).seal((a_record(unknown),)),
    ]
    answers = [client.post("/v1/batches", content=batch.envelope, headers=JSON) for batch in wrong]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json() == answers[1].json()
    assert hub.counts() == []


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff", b"[" * 50_000, b"x" * (ENVELOPE_BYTES_MAX + 1)])
def test_anything_but_an_envelope_is_refused_as_a_problem(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/v1/batches", content=body, headers=JSON)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_field_too_many_and_another_content_type_are_refused(hub: Hub, client: httpx.Client) -> None:
    company = hub.create_company()
    batch = BatchSigner(company.company_id, company.signing_key).seal((a_record(company.company_id),))
    extended = json.loads(batch.envelope)
    extended["batch"]["records"][0]["file"] = "holiday.jpg"
    answer = client.post("/v1/batches", content=canonical_json(extended), headers=JSON)
    assert answer.status_code == 422
    assert "holiday" not in answer.text
    assert client.post("/v1/batches", content=batch.envelope, headers={"content-type": "text/plain"}).status_code == 422
    assert hub.counts() == []


def test_a_company_reads_its_own_counts_and_the_administrator_all(hub: Hub, client: httpx.Client) -> None:
    companies = [hub.create_company() for _ in range(2)]
    for items, company in enumerate(companies, 1):
        signer = BatchSigner(company.company_id, company.signing_key)
        batch = signer.seal((a_record(company.company_id, items),))
        client.post("/v1/batches", content=batch.envelope, headers=JSON)
    own = client.get("/v1/counts", headers=bearer(companies[1].token)).json()
    assert own == {
        "data": [
            {
                "company_id": companies[1].company_id,
                "day": "2025-03-01",
                "endpoint": "/v1/analyze",
                "status": 200,
                "items": 2,
            }
        ]
    }
    everyone = client.get("/v1/counts", headers=bearer(hub.create_admin_token())).json()
    assert {row["company_id"] for row in everyone["data"]} == {company.company_id for company in companies}


@pytest.mark.parametrize("path", ["/v1/counts", "/"])
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Bearer mh_" + "0" * 16 + "_" + "A" * 43, "Basic !!"])
def test_nobody_reads_counts_without_a_token(client: httpx.Client, path: str, header: str) -> None:
    answer = client.get(path, headers={"authorization": header} if header else {})
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


def test_the_page_shows_every_count_without_a_script_or_another_host(hub: Hub, client: httpx.Client) -> None:
    company = hub.create_company()
    signer = BatchSigner(company.company_id, company.signing_key)
    client.post("/v1/batches", content=signer.seal((a_record(company.company_id, 41),)).envelope, headers=JSON)
    password = base64.b64encode(f"admin:{hub.create_admin_token()}".encode()).decode()
    answer = client.get("/", headers={"authorization": f"Basic {password}"})
    assert answer.status_code == 200
    assert company.company_id in answer.text
    assert '<td class="number">41</td>' in answer.text
    assert "41 items of 1 company" in answer.text
    assert "<script" not in answer.text
    assert "http" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert client.get("/", headers=bearer(company.token)).status_code == 403


def test_the_page_says_so_where_nothing_was_reported(hub: Hub, client: httpx.Client) -> None:
    answer = client.get("/", headers=bearer(hub.create_admin_token()))
    assert "Nothing was reported yet." in answer.text


def test_health_says_ok_and_nothing_else_is_there(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    for path in ("/docs", "/openapi.json", "/v1/companies"):
        assert client.get(path).status_code == 404


def test_no_secret_is_in_the_hubs_database(hub: Hub, tmp_path: Path) -> None:
    company = hub.create_company()
    admin = hub.create_admin_token()
    secrets = [company.signing_key.removeprefix("msk_"), company.token[20:], admin[20:]]
    for path in tmp_path.iterdir():
        assert not any(secret.encode() in path.read_bytes() for secret in secrets)
    assert not any(secret in repr(company) for secret in secrets)


def test_a_new_signing_key_may_stand_beside_the_old_or_replace_it(hub: Hub, client: httpx.Client) -> None:
    company = hub.create_company()
    second = hub.issue_signing_key(company.company_id)
    third = hub.replace_signing_keys(company.company_id)
    keys = [company.signing_key, second, third]
    batches = [BatchSigner(company.company_id, key).seal((a_record(company.company_id),)) for key in keys]
    answers = [client.post("/v1/batches", content=batch.envelope, headers=JSON) for batch in batches]
    assert [answer.status_code for answer in answers] == [422, 422, 200]
    with pytest.raises(NotFound):
        hub.issue_signing_key(new_company_id())
