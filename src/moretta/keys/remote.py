"""The asking side: a key service and a key holder that live in `moretta keyd`.

Belongs here: calls as messages. Does not belong here: connections (see `links.client`), the form of messages.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.key_service import StoredReference
from moretta.core.protection import Opened, OpenTerms, ProtectionTerms, Scheme, SealedScores
from moretta.keys import messages
from moretta.keys.messages import Fields
from moretta.links.client import LinkClient
from moretta.links.frames import Json, Message

# What handles segments decrypts and encrypts thousands of references: seconds on a quiet machine, many on a busy one.
_SLOW_S = 300.0
_BATCH_BYTES = 64 * 2**20

_Read = TypeVar("_Read")


class RemoteKeyService:
    """`core.key_service.KeyService` over a link. Everything may raise `NodeUnavailable`, too. Safe for threads."""

    def __init__(self, link: LinkClient) -> None:
        self._link = link

    def active(self) -> str:
        """As `KeyService.active`."""
        return _read(self._link.call(Message(messages.ACTIVE)), _id)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """As `KeyService.wrap`."""
        return _read(self._link.call(Message(messages.WRAP, {}, (key, context))), _blob)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """As `KeyService.unwrap`."""
        return _read(self._link.call(Message(messages.UNWRAP, {}, (wrapped, context))), _blob)

    def rotate(self) -> str:
        """As `KeyService.rotate`."""
        return _read(self._link.call(Message(messages.ROTATE), repeatable=False), _id)

    def destroy(self, master_key_id: str) -> None:
        """As `KeyService.destroy`."""
        _read(self._link.call(Message(messages.DESTROY, {"id": master_key_id})), _nothing)

    def master_keys(self) -> Sequence[str]:
        """As `KeyService.master_keys`."""
        return _read(self._link.call(Message(messages.LIST)), _ids)


class RemoteKeyHolder:
    """`core.key_service.KeyHolder` over a link. Everything may raise `NodeUnavailable`, too. Safe for threads."""

    def __init__(self, link: LinkClient) -> None:
        self._link = link

    def create(self, scheme: Scheme, model_id: str, dimension: int, floor: float) -> ProtectionTerms:
        """As `KeyHolder.create`."""
        fields = {"scheme": scheme.value, "model": model_id, "dimension": dimension, "floor": floor}
        return _read(self._link.call(Message(messages.CREATE, fields), repeatable=False), messages.terms_in)

    def terms(self, key_id: str) -> ProtectionTerms:
        """As `KeyHolder.terms`."""
        return _read(self._link.call(Message(messages.TERMS, {"key": key_id})), messages.terms_in)

    def successor(self, key_id: str) -> ProtectionTerms:
        """As `KeyHolder.successor`."""
        message = Message(messages.SUCCESSOR, {"key": key_id})
        return _read(self._link.call(message, repeatable=False), messages.terms_in)

    def open(self, sealed: SealedScores, terms: OpenTerms) -> list[Opened]:
        """As `KeyHolder.open`."""
        return _read(self._link.call(messages.open_message(sealed, terms)), messages.opened_in)

    def pack(self, key_id: str, payloads: Sequence[bytes]) -> bytes:
        """As `KeyHolder.pack`."""
        return _read(self._link.call(Message(messages.PACK, {"key": key_id}, tuple(payloads)), _SLOW_S), _blob)

    def repack(self, key_id: str, segments: Sequence[tuple[bytes, Sequence[int]]]) -> bytes:
        """As `KeyHolder.repack`."""
        kept: Json = [[int(slot) for slot in slots] for _, slots in segments]
        fields = {"key": key_id, "kept": kept}
        packed = tuple(segment for segment, _ in segments)
        return _read(self._link.call(Message(messages.REPACK, fields, packed), _SLOW_S), _blob)

    def reissue_payload(self, key_id: str, new_key_id: str, payloads: Sequence[bytes]) -> list[bytes]:
        """As `KeyHolder.reissue_payload`."""
        fields, reissued = {"key": key_id, "new": new_key_id}, list[bytes]()
        for batch in messages.batches(payloads, _BATCH_BYTES):
            answer = self._link.call(Message(messages.REISSUE, fields, tuple(batch)), _SLOW_S)
            reissued.extend(_read(answer, partial(_blobs, len(batch))))
        return reissued

    def reissue_segment(self, key_id: str, new_key_id: str, segment: bytes) -> bytes:
        """As `KeyHolder.reissue_segment`."""
        fields = {"key": key_id, "new": new_key_id}
        return _read(self._link.call(Message(messages.REISSUE_SEGMENT, fields, (segment,)), _SLOW_S), _blob)

    def reveal(self, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        """As `KeyHolder.reveal`."""
        return self._told(messages.REVEAL, key_id, references)

    def probes(self, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        """As `KeyHolder.probes`."""
        return self._told(messages.PROBES, key_id, references)

    def keys(self) -> Sequence[str]:
        """As `KeyHolder.keys`."""
        return _read(self._link.call(Message(messages.HELD)), _ids)

    def destroy(self, key_id: str) -> None:
        """As `KeyHolder.destroy`."""
        _read(self._link.call(Message(messages.FORGET, {"key": key_id})), _nothing)

    def _told(self, kind: str, key_id: str, references: Sequence[StoredReference]) -> list[bytes]:
        told = list[bytes]()
        for reference in references:  # one at a time: a segment is megabytes
            message = messages.references_message(kind, key_id, [reference])
            told.append(_read(self._link.call(message, _SLOW_S, repeatable=False), _blob))
        return told

    def rewrap(self) -> int:
        """Have the holder wrap its own keys under the active master key; returns how many it wrapped again."""
        return _read(self._link.call(Message(messages.REWRAP), _SLOW_S), _count)


def _read(answer: Message, read: Callable[[Message], _Read]) -> _Read:
    """What `read` finds in an answer; an answer of another form is no answer."""
    try:
        if answer.kind == messages.DONE:
            return read(answer)
    except RequestInvalid:
        pass
    raise NodeUnavailable("the key holder answered with something that is no answer; check its version")


def _blob(answer: Message) -> bytes:
    return _blobs(1, answer)[0]


def _blobs(count: int, answer: Message) -> tuple[bytes, ...]:
    Fields(answer, blobs=count).end()
    return answer.blobs


def _id(answer: Message) -> str:
    fields = Fields(answer, blobs=0)
    found = fields.text("id")
    fields.end()
    return found


def _ids(answer: Message) -> tuple[str, ...]:
    fields = Fields(answer, blobs=0)
    found = fields.texts("ids")
    fields.end()
    return found


def _count(answer: Message) -> int:
    fields = Fields(answer, blobs=0)
    found = fields.whole("count")
    fields.end()
    return found


def _nothing(answer: Message) -> None:
    Fields(answer, blobs=0).end()
