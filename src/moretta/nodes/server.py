"""A comparing node in a process of its own: the answering end.

Belongs here: what each message does to a `LocalNode`, and putting a delta's parts together. Does not belong here: sockets, the
form of messages.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from moretta.core.errors import NodeUnavailable, RequestInvalid
from moretta.core.gallery import GallerySpec
from moretta.links.frames import Message
from moretta.nodes import messages
from moretta.nodes.galleries import SAFE_ID, GalleryAbsent
from moretta.nodes.local import LocalNode

# Parts wait until their delta ends. A sender that dies leaves some behind: they go when they are old, or when others need room.
_OLD_S = 600.0
_ROOM_BYTES = 4 * 2**30


@dataclass(slots=True)
class _Staged:
    """Parts of one delta, by their place."""

    spec: GallerySpec
    since_s: float
    parts: dict[int, tuple[tuple[int, bytes], ...]] = field(default_factory=dict)
    size: int = 0


class NodeHandler:
    """Answers what `RemoteNode` asks. A `links.server.Handler`; safe for threads.

    Args:
        node: compares.
        now_s: a clock that never goes back, in seconds.
    """

    def __init__(self, node: LocalNode, now_s: Callable[[], float] = time.monotonic) -> None:
        self._node, self._now_s = node, now_s
        self._lock = threading.Lock()
        self._staged: dict[str, _Staged] = {}
        self._answers: dict[str, Callable[[Message], Message]] = {
            messages.POSITION: self._position,
            messages.HELD: self._held,
            messages.LACKS: self._lacks,
            messages.KEEP: self._keep,
            messages.PART: self._part,
            messages.APPLY: self._apply,
            messages.COMPARE: self._compare,
            messages.DROP: self._drop,
        }

    def __call__(self, role: str, message: Message) -> Message:
        """The answer. Raises `RequestInvalid` for anything that is no message of a node, and what the node raises."""
        answer = self._answers.get(message.kind)
        if answer is None:
            raise RequestInvalid("expected a message for a comparing node")
        return answer(message)

    def _position(self, message: Message) -> Message:
        return Message(messages.DONE, {"position": self._node.position(messages.spec_in(message.fields))})

    def _held(self, _message: Message) -> Message:
        return Message(messages.DONE, {"held": [[*name, at] for name, at in self._node.held().items()]})

    def _lacks(self, message: Message) -> Message:
        spec, segments = messages.spec_in(message.fields), messages.segments_in(message, 0)
        return Message(messages.DONE, {"lacks": self._node.lacks(spec, segments)})

    def _keep(self, message: Message) -> Message:
        segments = messages.segments_in(message, 0)
        if len(segments) != 1:
            raise RequestInvalid("expected one segment")
        self._node.keep(messages.spec_in(message.fields), segments[0], messages.blob(message, 1))
        return Message(messages.DONE)

    def _part(self, message: Message) -> Message:
        spec, added = messages.spec_in(message.fields), messages.added_in(message)
        self._node.lacks(spec, ())  # refuses a collection that may not be here before anything of it is kept
        token = messages.text(message.fields, "token", SAFE_ID)
        place = messages.number(message.fields, "place", 0, 1 << 20)
        size = sum(len(content) for content in message.blobs)
        with self._lock:
            self._make_room(size)
            staged = self._staged.setdefault(token, _Staged(spec, self._now_s()))
            if staged.spec != spec:
                raise RequestInvalid("expected a part of the same gallery")
            if place not in staged.parts:
                staged.parts[place] = added
                staged.size += size
        return Message(messages.DONE)

    def _apply(self, message: Message) -> Message:
        token = messages.text(message.fields, "token", SAFE_ID)
        parts = messages.number(message.fields, "parts", 0, 1 << 20)
        with self._lock:
            staged = self._staged.pop(token, None)
        found = staged.parts if staged is not None else {}
        spec = messages.spec_in(message.fields)
        if len(found) != parts or (staged is not None and staged.spec != spec):
            if self._node.position(spec) >= messages.number(message.fields, "sequence", 0, messages.SEQUENCE_MAX):
                # It was sent twice, and the first time did it.
                return Message(messages.DONE, {"position": self._node.position(spec)})
            raise NodeUnavailable("parts of this change are not here any more; send it again")
        added = tuple(entry for place in sorted(found) for entry in found[place])
        delta = messages.delta_in(message, added)
        return Message(messages.DONE, {"position": self._node.apply(delta, _not_sent)})

    def _compare(self, message: Message) -> Message:
        spec, probe, threshold, only = messages.comparison_in(message)
        try:
            return messages.scores_message(self._node.compare(spec, probe, threshold, only))
        except GalleryAbsent:
            return Message(messages.ABSENT)

    def _drop(self, message: Message) -> Message:
        keep = message.fields.get("keep")
        kept = None if keep is None else messages.text(message.fields, "keep", SAFE_ID)
        self._node.drop(messages.text(message.fields, "collection", SAFE_ID), kept)
        return Message(messages.DONE)

    def _make_room(self, size: int) -> None:
        """Forget parts whose sender is gone; called with the lock held."""
        for token in [token for token, staged in self._staged.items() if self._now_s() - staged.since_s > _OLD_S]:
            del self._staged[token]
        if size + sum(staged.size for staged in self._staged.values()) > _ROOM_BYTES:
            raise NodeUnavailable("this node holds as many unfinished changes as it may; try again later")


def _not_sent(_segment_id: str) -> bytes:
    raise NodeUnavailable("a segment was not uploaded before its change; send it again")
