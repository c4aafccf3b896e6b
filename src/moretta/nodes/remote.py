"""A comparing node in another process: the calling end.

Belongs here: `core.gallery.GalleryNode` over a link. Does not belong here: the answering end (see `server`), sockets.

A node asks nothing back. Before a delta is applied the node is asked which of its segments it lacks, those are fetched here and
uploaded one by one, then the payloads go ahead in parts, and one last message applies it all. Each message may be sent twice.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from moretta.core.errors import MorettaError, NodeUnavailable, RegionRefused, RequestInvalid
from moretta.core.gallery import FetchSegment, GalleryDelta, GallerySpec
from moretta.core.protection import ProtectedProbe, SealedScores
from moretta.links.client import LinkClient
from moretta.links.frames import Message
from moretta.nodes import messages
from moretta.nodes.galleries import SAFE_ID, GalleryAbsent, GalleryName

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Patience:
    """Longest times of calls, in seconds.

    `ask_s` bounds what a search pays when it is the first to meet a node that lost its network; a comparison with 1,000,000
    references and 16 MB of sealed scores takes well under a second on a local network.
    """

    ask_s: float = 5.0
    change_s: float = 120.0


class RemoteNode:
    """`GalleryNode` and `ListedNode` over a link. Safe for threads.

    Args:
        region: where the node stands.
        client: the link to it, to the role `node-<region>`; closed with this.
        patience: how long to wait.
        part_bytes: about how many bytes of references go in one message.
    """

    def __init__(
        self,
        region: str,
        client: LinkClient,
        patience: Patience | None = None,
        part_bytes: int = messages.PART_BYTES,
    ) -> None:
        self._region, self._client, self._patience = region, client, patience or Patience()
        self._part_bytes = part_bytes

    @property
    def region(self) -> str:
        """The region in which it stands."""
        return self._region

    def position(self, spec: GallerySpec) -> int:
        """As `GalleryNode.position`."""
        answer = self._call(Message(messages.POSITION, messages.spec_fields(spec)), self._patience.ask_s)
        return self._read(answer, _position)

    def held(self) -> Mapping[GalleryName, int]:
        """As `nodes.galleries.ListedNode.held`."""
        return self._read(self._call(Message(messages.HELD), self._patience.ask_s), _held)

    def apply(self, delta: GalleryDelta, fetch: FetchSegment) -> int:
        """As `GalleryNode.apply`."""
        if self._region not in delta.spec.regions:
            # Before a byte of it is sent.
            self.drop(delta.spec.collection_id)
            raise RegionRefused(f"the collection may not be in {self._region}; its node was told to forget it")
        at = self.position(delta.spec)
        if delta.since > at or (delta.sequence <= at and at):
            return at
        dropped = set(delta.dropped_segments)
        delta = replace(delta, segments=tuple(info for info in delta.segments if info.segment_id not in dropped))
        self._upload(delta, fetch)
        token, parts = secrets.token_hex(16), 0
        for part in messages.parts_of(delta, token, self._part_bytes):
            self._call(part, self._patience.change_s)
            parts += 1
        answer = self._call(messages.apply_message(delta, token, parts), self._patience.change_s)
        return self._read(answer, _position)

    def compare(
        self, spec: GallerySpec, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> SealedScores:
        """As `GalleryNode.compare`."""
        answer = self._call(messages.compare_message(spec, probe, threshold, only), self._patience.ask_s)
        if answer.kind == messages.ABSENT:
            raise GalleryAbsent("the node does not have the collection's gallery; try again once it caught up")
        sealed = self._read(answer, messages.scores_in)
        if (sealed.scheme, sealed.model_id, sealed.key_id) != (spec.scheme, spec.model_id, spec.key_id):
            raise self._rubbish("scores of another gallery")
        return sealed

    def drop(self, collection_id: str, keep_key_id: str | None = None) -> None:
        """As `GalleryNode.drop`."""
        self._call(Message(messages.DROP, {"collection": collection_id, "keep": keep_key_id}), self._patience.change_s)

    def close(self) -> None:
        """Close the link. Idempotent."""
        self._client.close()

    def _upload(self, delta: GalleryDelta, fetch: FetchSegment) -> None:
        if not delta.segments:
            return
        known = {info.segment_id: info for info in delta.segments}
        listed, rows = messages.segments_fields(delta.segments)
        question = Message(messages.LACKS, messages.spec_fields(delta.spec) | listed, (rows,))
        for segment_id in self._read(self._call(question, self._patience.change_s), _lacking):
            if segment_id not in known:
                raise self._rubbish("a segment that was not named")
            one, _ = messages.segments_fields([replace(known[segment_id], rows=known[segment_id].rows[:0])])
            fields = messages.spec_fields(delta.spec) | one
            self._call(Message(messages.KEEP, fields, (b"", fetch(segment_id))), self._patience.change_s)

    def _call(self, message: Message, timeout_s: float) -> Message:
        try:
            return self._client.call(message, timeout_s)
        except MorettaError as error:
            if type(error) is not MorettaError:
                raise
            # It met something unexpected: for who asks it is as good as down.
            raise NodeUnavailable(f"the node in {self._region} failed; its log tells why") from None

    def _read(self, answer: Message, reader: Callable[[Message], _T]) -> _T:
        """What the answer says. Raises `NodeUnavailable` where it says nothing that a node says."""
        try:
            return reader(answer)
        except (RequestInvalid, ValueError):
            raise self._rubbish("something that is no answer") from None

    def _rubbish(self, what: str) -> NodeUnavailable:
        return NodeUnavailable(f"the node in {self._region} answered with {what}; its answer was dropped")


def _position(answer: Message) -> int:
    return messages.number(answer.fields, "position", 0, messages.SEQUENCE_MAX)


def _held(answer: Message) -> dict[GalleryName, int]:
    listed = answer.fields.get("held")
    if not isinstance(listed, list):
        raise RequestInvalid("expected a list of galleries")
    found = {}
    for entry in listed:
        if not isinstance(entry, list) or len(entry) != 3:
            raise RequestInvalid("expected a collection, a key and a position")
        fields = dict(zip(("collection", "key", "position"), entry, strict=True))
        name = messages.text(fields, "collection", SAFE_ID), messages.text(fields, "key", SAFE_ID)
        found[name] = messages.number(fields, "position", 0, messages.SEQUENCE_MAX)
    return found


def _lacking(answer: Message) -> tuple[str, ...]:
    return messages.texts(answer.fields, "lacks", SAFE_ID)
