"""The addresses of callbacks: named one by one, shown without their paths, and nobody else is contacted."""

import threading
from pathlib import Path

import pytest
from tests import recognition_rig as rig
from tests.governance_rig import an_office

from moretta.core.callbacks import Receiver, Reply, Sent
from moretta.core.errors import RequestInvalid
from moretta.core.rights import Right
from moretta.links.http import HttpAddress
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.storage.deployment import local_company_id
from moretta.usage.egress import AllowedAddress
from moretta.use_cases.rights.deliver import Callbacks
from moretta.wiring.callbacks import (
    HttpNoticeSender,
    allowed_addresses,
    callback_addresses,
    callbacks_over,
    delivering,
    recipients,
)
from moretta.wiring.reporting import build_egress
from moretta.wiring.rights import rights_over
from moretta.wiring.service import opened
from moretta.wiring.whitepaper import whitepaper

SECRET = "T0000-very-secret"


def configured(folder: Path, callbacks: str | None, **given: object) -> Settings:
    return Settings(data_dir=folder, callbacks=callbacks, **given)


def test_addresses_are_named_one_by_one(tmp_path: Path) -> None:
    first, second, third = callback_addresses(
        configured(
            tmp_path,
            f"desk=https://desk.example/hook/{SECRET}  crm@{rig.COMPANY}=https://crm.example:8443/in/\n"
            "test=http://127.0.0.1:9000",
        )
    )
    assert (first.name, first.company_id, first.target) == ("desk", None, "")
    assert first.address == HttpAddress("desk.example", 443, tls=True, path=f"/hook/{SECRET}")
    assert (second.company_id, second.target, second.place) == (rig.COMPANY, "/", "https://crm.example:8443")
    assert (third.target, third.place) == ("/", "http://127.0.0.1:9000")
    assert callback_addresses(configured(tmp_path, None)) == callback_addresses(configured(tmp_path, " ")) == ()


@pytest.mark.parametrize(
    "text",
    [
        "https://desk.example",
        "desk=",
        "=https://desk.example",
        "Desk=https://desk.example",
        "desk@nobody=https://desk.example",
        "desk@=https://desk.example",
        "desk=http://desk.example",
        "desk=http://localhost:9000",
        "desk=http://10.0.0.1",
        "desk=https://user:hunter2@desk.example",
        "desk=https://desk.example?key=hunter2",
        "desk=file:///etc/passwd",
        "desk=https://a.example desk=https://b.example",
        " ".join(f"r{number}=https://a.example" for number in range(17)),
    ],
)
def test_what_is_no_address_of_a_callback_is_refused_and_not_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(RequestInvalid) as refused:
        callback_addresses(configured(tmp_path, text))
    assert "hunter2" not in str(refused.value)
    assert "10.0.0.1" not in str(refused.value)


def test_a_sender_knows_no_other_address(tmp_path: Path) -> None:
    sender = HttpNoticeSender(callback_addresses(configured(tmp_path, "desk=https://desk.example")))
    for name in ("crm", "https://elsewhere.example", ""):
        with pytest.raises(RequestInvalid, match="nobody was contacted"):
            sender.send(name, "a.b.c")


def test_authorities_that_cannot_be_read_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with rig.opened(tmp_path / "place") as place, opened(Settings(data_dir=tmp_path)) as deployment:
        settings = configured(tmp_path, "desk=https://desk.example", callback_ca_file=tmp_path / "absent.pem")
        with pytest.raises(RequestInvalid, match="PEM"):
            callbacks_over(place.means, settings, deployment.engine, deployment.company_id)


def test_without_a_company_a_receiver_hears_of_the_operators_own_alone(tmp_path: Path) -> None:
    hub_id = "co_" + "1" * 20
    settings = configured(
        tmp_path, f"desk=https://desk.example crm@{rig.COMPANY}=https://crm.example", company_id=hub_id
    )
    engine = open_database(tmp_path / "moretta.db")
    own = local_company_id(engine)
    engine.dispose()
    for company_id in (own, hub_id):
        assert recipients(settings, company_id) == ("desk (https://desk.example:443)",)
    assert recipients(settings, rig.COMPANY) == ("crm (https://crm.example:443)",)
    assert recipients(settings, rig.OTHER_COMPANY) == ()
    assert recipients(Settings(data_dir=tmp_path / "unused"), own) == ()
    assert not (tmp_path / "unused").exists()


def test_egress_lists_every_address_with_its_tries_and_without_its_path(tmp_path: Path) -> None:
    settings = configured(tmp_path, f"desk=https://desk.example/{SECRET} crm=https://crm.example")
    with opened(settings) as deployment:
        egress = build_egress(settings, deployment)
        names = (
            ("rights callbacks: desk", "https://desk.example:443"),
            ("rights callbacks: crm", "https://crm.example:443"),
        )
        assert egress.addresses() == tuple(AllowedAddress(*name, 0) for name in names)
        with rig.opened(tmp_path) as place:
            told(place)
            both = [Receiver(name, frozenset({rig.COMPANY})) for name in ("desk", "crm")]
            for receiver in both:
                Callbacks(place.means, both, Counting()).deliver(receiver.name)
        assert [one.count for one in egress.addresses()] == [1, 1]
    assert SECRET not in repr(allowed_addresses(settings)) + repr(settings) + whitepaper(settings)


def test_the_records_of_processing_name_who_is_told(tmp_path: Path) -> None:
    callbacks = f"crm@{rig.COMPANY}=https://crm.example/{SECRET}"
    with an_office(tmp_path / "one", callbacks=callbacks) as office:
        told = office.documents.ropa(rig.COMPANY)
        assert "are sent to: `crm (https://crm.example:443)`" in told
        assert SECRET not in told
        assert "are sent to nobody" in office.documents.ropa(rig.OTHER_COMPANY)


class Counting:
    """A `NoticeSender` that takes everything, and a mark that the test waits for."""

    def __init__(self) -> None:
        self.came = threading.Event()

    def send(self, receiver: str, jws: str) -> Sent:
        self.came.set()
        return Sent(Reply.TAKEN, "status 204")


def told(place: rig.Place) -> None:
    """One message that waits."""
    made = place.recognition.create_collection(rig.COMPANY, "staff", "access")
    anna = place.enrolled(made.collection_id, "anna")
    rights_over(place.means).open(rig.COMPANY, anna.person_id, Right.ACCESS)


def test_a_service_sends_by_itself_while_another_receiver_keeps_it_waiting(tmp_path: Path) -> None:
    ends = threading.Event()

    class OneHangs(Counting):
        def send(self, receiver: str, jws: str) -> Sent:
            if receiver == "slow":
                ends.wait(30)
                return Sent(Reply.LATER, "no answer")
            return super().send(receiver, jws)

    with rig.opened(tmp_path / "place") as place:
        told(place)
        sender = OneHangs()
        both = [Receiver(name, frozenset({rig.COMPANY})) for name in ("slow", "desk")]
        with delivering(Callbacks(place.means, both, sender), every_s=3600):
            try:
                assert sender.came.wait(30)
            finally:
                ends.set()
