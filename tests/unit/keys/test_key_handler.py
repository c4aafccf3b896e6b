"""The two ends of a key holder's link: who may ask, and what becomes of messages and answers of another form."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.key_rigs import local_holder
from tests.link_rigs import made_links

from moretta.core.errors import KeyRejected, MorettaError, NodeUnavailable, RequestInvalid, ScopeMissing
from moretta.core.key_service import GALLERY_KEY_CONTEXT, StoredReference
from moretta.core.protection import OpenTerms, Scheme, SealedScores
from moretta.keys import messages
from moretta.keys.file import FileKeyService
from moretta.keys.remote import RemoteKeyHolder, RemoteKeyService
from moretta.keys.server import KeyHandler
from moretta.links.client import LinkClient
from moretta.links.frames import Message
from moretta.protection.gallery_key_files import GalleryKeyFiles
from moretta.protection.holder import LocalKeyHolder

KINDS = [value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str) and "." in value]


@dataclass
class Answering:
    """A handler and what is behind it."""

    handler: KeyHandler
    service: FileKeyService
    holder: LocalKeyHolder
    folder: Path


@pytest.fixture
def answering(tmp_path: Path) -> Answering:
    service = FileKeyService(tmp_path / "keys")
    holder = local_holder(tmp_path / "galleries", service)
    return Answering(KeyHandler(service, holder), service, holder, tmp_path)


def test_there_are_as_many_kinds_as_calls() -> None:
    assert len(KINDS) == len(set(KINDS)) == 19


@pytest.mark.parametrize("role", ["node-eu", "party-us", "keyd", "", "SERVE"])
def test_nobody_but_serve_may_ask(answering: Answering, role: str) -> None:
    for kind in KINDS:
        with pytest.raises(ScopeMissing):
            answering.handler(role, Message(kind))
    for role_that_may in ("serve", "local"):
        assert answering.handler(role_that_may, Message(messages.ACTIVE)).kind == messages.DONE


def test_a_gallery_key_is_never_unwrapped_for_a_caller(answering: Answering) -> None:
    terms = answering.holder.create(Scheme.ROTATED, "model", 8, 0.3)
    stored = GalleryKeyFiles(answering.folder / "galleries", lambda _step: None).read(terms.key_id)
    assert stored.context.startswith(GALLERY_KEY_CONTEXT)
    assert len(answering.service.unwrap(stored.wrapped, stored.context)) == 32
    for kind in (messages.UNWRAP, messages.WRAP):
        with pytest.raises(KeyRejected):
            answering.handler("serve", Message(kind, {}, (stored.wrapped, stored.context)))


def test_gallery_keys_outlive_the_master_key_that_a_caller_destroys(answering: Answering) -> None:
    terms = answering.holder.create(Scheme.ROTATED, "model", 8, 0.3)
    old = answering.service.active()
    answering.handler("serve", Message(messages.ROTATE))
    answering.handler("serve", Message(messages.DESTROY, {"id": old}))
    assert list(answering.service.master_keys()) == [answering.service.active()] != [old]
    assert answering.holder.terms(terms.key_id) == terms
    assert answering.handler("serve", Message(messages.REWRAP)) == Message(messages.DONE, {"count": 0})


@pytest.mark.parametrize(
    "message",
    [
        Message("keys.master-key"),
        Message("holder.secret", {"key": "gk_0"}),
        Message(""),
        Message(messages.ACTIVE, {"more": 1}),
        Message(messages.ACTIVE, {}, (b"",)),
        Message(messages.WRAP, {}, (bytes(32),)),
        Message(messages.WRAP, {}, (bytes(32), b"", b"")),
        Message(messages.DESTROY),
        Message(messages.DESTROY, {"id": 7}),
        Message(messages.DESTROY, {"id": "x" * 201}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": 8}),
        Message(messages.CREATE, {"scheme": "none", "model": "m", "dimension": 8, "floor": 0.3}),
        Message(messages.CREATE, {"scheme": ["plain"], "model": "m", "dimension": 8, "floor": 0.3}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": 8.0, "floor": 0.3}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": True, "floor": 0.3}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": 10**30, "floor": 0.3}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": 8, "floor": "0.3"}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": 8, "floor": float("nan")}),
        Message(messages.CREATE, {"scheme": "plain", "model": "m", "dimension": 8, "floor": 10**400}),
        Message(messages.REPACK, {"key": "gk_0", "kept": [[0]]}),
        Message(messages.REPACK, {"key": "gk_0", "kept": [0]}, (b"",)),
        Message(messages.REPACK, {"key": "gk_0", "kept": [[-1]]}, (b"",)),
        Message(messages.REISSUE_SEGMENT, {"key": "gk_0", "new": "gk_1"}, (b"", b"")),
    ],
)
def test_a_message_of_another_form_is_refused(answering: Answering, message: Message) -> None:
    with pytest.raises(RequestInvalid):
        answering.handler("serve", message)
    assert list(answering.holder.keys()) == []


@pytest.mark.parametrize(
    "blobs", [(b"abc", b"", b""), (bytes(4), b"", b""), (bytes(4), bytes(2), b""), (bytes(4), b"\1")]
)
def test_sealed_scores_of_another_form_are_refused(answering: Answering, blobs: tuple[bytes, ...]) -> None:
    sealed = SealedScores(Scheme.PLAIN, "m", "gk_0", 0.3, np.zeros(1, np.uint32), np.ones(1, np.bool_), bytes(4))
    good = messages.open_message(sealed, OpenTerms(0.3))
    with pytest.raises(RequestInvalid):
        answering.handler("serve", Message(good.kind, good.fields, blobs))


_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=3)
)
_names = st.sampled_from(
    [
        "id",
        "key",
        "new",
        "scheme",
        "model",
        "dimension",
        "floor",
        "threshold",
        "compared_at",
        "limit",
        "bands",
        "kept",
        "x",
    ]
)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(_names, _values | st.lists(_values, max_size=3), max_size=8),
    st.lists(st.binary(max_size=70), max_size=3).map(tuple),
)
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_message_brings_an_unexpected_error(
    answering: Answering, kind: str, fields: dict[str, object], blobs: tuple[bytes, ...]
) -> None:
    try:
        answer = answering.handler("serve", Message(kind, fields, blobs))  # type: ignore[arg-type]
    except MorettaError:
        return
    assert answer.kind == messages.DONE


def remote_calls(link: LinkClient) -> list[Callable[[], object]]:
    service, holder = RemoteKeyService(link), RemoteKeyHolder(link)
    sealed = SealedScores(Scheme.PLAIN, "m", "gk_0", 0.3, np.zeros(1, np.uint32), np.ones(1, np.bool_), bytes(4))
    return [
        service.active,
        lambda: service.wrap(bytes(32), b""),
        lambda: service.unwrap(bytes(32), b""),
        service.rotate,
        lambda: service.destroy("master_0"),
        service.master_keys,
        lambda: holder.create(Scheme.PLAIN, "m", 8, 0.3),
        lambda: holder.terms("gk_0"),
        lambda: holder.successor("gk_0"),
        lambda: holder.open(sealed, OpenTerms(0.3)),
        lambda: holder.pack("gk_0", [bytes(4)]),
        lambda: holder.repack("gk_0", [(bytes(4), [0])]),
        lambda: holder.reissue_payload("gk_0", "gk_1", [bytes(4)]),
        lambda: holder.reissue_segment("gk_0", "gk_1", bytes(4)),
        holder.keys,
        lambda: holder.destroy("gk_0"),
        holder.rewrap,
        lambda: holder.reveal("gk_0", [StoredReference(bytes(4))]),
        lambda: holder.probes("gk_0", [StoredReference(bytes(4))]),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        Message("rubbish", {"id": "a", "ids": [], "count": 1}, (b"",)),
        Message(messages.DONE, {"what": 1}),
        Message(messages.DONE, {"id": 7, "ids": [7], "count": "7"}, (b"", b"")),
        Message(messages.DONE, {"rows": [1], "ranks": [], "bands": []}),
        Message(messages.DONE, {"rows": [1.5], "ranks": [1], "bands": [0]}),
        Message(messages.DONE, {"scheme": "none", "model": "m", "dimension": 8, "key": "gk_0"}, (b"",)),
    ],
)
def test_an_answer_of_another_form_is_no_answer(answer: Message) -> None:
    for links in made_links():
        links.server(links.socket, lambda _role, _message: answer)
        for call in remote_calls(links.client(links.socket)):
            with pytest.raises(NodeUnavailable, match="no answer"):
                call()


def test_every_call_crosses_as_a_message_of_its_own_kind() -> None:
    seen: list[str] = []

    def handler(_role: str, message: Message) -> Message:
        seen.append(message.kind)
        raise KeyRejected("no")

    for links in made_links():
        links.server(links.socket, handler)
        for call in remote_calls(links.client(links.socket)):
            with pytest.raises(KeyRejected):
                call()
    assert seen == sorted(KINDS, key=seen.index) and set(seen) == set(KINDS)


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 100))
def test_batches_keep_every_payload_in_order(payloads: list[bytes], size: int) -> None:
    found = list(messages.batches(payloads, size))
    assert [payload for batch in found for payload in batch] == payloads
    assert all(batch for batch in found)
