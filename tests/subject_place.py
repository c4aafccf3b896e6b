"""People's own pages over a real region: everything behind the door is real but the workers, which read made-up pictures."""

import asyncio
import io
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from PIL import Image, ImageDraw

from moretta.api.app import create_app
from moretta.api.services import ApiSettings, Readiness, Services
from moretta.core.clock import utc_now
from moretta.core.consent import Notice
from moretta.core.keys import ApiKeyInfo, Scope
from moretta.core.policy import Policy
from moretta.core.recognising import Embedded, EmbedRequest
from moretta.core.recognition import Collection, Person, StoreWish
from moretta.core.subject_access import IssuedLink
from moretta.keys.passkeys import WebAuthnPasskeys
from moretta.keys.subjects import SubjectKeyCheck
from moretta.ledger.proofs import proof_of
from moretta.pages.subject import SubjectPageMaker
from moretta.use_cases.consent.facade import Consents
from moretta.use_cases.consent.means import ConsentMeans
from moretta.use_cases.recognition import Recognition
from moretta.use_cases.rights import Rights
from moretta.use_cases.subject import OwnPages
from moretta.use_cases.subject.means import SubjectMeans
from moretta.use_cases.subject.rights import RightsOfOne
from moretta.wiring.rights import rights_over
from tests import recognition_rig
from tests.consent_rig import CONTROLLER, TEXT
from tests.policies import OPEN
from tests.recognition_rig import COMPANY, OTHER_COMPANY

KEYS = {
    "managing": ApiKeyInfo("0011223344556677", COMPANY, frozenset({Scope.RIGHTS_MANAGE}), utc_now()),
    "writing": ApiKeyInfo("1111223344556677", COMPANY, frozenset({Scope.PERSONS_WRITE}), utc_now()),
    "strange": ApiKeyInfo("2211223344556677", OTHER_COMPANY, frozenset({Scope.ADMIN}), utc_now()),
}
FORM_TOKEN = re.compile(
    r'action="(?P<action>[^"]+)"[^>]*><input type="hidden" name="form_token" value="(?P<token>[0-9a-f]+)"'
)


@dataclass
class Hands:
    """A clock that tests turn."""

    offset: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.offset


class DrawnFaces(recognition_rig.ScriptedFaces):
    """Keeps a drawn face as the photo, so that a browser has something to show: never a real one."""

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        read = super().embed(media_fd, request)
        return read if read.photo is None else replace(read, photo=drawn_face())


def drawn_face() -> bytes:
    """A JPEG of a face that nobody has."""
    picture = Image.new("RGB", (160, 200), "#d9cfc0")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((30, 30, 130, 160), fill="#8a6f5a")
    draw.ellipse((55, 80, 67, 92), fill="#1d1a17")
    draw.ellipse((93, 80, 105, 92), fill="#1d1a17")
    draw.arc((60, 100, 100, 135), 20, 160, fill="#1d1a17", width=4)
    made = io.BytesIO()
    picture.save(made, "JPEG")
    return made.getvalue()


class _Keys:
    """API keys by their names."""

    def authenticate(self, token: str) -> ApiKeyInfo:
        return KEYS[token]


class _Nothing:
    """Stands for what these tests never ask."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody should ask for {name}")


@dataclass
class Home:
    """A collection of people with a notice, and their pages."""

    place: recognition_rig.Place
    recognition: Recognition
    consents: Consents
    rights: Rights
    pages: OwnPages
    clock: Hands
    collection: Collection
    notice: Notice
    app: FastAPI
    log: io.StringIO
    seconds: list[float]
    origin: str = ""

    def person(self, name: str = "Anna", *, photo: bool = False, **wishes: Any) -> Person:
        """Somebody enrolled, with a photo where wished."""
        wish = StoreWish.PHOTO if photo else StoreWish.TEMPLATE
        made = self.place.enrolled(self.collection.collection_id, name, f"{name}/1", store=wish, **wishes)
        return self.recognition.person(COMPANY, made.person_id)

    def link(self, person: Person, life: timedelta | None = None) -> IssuedLink:
        return self.pages.make_link(COMPANY, person.person_id, made_by="cli", life=life)

    def browser(self, scheme: str = "http") -> "Browser":
        return Browser(self, scheme)

    def visitor(self, person: Person) -> "Browser":
        """A browser in which that person is in."""
        browser, made = self.browser(), self.link(person)
        assert browser.enter(made.link.link_id, made.code).status_code == 303
        return browser

    def pass_time(self, span: timedelta) -> None:
        self.clock.offset += span
        self.seconds[0] += span.total_seconds()

    @contextmanager
    def served(self, listener: socket.socket) -> Iterator[None]:
        """The pages behind a socket."""
        config = uvicorn.Config(self.app, log_config=None, access_log=False, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
        thread.start()
        end = time.monotonic() + 10
        while not server.started:
            assert time.monotonic() < end, "the server did not start"
            time.sleep(0.01)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Browser:
    """A browser without a screen: it keeps cookies, and sends forms with the tokens that their pages held."""

    home: Home
    scheme: str = "http"
    cookies: dict[str, str] = field(default_factory=dict)

    def call(self, method: str, address: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.home.app, raise_app_exceptions=True)
            base = f"{self.scheme}://pages.example.org"
            async with httpx.AsyncClient(transport=transport, base_url=base, cookies=self.cookies) as client:
                return await client.request(method, address, **given)

        answer = asyncio.run(ask())
        for name, value in answer.cookies.items():
            self.cookies[name] = value
        for name in [name for name in self.cookies if f'{name}=""' in answer.headers.get("set-cookie", "")]:
            del self.cookies[name]
        return answer

    def get(self, address: str, **given: Any) -> httpx.Response:
        return self.call("GET", address, **given)

    def enter(self, link_id: str, code: str, **given: Any) -> httpx.Response:
        return self.call("POST", "/me/start", data={"link": link_id, "code": code}, **given)

    def send(self, address: str, on: str, fields: dict[str, str] | None = None) -> httpx.Response:
        """Send the form of the page `on` that goes to `address`."""
        return self.call("POST", address, data={"form_token": self.token(address, on), **(fields or {})})

    def token(self, address: str, on: str) -> str:
        found = {one["action"]: one["token"] for one in FORM_TOKEN.finditer(self.get(on).text)}
        return found[address]


@contextmanager
def a_home(
    root: Path,
    *,
    policy: Policy = OPEN,
    origin: str | None = None,
    text: str = TEXT,
    database: str | None = None,
) -> Iterator[Home]:
    """Pages at `origin`, where passkeys can sign; without one they cannot. `database`: a URL."""
    clock, seconds = Hands(), [0.0]
    with recognition_rig.opened(root, policy=policy, database=database) as place:
        means = replace(place.means, clock=clock, reader=DrawnFaces())
        recognition = Recognition(means)
        place.recognition = recognition
        rights = rights_over(means)
        passkeys = None if origin is None else WebAuthnPasskeys(origin, CONTROLLER)
        consents = Consents(ConsentMeans(means, SubjectKeyCheck(), passkeys, rights, proof_of))
        collection = recognition.create_collection(COMPANY, "staff", "access", retention_days=90)
        notice = consents.add_notice(COMPANY, collection.collection_id, language="en", controller=CONTROLLER, text=text)
        pages = OwnPages(_timed(SubjectMeans(means, consents, RightsOfOne(means, rights)), seconds))
        log = io.StringIO()
        app = create_app(_services(recognition, pages, consents, clock, origin), log, SubjectPageMaker())
        yield Home(place, recognition, consents, rights, pages, clock, collection, notice, app, log, seconds)


def _timed(means: SubjectMeans, seconds: list[float]) -> SubjectMeans:
    """The same, whose buckets fill by the test's clock."""
    for buckets in (means.per_link, means.all_links, means.per_session):
        buckets._now_s = lambda: seconds[0]
    return means


def _services(people: Recognition, pages: OwnPages, consents: Consents, clock: Hands, origin: str | None) -> Services:
    nothing: Any = _Nothing()
    keys: Any = _Keys()
    return Services(
        executor=nothing,
        people=people,
        keys=keys,
        meter=nothing,
        usage=nothing,
        egress=nothing,
        whitepaper=lambda: "",
        sandbox_status=dict,
        readiness=lambda: Readiness(True),
        version="0.1.0",
        clock=clock,
        settings=ApiSettings(rate_per_s=1000.0, rate_burst=1000),
        consents=consents,
        subjects=pages,
        subject_origin=origin,
    )
