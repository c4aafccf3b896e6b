"""Fakes behind the API's door, and two ways to knock: in process, and over a real socket."""

import asyncio
import contextlib
import hashlib
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from tests.doors.people_fakes import FakePeople

from moretta.api.app import create_app
from moretta.api.services import ApiSettings, Json, Readiness, ReadinessCheck, Services, WorkerCounts
from moretta.core.analysis import Analysis, AnalysisRequest, FaceReport, MediaInfo, ModelUse, Notice, Progress
from moretta.core.errors import NotAuthenticated, NotFound, ScopeMissing
from moretta.core.keys import API_KEY_PREFIX, ApiKeyInfo, IssuedKey, Scope, new_bearer_token
from moretta.core.limits import MediaLimits
from moretta.core.metering import UsageCount
from moretta.core.policy import built_in
from moretta.core.ports import OnProgress
from moretta.core.recognising import ProbedTracks, ProbeTracksRequest
from moretta.core.redaction import HiddenTrack, LeakReport, Redaction, RedactionRequest
from moretta.core.values import MediaKind, Profile, TrackId

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(2048)
COMPANY = "co_" + "a" * 20
OTHER_COMPANY = "co_" + "b" * 20


def an_analysis(size: int = 1, *, kind: MediaKind = MediaKind.IMAGE, warnings: tuple[Notice, ...] = ()) -> Analysis:
    media = MediaInfo(kind, "png", 64, 48, 1, None, None, False, 0, False, size)
    face = FaceReport(1, 1, 0.0, 0.0, (1.0, 2.0, 30.0, 40.0), 0.9, landmarks=((1.0, 2.0),) * 5)
    return Analysis(media, (face,), None, None, (ModelUse("yunet", "0" * 64),), warnings, Profile.ACCURATE)


@dataclass
class FakeExecutor:
    """Reads the media as a worker would, then does what the test says."""

    behave: Callable[[OnProgress | None], Analysis | None] = lambda _: None
    digests: list[str] = field(default_factory=list)
    requests: list[AnalysisRequest] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    keep_digests: bool = True

    def analyse(self, media_fd: int, request: AnalysisRequest, on_progress: OnProgress | None = None) -> Analysis:
        self.requests.append(request)
        size = os.fstat(media_fd).st_size
        if self.keep_digests:
            self.digests.append(hashlib.sha256(os.pread(media_fd, size, 0)).hexdigest())
        return self.behave(on_progress) or an_analysis(size)

    def close(self) -> None:
        pass


@dataclass
class FakeRedacter:
    """Answers with the media itself, as if every face of it had been hidden; does what the test says before."""

    behave: Callable[[OnProgress | None], LeakReport | None] = lambda _: None
    requests: list[RedactionRequest] = field(default_factory=list)

    def redact(
        self, media_fd: int, request: RedactionRequest, on_progress: OnProgress | None = None
    ) -> tuple[Redaction, int]:
        self.requests.append(request)
        report = self.behave(on_progress) or LeakReport(1, 1, 1, 0, 0.0)
        size = 0 if request.follow_only else os.fstat(media_fd).st_size
        fd = os.memfd_create("output")
        os.write(fd, os.pread(media_fd, size, 0))
        track = HiddenTrack(TrackId(1), 0.0, 0.0, 1, exempt=False)
        sound = None if request.follow_only else request.sound
        checked = report if request.check and not request.follow_only else None
        return Redaction(request.method, 64, 48, 1, 0.0, sound, "png", size, (track,), checked), fd

    def probe_tracks(
        self, media_fd: int, request: ProbeTracksRequest, on_progress: OnProgress | None = None
    ) -> ProbedTracks:
        raise AssertionError("the people of the house recognise tracks without it")

    def close(self) -> None:
        pass


def progress(done: int) -> Progress:
    return Progress("frames", done, 100, 25.0, 1.0, 1)


class FakeKeys:
    """API keys in a dictionary."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.infos: dict[str, ApiKeyInfo] = {}
        self._clock = clock

    def authenticate(self, token: str) -> ApiKeyInfo:
        info = self.infos.get(token)
        if info is None or not info.is_active(self._clock()):
            raise NotAuthenticated("expected a valid API key")
        return info

    def create(
        self, company_id: str, scopes: Iterable[Scope], *, label: str = "", expires_at: datetime | None = None
    ) -> IssuedKey:
        token = new_bearer_token()
        info = ApiKeyInfo(token.token_id, company_id, frozenset(scopes), self._clock(), expires_at, None, label)
        self.infos[token.text(API_KEY_PREFIX)] = info
        return IssuedKey(info, token.text(API_KEY_PREFIX))

    def list(self, company_id: str | None = None) -> list[ApiKeyInfo]:
        return [info for info in self.infos.values() if company_id in {None, info.company_id}]

    def revoke(self, key_id: str, company_id: str | None = None) -> ApiKeyInfo:
        for token, info in self.infos.items():
            if info.key_id == key_id and company_id in {None, info.company_id}:
                self.infos[token] = replace(info, revoked_at=info.revoked_at or self._clock())
                return self.infos[token]
        raise NotFound("no such key")


@dataclass
class FakeMeter:
    """Remembers records; fails where the test says so."""

    records: list[tuple[str, int, str, int, str | None]] = field(default_factory=list)
    broken: bool = False

    def record(self, endpoint: str, status: int, company_id: str, count: int = 1, key_id: str | None = None) -> object:
        if self.broken:
            raise OSError("disk full: secret-file-name.mp4")
        self.records.append((endpoint, status, company_id, count, key_id))
        return None

    def counts(self, company_id: str | None = None, since: str | None = None) -> list[UsageCount]:
        return [
            UsageCount(company, key_id, "2025-01-31", endpoint, status, count)
            for endpoint, status, company, count, key_id in self.records
            if company_id in {None, company} and (since or "") <= "2025-01-31"
        ]


class House:
    """An app with fakes behind it."""

    def __init__(
        self,
        behave: Callable[[OnProgress | None], Analysis | None] = lambda _: None,
        *,
        limits: MediaLimits | None = None,
        allow_expression: bool = False,
        **settings: Any,
    ) -> None:
        self.now = datetime(2025, 1, 31, 12, tzinfo=UTC)
        self.executor = FakeExecutor(behave)
        self.redacter = FakeRedacter()
        self.keys = FakeKeys(lambda: self.now)
        self.meter = FakeMeter()
        self.people = FakePeople()
        self.log = io.StringIO()
        self.ready = True
        self.services = Services(
            executor=self.executor,
            redactions=self.redacter,
            keys=self.keys,
            meter=self.meter,
            usage=self.meter,
            egress=self._egress,
            whitepaper=lambda: "# Whitepaper\n",
            sandbox_status=lambda: {"landlock": True},
            readiness=lambda: Readiness(self.ready, (ReadinessCheck("models", self.ready, "ok", "install them"),)),
            version="0.1.0",
            limits=limits or MediaLimits(),
            policy=built_in(expression=allow_expression),
            clock=lambda: self.now,
            worker_counts=lambda: WorkerCounts(2, 1, 0),
            people=self.people,
            settings=ApiSettings(**{"rate_per_s": 1000.0, "rate_burst": 1000, **settings}),
        )
        self.token = self.keys.create(COMPANY, [Scope.MEDIA_ANALYZE]).token
        self.admin = self.keys.create(COMPANY, [Scope.ADMIN]).token
        self.other = self.keys.create(OTHER_COMPANY, [Scope.MEDIA_ANALYZE]).token
        self.writer = self.keys.create(COMPANY, [Scope.PERSONS_WRITE]).token
        self.searcher = self.keys.create(COMPANY, [Scope.SEARCH_RUN]).token
        self.stranger = self.keys.create(OTHER_COMPANY, [Scope.ADMIN]).token
        self.app: FastAPI = create_app(self.services, self.log)

    @staticmethod
    def _egress(company_id: str) -> Mapping[str, Json]:
        if company_id != COMPANY:
            raise ScopeMissing("the operator's own")
        return {"sent": [], "addresses": []}

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def auth(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.token}"}

    def call(self, method: str, url: str, *, token: str | None = "", **given: Any) -> httpx.Response:
        """Ask in process; `token` None: without a key, "": with the analysing one."""
        headers = httpx.Headers(given.pop("headers", {}))
        if token is not None:
            headers.update(self.auth(token))

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
                return await client.request(method, url, headers=headers, **given)

        return asyncio.run(ask())

    def analyze(self, media: bytes = PNG, url: str = "/v1/analyze", **given: Any) -> httpx.Response:
        return self.call("POST", url, files={"file": ("name.png", media, "image/png")}, **given)

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """The app behind a real socket on loopback."""
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
        thread.start()
        wait_until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
            listener.close()


def wait_until(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def held_until(go_on: threading.Event) -> Callable[[OnProgress | None], None]:
    """Work that waits for the test's word."""

    def wait(_: OnProgress | None) -> None:
        assert go_on.wait(10), "the test did not say so in time"

    return wait


def open_uploads(pid: int | str = "self") -> int:
    """How many uploads the process holds in memory."""
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += "moretta-upload" in str(entry.readlink())
        except FileNotFoundError:
            continue
    return found


def is_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem in `response`, which has this status and code and all that every problem has."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["type"] == f"/problems/{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    assert isinstance(problem["field_errors"], list)
    return problem
