"""Streams through the API: who may make them, where they may get pictures from, what is never shown or kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from api_fakes import COMPANY, OTHER_COMPANY, House, is_problem
from sqlalchemy import Engine

from moretta.api.app import create_app
from moretta.core.cameras import WatchReceipt
from moretta.core.keys import Scope
from moretta.keys.signing import SeedSigner
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.storage.statistics.streams import SqlStreamStore
from moretta.storage.usage import UsageStore
from moretta.usage.meter import UsageMeter
from moretta.wiring.streams.receipts import signed_receipt
from moretta.wiring.streams.streams import Streams
from moretta.wiring.watching.wire import adapter

SECRET = "s3cr3t"
SOURCE = f"rtsp://user:{SECRET}@10.9.8.7:554/{SECRET}"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(tmp_path / "moretta.db")
    yield engine
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"x")
    (tmp_path / "outside.mp4").write_bytes(b"x")
    (tmp_path / "clips" / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    # No models there: what is started here fails, and says so.
    return Settings(
        data_dir=tmp_path,
        models_dir=tmp_path / "none",
        camera_hosts="10.9.8.7:554 [::1]:80",
        camera_dir=tmp_path / "clips",
    )


@pytest.fixture
def house(engine: Engine, settings: Settings) -> Iterator[House]:
    made = House()
    streams = Streams(settings, engine, UsageMeter(UsageStore(engine)))
    made.services = replace(made.services, streams=streams)
    made.app = create_app(made.services, made.log)
    yield made
    streams.close()


@pytest.fixture
def token(house: House) -> str:
    return house.keys.create(COMPANY, [Scope.STREAMS_MANAGE]).token


def site(*sources: str | None, **more: Any) -> dict[str, Any]:
    cameras = [{"name": f"c{at}"} | ({} if one is None else {"source": one}) for at, one in enumerate(sources)]
    return {"site": {"name": "shop", "cameras": cameras, **more}}


def test_a_stream_is_made_listed_and_removed_and_its_source_never_shown(
    house: House, token: str, engine: Engine, tmp_path: Path
) -> None:
    made = house.call("POST", "/v1/streams", token=token, json=site(SOURCE))
    assert made.status_code == 201
    where = made.headers["location"]
    assert where == f"/v1/streams/{made.json()['id']}" and made.json()["state"] == "stopped"
    looked, listed = house.call("GET", where, token=token), house.call("GET", "/v1/streams", token=token)
    assert looked.status_code == 200 and [one["id"] for one in listed.json()["data"]] == [made.json()["id"]]
    engine.dispose()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("moretta.db*"))
    assert b"shop" in kept and b"10.9.8.7" not in kept
    for content in (made.content, looked.content, listed.content, kept, house.log.getvalue().encode()):
        assert SECRET.encode() not in content
    assert house.call("DELETE", where, token=token).status_code == 204
    assert house.call("GET", where, token=token).status_code == 404


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://10.9.8.7:555/x",
        "http://10.9.8.8:554/x",
        "http://169.254.169.254/latest/meta-data",
        "https://localhost/",
        "/etc/passwd",
        "../outside.mp4",
        "link.mp4",
        "/dev/video0",
        "gopher://10.9.8.7:554/",
    ],
)
def test_pictures_come_from_nowhere_but_what_the_settings_allow(house: House, token: str, source: str) -> None:
    made = house.call("POST", "/v1/streams", token=token, json=site(source))
    assert is_problem(made, 422, "request.invalid")
    assert source not in made.text
    without = house.call("POST", "/v1/streams", token=token, json=site(None)).json()["id"]
    begun = house.call("POST", f"/v1/streams/{without}/start", token=token, json={"sources": {"c0": source}})
    assert is_problem(begun, 422, "request.invalid")


def test_a_stream_under_the_name_of_a_made_up_site_is_refused(house: House, token: str) -> None:
    wanted = site(SOURCE)
    wanted["site"]["name"] = "sim-shop"
    made = house.call("POST", "/v1/streams", token=token, json=wanted)
    assert is_problem(made, 422, "request.invalid") and "begin with sim-" in made.text


def test_what_the_settings_allow_may_be_named(house: House, token: str) -> None:
    for source in (SOURCE, "http://[::1]:80/x", "a.mp4", "./"):
        assert house.call("POST", "/v1/streams", token=token, json=site(source)).status_code == 201


def test_a_receipt_is_handed_out_as_it_was_signed_and_not_before(house: House, token: str, engine: Engine) -> None:
    made = house.call("POST", "/v1/streams", token=token, json=site(SOURCE))
    where = f"{made.headers['location']}/receipt"
    assert is_problem(house.call("GET", where, token=token), 404, "not_found")
    store = SqlStreamStore(engine)
    receipt = WatchReceipt("shop", "ws_1", datetime(2026, 11, 25, 12, tzinfo=UTC), (), False)
    unsigned, signed = adapter(WatchReceipt).dump_json(receipt), signed_receipt(receipt, SeedSigner(b"s" * 32))
    store.note_receipt(COMPANY, made.json()["id"], unsigned.decode())
    assert is_problem(house.call("GET", where, token=token), 404, "not_found")
    store.note_receipt(COMPANY, made.json()["id"], signed.decode())
    assert house.call("GET", where, token=token).content == signed
    # What is shown of the stream is read from the same document.
    shown = house.call("GET", made.headers["location"], token=token).json()["receipt"]
    assert (shown["session"], shown["recognises"]) == ("ws_1", False)
    others = house.keys.create(OTHER_COMPANY, [Scope.STREAMS_MANAGE]).token
    assert house.call("GET", where, token=others).status_code == 404


def test_another_company_sees_and_moves_nothing(house: House, token: str) -> None:
    stream = house.call("POST", "/v1/streams", token=token, json=site(SOURCE)).json()["id"]
    other = house.keys.create(OTHER_COMPANY, [Scope.STREAMS_MANAGE]).token
    assert house.call("GET", "/v1/streams", token=other).json()["data"] == []
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/stop")):
        answer = house.call(method, f"/v1/streams/{stream}{path}", token=other, json={})
        assert is_problem(answer, 404, "not_found")
    assert house.call("GET", f"/v1/streams/{stream}", token=token).status_code == 200


def test_only_its_own_scope_opens_it(house: House) -> None:
    for scope in set(Scope) - {Scope.STREAMS_MANAGE, Scope.ADMIN}:
        key = house.keys.create(COMPANY, [scope]).token
        assert is_problem(house.call("GET", "/v1/streams", token=key), 403, "key.scope_missing")


def test_a_stream_without_a_source_is_not_started(house: House, token: str) -> None:
    stream = house.call("POST", "/v1/streams", token=token, json=site(None, SOURCE)).json()["id"]
    answer = house.call("POST", f"/v1/streams/{stream}/start", token=token, json={})
    assert is_problem(answer, 422, "request.invalid") and "c0" in answer.json()["detail"]
    unknown = house.call("POST", f"/v1/streams/{stream}/start", token=token, json={"sources": {"c9": SOURCE}})
    assert is_problem(unknown, 422, "request.invalid")


def test_one_that_cannot_be_watched_fails_in_words_and_each_camera_is_counted(
    house: House, token: str, engine: Engine
) -> None:
    stream = house.call("POST", "/v1/streams", token=token, json=site("a.mp4", "a.mp4")).json()["id"]
    assert house.call("POST", f"/v1/streams/{stream}/start", token=token, json={}).status_code == 200
    running = house.services.streams
    assert running is not None
    running._running[COMPANY, stream].thread.join(60)
    told = house.call("GET", f"/v1/streams/{stream}", token=token).json()
    assert told["state"] == "failed" and "moretta models install" in told["trouble"]
    assert [(one.endpoint, one.status, one.items) for one in UsageStore(engine).counts()] == [("/v1/streams", 200, 2)]


def test_what_is_no_site_is_refused_with_its_fields(house: House, token: str) -> None:
    for body in ({}, {"site": {"name": "x"}}, site(SOURCE, timezone="Nowhere/Here"), site(SOURCE) | {"rate": 1000}):
        answer = house.call("POST", "/v1/streams", token=token, json=body)
        assert is_problem(answer, 422, "request.invalid") and SECRET not in answer.text
