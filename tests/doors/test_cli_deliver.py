"""`moretta rights deliver` and `moretta verify` of messages, as an operator meets them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.doors.command_line import Moretta, Told
from tests.recognition_rig import COMPANY, opened


@contextmanager
def answering(*statuses: int) -> Iterator[str]:
    """A receiver that answers each call with the next status; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for status in statuses:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(f"HTTP/1.1 {status} \r\n\r\n".encode())

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/in"
        thread.join(10)


@pytest.fixture
def asked(moretta: Moretta, tmp_path: Path) -> str:
    """A request whose receipt is to be told; its id."""
    with opened(tmp_path / "data") as place:
        made = place.recognition.create_collection(COMPANY, "staff", "access")
        anna = place.enrolled(made.collection_id, "anna").person_id
    return moretta("rights", "open", anna, "access", company_id=COMPANY).out.strip()


def test_messages_are_sent_now_and_what_was_not_taken_ends_with_status_75(moretta: Moretta, asked: str) -> None:
    with answering(503, 404, 204) as url:

        def call(*words: object) -> Told:
            return moretta("rights", "deliver", *words, company_id=COMPANY, callbacks=f"desk={url}")

        told = call()
        assert (told.status, told.out) == (75, "desk: 0 taken, 1 waiting, 0 given up (status 503)\n")
        told = call("--to", "desk")
        assert (told.status, told.out) == (75, "desk: 0 taken, 0 waiting, 1 given up (status 404)\n")
        assert call().out == "desk: 0 taken, 0 waiting, 1 given up\n", "not tried without being asked to"
        told = call("--again")
        assert (told.status, told.out) == (0, "desk: 1 taken, 0 waiting, 0 given up\n")
        listed = moretta("egress", company_id=COMPANY, callbacks=f"desk={url}").out
    assert f"Allowed: {url.removesuffix('/in')} (rights callbacks: desk), tried 3 times" in listed
    assert moretta("rights", "notices", "--json", "-", company_id=COMPANY).out == ""
    kinds = [json.loads(line)["kind"] for line in moretta("log", "show", company_id=COMPANY).out.splitlines()]
    assert kinds.count("rights.notified") == 2, "one was given up, then taken"


def test_a_receiver_that_no_setting_names_is_refused(moretta: Moretta, asked: str) -> None:
    told = moretta("rights", "deliver", "--to", "crm", company_id=COMPANY, callbacks="desk=https://desk.example")
    assert (told.status, "nobody was contacted" in told.err) == (64, True)
    told = moretta("rights", "deliver", company_id=COMPANY)
    assert (told.status, "MORETTA_CALLBACKS" in told.err) == (64, True)


def test_a_message_is_verified_by_the_command_line(moretta: Moretta, asked: str, tmp_path: Path) -> None:
    (line,) = moretta("rights", "notices", "--json", "-", company_id=COMPANY).out.splitlines()
    file = tmp_path / "message.jws"
    file.write_text(json.loads(line)["jws"] + "\n")
    told = moretta("verify", file)
    assert told.status == 0, told.err
    assert f"rights request {asked} of company {COMPANY}: received" in told.out
    assert moretta("verify", file, "--key", "A" * 43 + "=").status == 65
