"""Callbacks over TLS to a receiver of this test, which proves with the public key alone who says what it gets."""

import json
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme
from tests import recognition_rig as rig
from tests import rights_rig
from tests.storage_rig import KINDS, a_database

from moretta.core.errors import ProofRejected
from moretta.core.jws import compact, parsed
from moretta.core.protection import Scheme
from moretta.core.rights import Right
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.use_cases.rights.deliver import Passed
from moretta.wiring.callbacks import callbacks_over
from moretta.wiring.rights import rights_over
from moretta.wiring.verifying import verified

SCRIPT = Path(__file__).parents[1] / "independent" / "verify_independent.py"


@dataclass
class Receiver:
    """What a receiver does: answers with a status, keeps what it got."""

    url: str = ""
    status: int = 204
    location: str = ""
    got: list[tuple[str, str, bytes]] = field(default_factory=list)


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.got.append((self.path, self.headers["Content-Type"], body))
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"{'http://127.0.0.1' if tls is None else 'https://localhost'}:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str | None]:
    with a_database(request.param, request, tmp_path) as made:
        yield None if request.param == "sqlite" else str(made.where)


def asked(place: rig.Place) -> str:
    """A request for access of somebody; its id."""
    made = place.recognition.create_collection(rig.COMPANY, "staff", "access", scheme=Scheme.ROTATED)
    anna = place.enrolled(made.collection_id, "anna")
    return rights_over(place.means).open(rig.COMPANY, anna.person_id, Right.ACCESS).request_id


def judged(key: str, message: bytes, folder: Path) -> str:
    """What the independent script says of a message."""
    file = folder / "message.jws"
    file.write_bytes(message)
    arguments = [sys.executable, "-I", str(SCRIPT), key, str(file)]
    return subprocess.run(arguments, check=False, capture_output=True, text=True, timeout=60).stdout.strip()


def test_a_receiver_gets_a_message_over_tls_and_verifies_it_with_the_public_key_alone(
    tmp_path: Path, database: str | None
) -> None:
    authority, tls = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with rig.opened(tmp_path / "place", database=database) as place, receiving(tls) as receiver:
        engine = open_database(database or tmp_path / "place" / "moretta.db")
        request_id = asked(place)
        named = f"desk@{rig.COMPANY}={receiver.url}/rights"
        distrusting = Settings(data_dir=tmp_path, callbacks=named)
        trusting = Settings(data_dir=tmp_path, callbacks=named, callback_ca_file=tmp_path / "ca.pem")
        refused = callbacks_over(place.means, distrusting, engine, rig.OTHER_COMPANY)
        assert refused.deliver("desk") == Passed(later=1, outcome="no answer")
        assert receiver.got == [], "nothing is said to whoever has no certificate to be trusted"
        callbacks = callbacks_over(place.means, trusting, engine, rig.OTHER_COMPANY)
        assert callbacks.deliver("desk", early=True) == Passed(taken=1)
        engine.dispose()
        ((path, kind, message),) = receiver.got
        assert (path, kind) == ("/rights", "application/jose")

        (key,) = place.region.log.public_keys()
        assert judged(key.text(), message, tmp_path) == "holds"
        told = json.loads(parsed(message.decode()).payload)
        assert (told["request_id"], told["event"], told["jti"]) == (request_id, "received", f"{request_id}.received")
        assert verified(message, rights_rig.trust_of(place)).statements[0].startswith(f"rights request {request_id} of")

        head, payload, signature = message.decode().split(".")
        forged = compact(
            parsed(message.decode()).header, json.dumps(told | {"event": "refused"}).encode(), lambda _: bytes(64)
        )
        others = [f"{head}.{payload[:-2]}AA.{signature}", forged, f"{head}.{payload}."]
        for other in others:
            assert judged(key.text(), other.encode(), tmp_path).startswith("does not hold")
            with pytest.raises(ProofRejected):
                verified(other.encode(), rights_rig.trust_of(place))
        assert judged("A" * 43 + "=", message, tmp_path).startswith("does not hold")


@pytest.mark.parametrize(
    ("status", "passed"),
    [
        (503, Passed(later=1, outcome="status 503")),
        (429, Passed(later=1, outcome="status 429")),
        (400, Passed(given_up=1, outcome="status 400")),
        (410, Passed(given_up=1, outcome="status 410")),
    ],
)
def test_what_a_receiver_answers_decides_whether_it_is_asked_again(tmp_path: Path, status: int, passed: Passed) -> None:
    with rig.opened(tmp_path / "place") as place, receiving() as receiver:
        engine = open_database(tmp_path / "place" / "moretta.db")
        asked(place)
        settings = Settings(data_dir=tmp_path, callbacks=f"desk@{rig.COMPANY}={receiver.url}/rights")
        callbacks = callbacks_over(place.means, settings, engine, rig.OTHER_COMPANY)
        receiver.status = status
        assert callbacks.deliver("desk") == passed
        receiver.status = 200
        assert callbacks.deliver("desk", early=True) == Passed(taken=passed.later)
        assert len({body for _, _, body in receiver.got}) == 1, "every attempt says the same bytes"
        engine.dispose()


def test_a_redirect_leads_nowhere(tmp_path: Path) -> None:
    with rig.opened(tmp_path / "place") as place, receiving() as receiver, receiving() as elsewhere:
        engine = open_database(tmp_path / "place" / "moretta.db")
        asked(place)
        settings = Settings(data_dir=tmp_path, callbacks=f"desk@{rig.COMPANY}={receiver.url}")
        receiver.status, receiver.location = 307, f"{elsewhere.url}/"
        callbacks = callbacks_over(place.means, settings, engine, rig.OTHER_COMPANY)
        assert callbacks.deliver("desk") == Passed(given_up=1, outcome="status 307")
        assert (len(receiver.got), elsewhere.got) == (1, [])
        engine.dispose()
