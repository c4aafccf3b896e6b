"""One of the three parties of `shares`: holds its shares, compares with the other two, answers the service.

Belongs here: who may ask what, and each request's steps. Does not belong here: sockets, the circuits, files.

A party never sees a template, a probe, a score or a decision. What it has of each is random without another party's half.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from moretta.core.checkpoints import Checkpoint, no_checkpoint
from moretta.core.errors import NodeUnavailable, ProbeRejected, RegionRefused, RequestInvalid
from moretta.core.gallery import GallerySpec
from moretta.core.protection import Mask, Rows
from moretta.links.frames import Json, Message
from moretta.links.server import LOCAL_ROLE
from moretta.protection.shares import messages as said
from moretta.protection.shares.galleries import Galleries, Gallery
from moretta.protection.shares.kernel import and_shares, byte_planes, check_values, dot_products
from moretta.protection.shares.protocol import accepted, agree, decided
from moretta.protection.shares.restore import copied, held_elsewhere, restored
from moretta.protection.shares.ring import Ring16, threshold_integer
from moretta.protection.shares.sealing import Kind, SharePair, opened_shares
from moretta.protection.shares.session import GIVE_UP, ROUND, Peer, Switchboard
from moretta.protection.shares.store import GONE, View

SERVICE_ROLE = "serve"

_log = logging.getLogger(__name__)


def party_role(index: int) -> str:
    """The role (the name in the certificate) of a party."""
    return f"party-{index}"


class Party:
    """Answers messages; `handle` is a `links.server.Handler`. Safe for threads.

    Args:
        index: which of the three, 0 to 2.
        region: where it stands; it holds only collections that may be there.
        folder: where it keeps shares; its own.
        private_key: opens what is sealed to it.
        peers: the ways to the two others, by index.
        patience_s: longest wait for one message of another party.
    """

    def __init__(
        self,
        index: int,
        region: str,
        folder: Path,
        private_key: X25519PrivateKey,
        peers: Mapping[int, Peer],
        patience_s: float = 10.0,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        if index not in range(3) or set(peers) != {0, 1, 2} - {index}:
            raise RequestInvalid("expected a party's index of 0, 1 or 2 and the two others as its peers")
        self._index, self._region, self._private_key, self._peers = index, region, private_key, peers
        self._galleries = Galleries(folder, checkpoint)
        self._switchboard = Switchboard(index, peers, patience_s)
        self._asked: dict[str, Callable[[Message], Message]] = {
            said.POSITION: self._position,
            said.CHECK: self._check,
            said.STAGE: self._stage,
            said.COMMIT: self._commit,
            said.COMPARE: self._compare,
            said.ROWS: self._rows,
            said.DROP: self._drop,
            said.KEY: self._key,
            said.STATUS: self._status,
            said.PREPARE: self._prepare,
            said.SWITCH: self._switch,
            said.BAR: self._bar,
            said.DISCARD: self._discard,
            said.RESTORE: self._restore,
        }

    def handle(self, role: str, message: Message) -> Message:
        """The answer to a message of the service or another party.

        Raises:
            MorettaError: as the request's own method tells.
        """
        sender = _party_of(role, message)
        if message.kind == said.LIST and (sender is not None or role in (SERVICE_ROLE, LOCAL_ROLE)):
            return Message("list", {"galleries": self._galleries.listed()})
        if message.kind in (ROUND, GIVE_UP, said.COPY):
            if sender is None or sender == self._index:
                raise RequestInvalid("expected this message from another party only")
            return self._from_party(sender, message)
        asked = self._asked.get(message.kind)
        if asked is None or role not in (SERVICE_ROLE, LOCAL_ROLE):
            raise RequestInvalid("expected a request that a party answers, from the service")
        return asked(message)

    def warm(self) -> None:
        """Compile the loops, so that the first comparison does not wait for it."""
        u8, u16, u64 = np.zeros((8, 2), np.uint8), np.zeros((1, 8), np.uint16), np.zeros(8, np.uint64)
        dot_products(u16, u16, u16[0], u16[0], np.zeros(1, np.uint16))
        byte_planes(u8, np.zeros((16, 1), np.uint8))
        and_shares(u64, u64, u64, u64, u64.copy())
        check_values(u16, u16, np.zeros(1, np.uint32))

    def restore(self) -> int:
        """Fetch every gallery that the two others hold and this party lacks; how many there are now.

        Raises:
            Conflict: one changes meanwhile, or the others differ; try again.
            NodeUnavailable: another party is down.
        """
        specs = held_elsewhere(self._index, self._peers)
        for spec in specs:
            restored(self._galleries, spec, self._index, self._peers)
        return len(specs)

    def close(self) -> None:
        """Stop what is under way and close files. Idempotent."""
        self._switchboard.close()
        self._galleries.close()

    def _from_party(self, sender: int, message: Message) -> Message:
        if message.kind == said.COPY:
            gallery = self._present(said.spec_in(message))
            return copied(gallery, "first" if sender == (self._index + 2) % 3 else "second", message)
        session_id = said.id_in(message, "session")
        if message.kind == GIVE_UP:
            self._switchboard.give_up(session_id, message.fields)
        else:
            self._switchboard.deliver(session_id, sender, said.value_in(message, "step", int), message.blobs)
        return Message("taken")

    def _position(self, message: Message) -> Message:
        gallery = self._galleries.found(said.spec_in(message))
        return Message("position", {"position": 0 if gallery is None else gallery.state.sequence})

    def _check(self, message: Message) -> Message:
        """Check references together with the others. Answers which ones all three accept."""
        _, _, fine = self._checked(message)
        return Message("checked", {}, (fine.astype(np.uint8).tobytes(),))

    def _stage(self, message: Message) -> Message:
        """As `_check`, and write those that all accept behind the rows that count."""
        spec, pairs, fine = self._checked(message)
        rows = said.rows_in(message, 0)
        if not fine.all():
            _log.warning("party.references_refused: %d of %d", int((~fine).sum()), fine.size)
        gallery = self._galleries.made(spec)
        if fine.any() and gallery.state.sequence < said.value_in(message, "sequence", int):
            first, second = (
                np.array([pair[which] for pair, good in zip(pairs, fine, strict=True) if pair and good], np.uint32)
                for which in (0, 1)
            )
            gallery.stage(said.id_in(message, "apply"), rows[fine], first.astype(np.uint16), second.astype(np.uint16))
        return Message("staged", {}, (fine.astype(np.uint8).tobytes(),))

    def _checked(self, message: Message) -> tuple[GallerySpec, list[SharePair | None], Mask]:
        spec, rows = self._permitted(message), said.rows_in(message, 0)
        if len(message.blobs) != rows.size + 1 or (rows == GONE).any() or np.unique(rows).size != rows.size:
            raise said.malformed(message)
        with self._switchboard.open(said.id_in(message, "session")) as session:
            pairs = [self._opened(blob, Kind.REFERENCE, spec) for blob in message.blobs[1:]]
            agreed = agree(session, b"references" + _naming(spec) + said.row_bytes(rows), pairs)
            return spec, pairs, accepted(session, agreed, pairs, spec.dimension)

    def _commit(self, message: Message) -> Message:
        spec = self._permitted(message)
        gallery = self._galleries.made(spec)
        since = said.value_in(message, "since", int)
        if since <= gallery.state.sequence:
            gallery.commit(
                said.id_in(message, "apply"),
                said.value_in(message, "sequence", int),
                added=said.rows_in(message, 0),
                removed=said.rows_in(message, 1),
                excluded=said.rows_in(message, 2),
                settled=said.rows_in(message, 3),
                full=since == 0,
            )
        return Message("position", {"position": gallery.state.sequence})

    def _compare(self, message: Message) -> Message:
        """Compare a probe with all rows, or with those in the second blob."""
        spec, threshold = said.spec_in(message), threshold_integer(said.value_in(message, "threshold", float))
        if len(message.blobs) not in (1, 2):
            raise said.malformed(message)
        with self._switchboard.open(said.id_in(message, "session")) as session:
            probe = self._opened(message.blobs[0], Kind.PROBE, spec)
            only = said.rows_in(message, 1) if len(message.blobs) == 2 else None
            view, rows, scores = _scored(self._present(spec), probe, only, spec.dimension)
            asked = b"all" if only is None else b"only" + said.row_bytes(rows)
            state = b"".join(
                (
                    b"compare",
                    _naming(spec),
                    view.digest,
                    view.state.generation.to_bytes(8, "big"),
                    view.state.refresh_id,
                )
            )
            state += threshold.to_bytes(8, "big", signed=True) + asked
            copies = tuple(check.to_bytes(8, "big") for check in view.state.checks)
            agreed = agree(session, state, [probe], (copies[0], copies[1]))
            first, second = decided(session, agreed, probe, scores, threshold, spec.dimension)
        fields: dict[str, Json] = {"rows": rows.size, "digest": view.digest.hex()}
        return Message("decided", fields, (first.tobytes(), second.tobytes()))

    def _rows(self, message: Message) -> Message:
        _, view = self._present(said.spec_in(message)).view()
        return Message("rows", {"digest": view.digest.hex()}, (said.row_bytes(view.rows),))

    def _drop(self, message: Message) -> Message:
        keep = message.fields.get("keep")
        self._galleries.drop(said.value_in(message, "collection", str), keep if isinstance(keep, str) else None)
        return Message("dropped")

    def _key(self, _message: Message) -> Message:
        fields: dict[str, Json] = {"index": self._index, "region": self._region}
        return Message("key", fields, (self._private_key.public_key().public_bytes_raw(),))

    def _status(self, message: Message) -> Message:
        gallery = self._present(said.spec_in(message))
        fields: dict[str, Json] = {
            "generation": gallery.state.generation,
            "refresh": gallery.state.refresh_id.hex(),
            "prepared": gallery.prepared.hex(),
        }
        return Message("status", fields)

    def _prepare(self, message: Message) -> Message:
        """Write the next generation together with the others, from a secret that only the three know."""
        spec, refresh_id = said.spec_in(message), said.id_in(message, "refresh")
        with self._switchboard.open(said.id_in(message, "session")) as session:
            gallery = self._present(spec)
            _, view = gallery.view()
            state = view.state
            about = b"refresh" + _naming(spec) + refresh_id + view.digest
            about += state.generation.to_bytes(8, "big") + state.sequence.to_bytes(8, "big")
            copies = tuple(check.to_bytes(8, "big") for check in state.checks)
            agreed = agree(session, about, copies=(copies[0], copies[1]), joint=True)
        gallery.prepare(refresh_id, state, agreed.joint, agreed.salt, self._index)
        return Message("prepared")

    def _switch(self, message: Message) -> Message:
        self._present(said.spec_in(message)).switch(said.id_in(message, "refresh"))
        return Message("switched")

    def _bar(self, message: Message) -> Message:
        self._present(said.spec_in(message)).bar(said.id_in(message, "refresh"))
        return Message("barred")

    def _discard(self, message: Message) -> Message:
        self._present(said.spec_in(message)).discard(said.id_in(message, "refresh"))
        return Message("discarded")

    def _restore(self, message: Message) -> Message:
        spec = self._permitted(message)
        gallery = restored(self._galleries, spec, self._index, self._peers)
        return Message("position", {"position": gallery.state.sequence})

    def _permitted(self, message: Message) -> GallerySpec:
        spec = said.spec_in(message)
        if self._region not in spec.regions:
            raise RegionRefused(
                f"the collection may be in {', '.join(sorted(spec.regions)) or 'no region'}, and one of its three parties "
                f"stands in {self._region}; allow that region as a replica, or choose other parties"
            )
        return spec

    def _present(self, spec: GallerySpec) -> Gallery:
        gallery = self._galleries.found(spec)
        if gallery is None or gallery.state.dimension != spec.dimension:
            raise NodeUnavailable(f"party-{self._index} does not have the gallery; try again once it has caught up")
        return gallery

    def _opened(self, blob: bytes, kind: Kind, spec: GallerySpec) -> SharePair | None:
        try:
            return opened_shares(blob, self._private_key, self._index, kind, spec.model_id, spec.dimension, spec.key_id)
        except ProbeRejected:
            return None


def _scored(gallery: Gallery, probe: SharePair | None, only: Rows | None, dimension: int) -> tuple[View, Rows, Ring16]:
    """The view, its rows (of `only`, those that are there) and this party's additive shares of their scores."""
    first, second = np.zeros((2, dimension), np.uint32) if probe is None else probe
    u, v = (first + second).astype(np.uint16), first.astype(np.uint16)
    while True:
        store, view = gallery.view()
        rows, scores = _products(view, only, u, v)
        if store.epoch == view.epoch:
            return view, rows, scores


def _products(view: View, only: Rows | None, u: Ring16, v: Ring16) -> tuple[Rows, Ring16]:
    if only is not None:
        at = np.flatnonzero(np.isin(view.rows, only))
        rows, slots = view.rows[at], view.slots[at]
        scores = np.empty(rows.size, np.uint16)
        dot_products(view.first[slots], view.second[slots], u, v, scores)
        return rows, scores
    scores = np.empty(view.first.shape[0], np.uint16)
    dot_products(view.first, view.second, u, v, scores)
    return view.rows, scores if view.whole else scores[view.slots]


def _naming(spec: GallerySpec) -> bytes:
    return repr((spec.collection_id, spec.key_id, spec.model_id, spec.dimension)).encode()


def _party_of(role: str, message: Message) -> int | None:
    """Which party calls: as its certificate says; over a Unix socket of this user, as the message says."""
    if role == LOCAL_ROLE:
        sender = message.fields.get("from")
        return sender if type(sender) is int and sender in range(3) else None
    return next((index for index in range(3) if role == party_role(index)), None)
