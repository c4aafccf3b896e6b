"""Callbacks of rights requests, put together: the addresses that the settings name one by one, and who sends to them when.

Belongs here: reading the setting, the sender over HTTP, the chores of `serve`, what an operator sees of it. Does not belong here:
the order of sending (see `use_cases.rights.deliver`).

What is sent, and nothing else: `POST <path> HTTP/1.1` with the headers Host, Connection, Accept-Encoding, Content-Length and
Content-Type, and the signed message. No credential, no cookie: who sent it the signature says.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from moretta.core.callbacks import RECEIVER_NAME, Receiver, Reply, Sent, reply_to
from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.links.http import HttpAddress, parse_http_address, post, trusted
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.storage.deployment import local_company_id
from moretta.storage.rights.deliveries import SqlDeliveryStore
from moretta.usage.egress import AllowedAddress
from moretta.use_cases.recognition.means import Means
from moretta.use_cases.rights.deliver import Callbacks, Passed
from moretta.wiring.database import database_place
from moretta.wiring.housekeeping import Housekeeping
from moretta.wiring.own_keys import opened_databases
from moretta.wiring.service import DATABASE_NAME

# A receiver notes a message of 1 KiB; whoever needs longer is down for our purposes.
TIMEOUT_S = 10.0
# One indexed query a receiver where nothing waits; a message is on its way within this time.
EVERY_S = 30.0
# Each has a thread of its own in `serve`.
MAX_RECEIVERS = 16
_COMPANY = re.compile(r"co_[0-9a-f]{20}")
_HEADERS = {"Content-Type": "application/jose"}  # RFC 7515, 9.2.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CallbackAddress:
    """One address of the setting. `company_id`: whose requests it is told of; None: the operator's own."""

    name: str
    company_id: str | None
    address: HttpAddress
    target: str

    @property
    def place(self) -> str:
        """Scheme, host and port: paths of callbacks may hold secrets, and are not shown."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{'https' if self.address.tls else 'http'}://{host}:{self.address.port}"


def callback_addresses(settings: Settings) -> tuple[CallbackAddress, ...]:
    """The addresses that the settings name, in their order; none where they name none.

    Raises:
        RequestInvalid: one has another form, or a name stands twice; nothing of the setting is told.
    """
    given = [] if settings.callbacks is None else settings.callbacks.get_secret_value().split()
    found = tuple(_address(one) for one in given)
    if len({one.name for one in found}) != len(found) or len(found) > MAX_RECEIVERS:
        raise RequestInvalid(f"expected at most {MAX_RECEIVERS} receivers in MORETTA_CALLBACKS, each name once")
    return found


class HttpNoticeSender:
    """`core.callbacks.NoticeSender` over HTTP, to these addresses and no other. Raises as `links.http.trusted`."""

    def __init__(
        self, addresses: tuple[CallbackAddress, ...], ca_file: Path | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._addresses = {one.name: one for one in addresses}
        self._trust, self._timeout_s = trusted(ca_file), timeout_s

    def send(self, receiver: str, jws: str) -> Sent:
        """As `NoticeSender.send`."""
        found = self._addresses.get(receiver)
        if found is None:
            raise RequestInvalid("expected the name of a receiver that MORETTA_CALLBACKS lists; nobody was contacted")
        try:
            status = post(found.address, found.target, _HEADERS, jws.encode("ascii"), self._timeout_s, self._trust)
        except NodeUnavailable:
            return Sent(Reply.LATER, "no answer")
        return reply_to(status)


def callbacks_over(means: Means, settings: Settings, engine: Engine, company_id: str) -> Callbacks:
    """The receivers of this deployment over its regions. `engine` and `company_id`: the deployment's own.

    Raises:
        RequestInvalid: a setting has another form.
    """
    addresses = callback_addresses(settings)
    # As in `api.serving`: the id that the deployment made for itself stays the operator's when the hub issues one.
    own = frozenset({company_id, local_company_id(engine)})
    receivers = [
        Receiver(one.name, own if one.company_id is None else frozenset({one.company_id})) for one in addresses
    ]
    return Callbacks(means, receivers, HttpNoticeSender(addresses, settings.callback_ca_file))


@contextmanager
def delivering(callbacks: Callbacks, every_s: float = EVERY_S) -> Iterator[None]:
    """Send what is due until the context ends, in one thread a receiver: one that is slow or down holds up nobody else."""
    with ExitStack() as stack:
        for name in callbacks.names:
            chore = {f"callbacks to {name}": partial(_pass, callbacks, name)}
            stack.enter_context(Housekeeping(chore, every_s))
        yield


def allowed_addresses(settings: Settings) -> tuple[AllowedAddress, ...]:
    """Every address of callbacks that the settings allow, and how often it was tried; no connection is opened to them.

    Raises:
        StorageUnusable: a region's database cannot be used.
    """
    addresses = callback_addresses(settings)
    tried = _tried(settings) if addresses else {}
    return tuple(
        AllowedAddress(f"rights callbacks: {one.name}", one.place, tried.get(one.name, 0)) for one in addresses
    )


def recipients(settings: Settings, company_id: str) -> tuple[str, ...]:
    """Who is told about rights requests of a company: name and place of each, for the records of processing."""
    addresses = callback_addresses(settings)
    if not addresses:
        return ()
    engine = open_database(database_place(settings, DATABASE_NAME))
    try:
        own = {settings.company_id, local_company_id(engine)}
    finally:
        engine.dispose()
    theirs = [one for one in addresses if company_id in (own if one.company_id is None else {one.company_id})]
    return tuple(f"{one.name} ({one.place})" for one in theirs)


def _tried(settings: Settings) -> Mapping[str, int]:
    tried: dict[str, int] = {}
    for engine in opened_databases(settings):
        for name, number in SqlDeliveryStore(engine).attempts().items():
            tried[name] = tried.get(name, 0) + number
    return tried


def _pass(callbacks: Callbacks, name: str) -> Passed:
    passed = callbacks.deliver(name)
    if passed.given_up or passed.later:
        # The receiver's name is the operator's word for it; an outcome is a fixed phrase or a status.
        _log.warning(
            "callbacks: %s: %d taken, %d to try again, %d given up (%s)",
            name,
            passed.taken,
            passed.later,
            passed.given_up,
            passed.outcome,
        )
    return passed


def _address(text: str) -> CallbackAddress:
    head, separator, url = text.partition("=")
    name, at, company_id = head.partition("@")
    if not separator or not RECEIVER_NAME.fullmatch(name) or (at and not _COMPANY.fullmatch(company_id)):
        raise RequestInvalid(
            "expected MORETTA_CALLBACKS as NAME=https://host/path or NAME@co_...=https://host/path, several with spaces between"
        )
    address = parse_http_address(url)
    if not address.tls and address.host == "localhost":
        # A name is whatever a resolver says.
        raise RequestInvalid("expected https:// in MORETTA_CALLBACKS, or http:// to 127.0.0.1 or [::1]")
    return CallbackAddress(name, company_id or None, address, "/" if url.endswith("/") or not address.path else "")
