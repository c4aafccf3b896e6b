"""The answering side of `moretta keyd`: a key service and a key holder behind one handler.

Belongs here: who may ask, and what each message calls. Does not belong here: sockets, where keys are kept.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from moretta.core.errors import KeyRejected, RequestInvalid, ScopeMissing
from moretta.core.key_service import GALLERY_KEY_CONTEXT, KeyHolder, KeyService
from moretta.keys import messages
from moretta.keys.messages import Fields
from moretta.keys.rotation import rewrapped
from moretta.links.frames import Message
from moretta.links.server import LOCAL_ROLE

SERVE_ROLE = "serve"
CALLERS = frozenset({SERVE_ROLE})


class RewrappingHolder(KeyHolder, Protocol):
    """A key holder whose own wrapped keys can be wrapped again: `protection.holder.LocalKeyHolder`."""

    def rewrap(self, rewrapped: Callable[[bytes, bytes], bytes | None]) -> int:
        """As `LocalKeyHolder.rewrap`."""


class KeyHandler:
    """Answers for `links.server.LinkServer`.

    A caller gets data keys of persons unwrapped, because it must read what it stored, and matches opened. It never gets a master
    key, a gallery key, or a score: no message asks for one, and the key service refuses contexts of gallery keys here. Templates
    it gets only where the holder was made to tell them.
    """

    def __init__(self, service: KeyService, holder: RewrappingHolder, callers: frozenset[str] = CALLERS) -> None:
        self._service, self._holder = service, holder
        self._callers = callers | {LOCAL_ROLE}
        self._kinds: dict[str, Callable[[Message], Message]] = {
            messages.ACTIVE: self._active,
            messages.WRAP: self._wrap,
            messages.UNWRAP: self._unwrap,
            messages.ROTATE: self._rotate,
            messages.DESTROY: self._destroy,
            messages.LIST: self._list,
            messages.CREATE: self._create,
            messages.SUCCESSOR: self._successor,
            messages.TERMS: self._terms,
            messages.OPEN: self._open,
            messages.PACK: self._pack,
            messages.REPACK: self._repack,
            messages.REISSUE: self._reissue,
            messages.REISSUE_SEGMENT: self._reissue_segment,
            messages.REVEAL: self._reveal,
            messages.PROBES: self._probes,
            messages.HELD: self._held,
            messages.FORGET: self._forget,
            messages.REWRAP: self._rewrap,
        }

    def __call__(self, role: str, message: Message) -> Message:
        """The answer.

        Raises:
            ScopeMissing: the caller's role may not ask.
            RequestInvalid: a message that a key holder does not have, or of another form.
            MorettaError: as the key service and the key holder raise.
        """
        if role not in self._callers:
            raise ScopeMissing("this certificate's role may not ask the key holder")
        answer = self._kinds.get(message.kind)
        if answer is None:
            raise RequestInvalid("expected one of a key holder's messages")
        return answer(message)

    def _active(self, message: Message) -> Message:
        Fields(message, blobs=0).end()
        return _id(self._service.active())

    def _wrap(self, message: Message) -> Message:
        key, context = _key_and_context(message)
        return Message(messages.DONE, {}, (self._service.wrap(key, context),))

    def _unwrap(self, message: Message) -> Message:
        wrapped, context = _key_and_context(message)
        return Message(messages.DONE, {}, (self._service.unwrap(wrapped, context),))

    def _rotate(self, message: Message) -> Message:
        Fields(message, blobs=0).end()
        return _id(self._service.rotate())

    def _destroy(self, message: Message) -> Message:
        master_key_id = _only(message, "id")
        self._rewrap_gallery_keys()  # whoever asks does not see them, and must not lose them
        self._service.destroy(master_key_id)
        return Message(messages.DONE)

    def _list(self, message: Message) -> Message:
        Fields(message, blobs=0).end()
        return _ids(self._service.master_keys())

    def _create(self, message: Message) -> Message:
        fields = Fields(message, blobs=0)
        scheme, model, dimension, floor = (
            fields.scheme(),
            fields.text("model"),
            fields.whole("dimension"),
            fields.number("floor"),
        )
        fields.end()
        return messages.terms_message(self._holder.create(scheme, model, dimension, floor))

    def _successor(self, message: Message) -> Message:
        return messages.terms_message(self._holder.successor(_only(message, "key")))

    def _terms(self, message: Message) -> Message:
        return messages.terms_message(self._holder.terms(_only(message, "key")))

    def _open(self, message: Message) -> Message:
        return messages.opened_message(self._holder.open(*messages.open_request_in(message)))

    def _pack(self, message: Message) -> Message:
        packed = self._holder.pack(_only(message, "key", blobs=None), message.blobs)
        return Message(messages.DONE, {}, (packed,))

    def _repack(self, message: Message) -> Message:
        fields = Fields(message, blobs=None)
        key_id, kept = fields.text("key"), fields.whole_lists("kept")
        fields.end()
        if len(kept) != len(message.blobs):
            raise RequestInvalid("expected a list of slots for each segment")
        repacked = self._holder.repack(key_id, list(zip(message.blobs, kept, strict=True)))
        return Message(messages.DONE, {}, (repacked,))

    def _reissue(self, message: Message) -> Message:
        old, new = _pair(message, blobs=None)
        return Message(messages.DONE, {}, tuple(self._holder.reissue_payload(old, new, message.blobs)))

    def _reissue_segment(self, message: Message) -> Message:
        old, new = _pair(message, blobs=1)
        return Message(messages.DONE, {}, (self._holder.reissue_segment(old, new, message.blobs[0]),))

    def _reveal(self, message: Message) -> Message:
        return Message(messages.DONE, {}, tuple(self._holder.reveal(*messages.references_in(message))))

    def _probes(self, message: Message) -> Message:
        return Message(messages.DONE, {}, tuple(self._holder.probes(*messages.references_in(message))))

    def _held(self, message: Message) -> Message:
        Fields(message, blobs=0).end()
        return _ids(self._holder.keys())

    def _forget(self, message: Message) -> Message:
        self._holder.destroy(_only(message, "key"))
        return Message(messages.DONE)

    def _rewrap(self, message: Message) -> Message:
        Fields(message, blobs=0).end()
        return Message(messages.DONE, {"count": self._rewrap_gallery_keys()})

    def _rewrap_gallery_keys(self) -> int:
        return self._holder.rewrap(partial(rewrapped, self._service))


def _key_and_context(message: Message) -> tuple[bytes, bytes]:
    Fields(message, blobs=2).end()
    key, context = message.blobs
    if context.startswith(GALLERY_KEY_CONTEXT):
        raise KeyRejected("a gallery key is never wrapped or unwrapped for a caller")
    return key, context


def _only(message: Message, name: str, blobs: int | None = 0) -> str:
    fields = Fields(message, blobs)
    value = fields.text(name)
    fields.end()
    return value


def _pair(message: Message, blobs: int | None) -> tuple[str, str]:
    fields = Fields(message, blobs)
    pair = fields.text("key"), fields.text("new")
    fields.end()
    return pair


def _id(value: str) -> Message:
    return Message(messages.DONE, {"id": value})


def _ids(values: Sequence[str]) -> Message:
    return Message(messages.DONE, {"ids": list(values)})
