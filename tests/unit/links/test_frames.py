"""Frames: what is written is read back, and nothing else is ever taken for a message."""

import io
import json
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import KeyDestroyed, MorettaError, NodeUnavailable, RateLimited, RequestInvalid
from moretta.links.frames import (
    BLOBS_LIMIT,
    HEAD_LIMIT,
    FrameRejected,
    Message,
    error_message,
    frame,
    raised_by,
    read_message,
)


class EndOfBytes(Exception):
    """There is nothing more to read."""


def reading(content: bytes) -> Callable[[int], bytes]:
    stream = io.BytesIO(content)

    def read(length: int) -> bytes:
        piece = stream.read(length)
        if len(piece) < length:
            raise EndOfBytes
        return piece

    return read


def head(content: object) -> bytes:
    encoded = json.dumps(content).encode()
    return struct.pack(">4sI", b"MLK1", len(encoded)) + encoded


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_messages = st.builds(
    Message,
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=10), _json, max_size=4),
    st.lists(st.binary(max_size=200), max_size=4).map(tuple),
)


@given(_messages)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert read_message(reading(b"".join(frame(message)))) == message


@given(_messages, st.data())
def test_a_message_cut_off_anywhere_is_none(message: Message, data: st.DataObject) -> None:
    whole = b"".join(frame(message))
    with pytest.raises(EndOfBytes):
        read_message(reading(whole[: data.draw(st.integers(0, len(whole) - 1))]))


@given(st.binary(max_size=300))
def test_rubbish_is_refused_and_nothing_else_happens(content: bytes) -> None:
    with pytest.raises((FrameRejected, EndOfBytes)):
        read_message(reading(content))


@given(st.binary(max_size=300))
def test_a_head_of_rubbish_is_refused(content: bytes) -> None:
    with pytest.raises((FrameRejected, EndOfBytes)):
        read_message(reading(struct.pack(">4sI", b"MLK1", len(content)) + content))


@given(_messages, st.data())
def test_a_message_with_one_byte_altered_is_refused_or_another_message(message: Message, data: st.DataObject) -> None:
    altered = bytearray(b"".join(frame(message)))
    place = data.draw(st.integers(0, len(altered) - 1))
    altered[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read_message(reading(bytes(altered)))
    except (FrameRejected, EndOfBytes):
        return
    assert isinstance(found.kind, str) and isinstance(found.fields, dict)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"kind": 1, "fields": {}, "lengths": []},
        {"kind": "a", "fields": [], "lengths": []},
        {"kind": "a", "fields": {}, "lengths": {}},
        {"kind": "a", "fields": {}, "lengths": [-1]},
        {"kind": "a", "fields": {}, "lengths": [1.0]},
        {"kind": "a", "fields": {}, "lengths": [True]},
        {"kind": "a", "fields": {}, "lengths": ["1"]},
        {"kind": "a", "fields": {}, "lengths": [BLOBS_LIMIT + 1]},
        {"kind": "a", "fields": {}, "lengths": [BLOBS_LIMIT, 1]},
        {"kind": "a", "fields": {}},
    ],
)
def test_a_head_of_another_form_or_over_the_limit_is_refused_before_its_bytes_are_read(content: object) -> None:
    with pytest.raises(FrameRejected):
        read_message(reading(head(content)))


def test_a_head_over_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(FrameRejected):
        read_message(reading(struct.pack(">4sI", b"MLK1", HEAD_LIMIT + 1)))


def test_deeply_nested_json_is_refused() -> None:
    content = b"[" * 100_000
    with pytest.raises(FrameRejected):
        read_message(reading(struct.pack(">4sI", b"MLK1", len(content)) + content))


def test_a_message_over_a_limit_is_not_sent() -> None:
    with pytest.raises(RequestInvalid):
        frame(Message("a", {"text": "x" * HEAD_LIMIT}))
    large = bytes(2**20)
    with pytest.raises(RequestInvalid):
        frame(Message("a", {}, (large,) * (BLOBS_LIMIT // len(large) + 1)))


def test_no_representation_shows_what_a_message_carries() -> None:
    assert "secret" not in repr(Message("a", {}, (b"secret",)))


def test_an_error_crosses_as_its_code_and_what_it_says() -> None:
    sent = KeyDestroyed("the key was destroyed")
    message = error_message(sent)
    assert dict(message.fields) == {"code": "key_service.destroyed", "detail": "the key was destroyed"}
    crossed = raised_by(message)
    assert type(crossed) is KeyDestroyed and crossed.detail == sent.detail


def test_a_rate_limit_crosses_with_the_wait() -> None:
    crossed = raised_by(error_message(RateLimited("too many", retry_after_s=12.5)))
    assert isinstance(crossed, RateLimited) and crossed.retry_after_s == 12.5
    for told in (-1.0, 1e9, "12", None, True):
        other = raised_by(Message("error", {"code": "rate.limited", "detail": "", "retry_after_s": told}))
        assert isinstance(other, RateLimited) and other.retry_after_s == 1.0


@pytest.mark.parametrize("code", ["", "internal", "os.system", "__class__", 7, None, ["node.unavailable"]])
def test_a_code_that_we_do_not_know_is_a_plain_error(code: object) -> None:
    crossed = raised_by(Message("error", {"code": code, "detail": "x"}))  # type: ignore[dict-item]
    assert type(crossed) is MorettaError


def test_what_is_no_error_raises_nothing() -> None:
    assert raised_by(Message("done", {"code": NodeUnavailable.code})) is None
