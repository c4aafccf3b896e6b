"""Giving a party that lost a gallery its shares again: each of its two shares has a copy at one of the others.

Belongs here: asking for the copies and checking that they belong together. Does not belong here: the protocol of comparing.

Nobody learns more by it: the party before has the first share as its second, the party behind has the second as its first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from moretta.core.errors import Conflict, NodeUnavailable
from moretta.core.gallery import GallerySpec
from moretta.core.protection import Rows, Scheme
from moretta.links.frames import Json, Message
from moretta.protection.shares import messages as said
from moretta.protection.shares.galleries import Galleries, Gallery, Part
from moretta.protection.shares.ring import Ring16
from moretta.protection.shares.session import Peer
from moretta.protection.shares.store import State

# Rows of one message: 8 MB at d = 128.
_PIECE = 1 << 15
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Copy:
    state: State
    rows: Rows
    shares: Ring16


def copied(gallery: Gallery, which: str, message: Message) -> Message:
    """The answer to another party that asks for its share of rows from place `start` on; all rows' state goes with them.

    Raises:
        Conflict: the gallery changes meanwhile; ask again.
        RequestInvalid: the message names no place.
    """
    if gallery.prepared:
        raise Conflict("a refresh of this gallery is under way; complete it, then restore")
    start = said.value_in(message, "start", int)
    store, view = gallery.view()
    rows = store.all_rows()[max(0, start) : max(0, start) + _PIECE]
    content = store.shares(which, store.slots_of(rows)).astype("<u2").tobytes()
    if store.epoch != view.epoch or store.state != view.state:
        raise Conflict("the gallery changes just now; try again")
    state = view.state
    check = state.checks[which == "second"]
    fields: dict[str, Json] = {
        "sequence": state.sequence,
        "generation": state.generation,
        "refresh": state.refresh_id.hex(),
        "check": check.to_bytes(8, "big").hex(),
    }
    return Message("copied", fields, (said.row_bytes(rows), content, said.row_bytes(state.excluded)))


def restored(galleries: Galleries, spec: GallerySpec, index: int, peers: Mapping[int, Peer]) -> Gallery:
    """This party's gallery, made anew from the other two, in place of what it has of it.

    Raises:
        Conflict: the gallery changes meanwhile, or the others stand at different states.
        NodeUnavailable: one of them is down, or their copies do not fit together.
    """
    fields = {**said.spec_fields(spec), "from": index}
    sources = (peers[(index + 2) % 3], peers[(index + 1) % 3])
    begun = [_copy(peer, spec, fields, 0) for peer in sources]
    state = _one(begun)
    present = _sound(galleries, spec)
    if present is not None and replace(present.state, slots=0, erased=()) == state:
        return present
    galleries.clear(spec)
    return galleries.adopted(spec, state, _parts(sources, spec, fields, begun, state))


def held_elsewhere(index: int, peers: Mapping[int, Peer]) -> list[GallerySpec]:
    """The galleries that both other parties hold, without model and regions, which stores do not know."""
    lists = [said.galleries_in(peer.call(Message(said.LIST, {"from": index}))) for peer in peers.values()]
    named = [{name: dimension for name, (dimension, _) in told.items() if dimension} for told in lists]
    both = sorted(set.intersection(*(set(told.items()) for told in named)))
    return [GallerySpec(collection, Scheme.SHARES, "", dimension, key) for (collection, key), dimension in both]


def _sound(galleries: Galleries, spec: GallerySpec) -> Gallery | None:
    try:
        return galleries.found(spec)
    except NodeUnavailable:
        return None


def _parts(
    sources: tuple[Peer, Peer], spec: GallerySpec, fields: dict[str, Json], begun: list[_Copy], state: State
) -> Iterator[Part]:
    start, pair = 0, begun
    while pair[0].rows.size:
        if _one(pair) != state or not np.array_equal(pair[0].rows, pair[1].rows):
            raise Conflict("the gallery changes just now; try again")
        yield pair[0].rows, pair[0].shares, pair[1].shares
        start += pair[0].rows.size
        pair = [_copy(peer, spec, fields, start) for peer in sources]


def _one(pair: list[_Copy]) -> State:
    """The state that both copies tell, with the check value of each one's share."""
    first, second = pair[0].state, pair[1].state
    same = (first.sequence, first.generation, first.refresh_id, first.excluded) == (
        second.sequence,
        second.generation,
        second.refresh_id,
        second.excluded,
    )
    if not same:
        raise Conflict(
            "the two other parties stand at different states of the gallery; bring them up to date, then try again"
        )
    return State(
        first.dimension,
        first.sequence,
        0,
        first.generation,
        (first.checks[0], second.checks[0]),
        first.refresh_id,
        (),
        first.excluded,
    )


def _copy(peer: Peer, spec: GallerySpec, fields: dict[str, Json], start: int) -> _Copy:
    answer = peer.call(Message(said.COPY, {**fields, "start": start}), _TIMEOUT_S)
    rows = said.rows_in(answer, 0)
    if len(answer.blobs) != 3 or len(answer.blobs[1]) != 2 * rows.size * spec.dimension:
        raise NodeUnavailable(
            "another party sent something else than the copies that were asked for; check its version"
        )
    state = State(
        spec.dimension,
        said.value_in(answer, "sequence", int),
        0,
        said.value_in(answer, "generation", int),
        (int(said.value_in(answer, "check", str), 16), 0),
        said.id_in(answer, "refresh"),
        (),
        tuple(said.rows_in(answer, 2).tolist()),
    )
    shares = np.frombuffer(answer.blobs[1], "<u2").reshape(rows.size, spec.dimension)
    return _Copy(state, rows, shares.astype(np.uint16))
