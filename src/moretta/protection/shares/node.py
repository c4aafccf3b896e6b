"""The comparing node of `shares`: it holds nothing itself and asks three parties, which compute together.

Belongs here: `core.gallery.GalleryNode` over three parties, refreshing, restoring. Does not belong here: sockets, the protocol.

The parties' answers are handed on only where all three fit together; whatever else happens is an error, never a match.
"""

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import numpy as np

from moretta.core.errors import Conflict, NodeUnavailable, ProbeRejected, RegionRefused
from moretta.core.gallery import FetchSegment, GalleryDelta, GallerySpec
from moretta.core.protection import Mask, ProtectedProbe, Rows, Scheme, SealedScores
from moretta.links.addresses import Address
from moretta.links.client import LinkClient
from moretta.links.frames import Json, Message
from moretta.links.tls import TlsFiles
from moretta.protection.shares import messages as said
from moretta.protection.shares.circuit import padded
from moretta.protection.shares.decisions import (
    DISAGREEMENT,
    SENTINELS,
    SESSION_BYTES,
    Bits,
    decision_payload,
    decisions,
)
from moretta.protection.shares.party import party_role
from moretta.protection.shares.sealing import PARTIES, sealed_parts
from moretta.protection.shares.session import Peer
from moretta.protection.terms import check_probe

# Values of the check of references that travel in one exchange: 2,000 references of 128 dimensions, 15 MB between two parties.
_CHECKED_VALUES = 1 << 19
SETTLE_S = 5.0
_PAUSE_S = 0.02
# Computations at once. Each needs its three calls to run at the same time, so calls are let in by threes.
_AT_ONCE = 16
_GRACE_S = 0.3
# Writing a generation of 1,000,000 references of 512 dimensions, or copying it.
_LONG_S = 600.0

Result = TypeVar("Result")


def connected(region: str, addresses: Sequence[Address], tls: TlsFiles | None, timeout_s: float = 20.0) -> "SharesNode":
    """A node of `region` whose parties 0, 1 and 2 listen at `addresses`."""
    clients = [LinkClient(address, party_role(index), tls, timeout_s) for index, address in enumerate(addresses)]

    def close() -> None:
        for client in clients:
            client.close()

    return SharesNode(region, clients, timeout_s, close)


class SharesNode:
    """`GalleryNode` of the scheme `shares`. Safe for threads.

    Args:
        region: where this process stands; the parties check their own regions.
        parties: the ways to parties 0, 1 and 2.
        timeout_s: longest time of one call; more than twice what a party waits for another.
        close: gives the ways back.
        settle_s: how long parties may stand at different states (one applies a change a moment before the other) until that
            is an error.
    """

    def __init__(
        self,
        region: str,
        parties: Sequence[Peer],
        timeout_s: float = 20.0,
        close: Callable[[], None] = lambda: None,
        settle_s: float = SETTLE_S,
    ) -> None:
        if len(parties) != PARTIES:
            raise NodeUnavailable(f"expected {PARTIES} parties, got {len(parties)}; name all of them in the settings")
        self._region, self._parties, self._timeout_s, self._close = region, parties, timeout_s, close
        self._settle_s = settle_s
        self._pool = ThreadPoolExecutor(PARTIES * _AT_ONCE, thread_name_prefix="shares-call")
        self._room = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], tuple[str, Rows]] = {}

    @property
    def region(self) -> str:
        """The region in which this process stands."""
        return self._region

    def position(self, spec: GallerySpec) -> int:
        """The sequence that all three parties have reached."""
        return min(self._positions(spec))

    def held(self) -> Mapping[tuple[str, str], int]:
        """The sequence at all three parties of every gallery (collection, key) of which one of them holds anything, or 0."""
        listed = [said.galleries_in(answer) for answer in self._same([Message(said.LIST)])]
        nothing = (0, 0)
        return {
            name: min(told.get(name, nothing)[1] for told in listed) for name in {*listed[0], *listed[1], *listed[2]}
        }

    def apply(self, delta: GalleryDelta, fetch: FetchSegment) -> int:
        """As `GalleryNode.apply`, at all three parties. References that they refuse are left out and never compared."""
        spec = delta.spec
        if self._region not in spec.regions:
            raise RegionRefused(
                f"the collection may be in {', '.join(sorted(spec.regions)) or 'no region'}, not in {self._region}"
            )
        positions = self._positions(spec)
        # A delta up to 0 makes an empty gallery.
        if delta.since > min(positions) or 0 < delta.sequence <= min(positions):
            return min(positions)
        apply_id = secrets.token_hex(16)
        gone = set(delta.removed)
        added = [(row, payload) for row, payload in delta.added if row not in gone]
        more: dict[str, Json] = {"apply": apply_id, "sequence": delta.sequence}
        fine = [self._checked(spec, said.STAGE, part, more) for part in _pieces(added, spec.dimension)]
        rows = np.array([row for row, _ in added], np.uint32)[np.concatenate([np.empty(0, np.bool_), *fine])]
        fields: dict[str, Json] = {
            **said.spec_fields(spec),
            "apply": apply_id,
            "since": delta.since,
            "sequence": delta.sequence,
        }
        blobs = tuple(said.row_bytes(part) for part in (rows, delta.removed, delta.excluded, delta.settled))
        answers = self._all([Message(said.COMMIT, fields, blobs)] * PARTIES, _LONG_S)
        return min(_position(answer) for answer in answers)

    def accepted(self, spec: GallerySpec, payloads: Sequence[bytes]) -> Mask:
        """Which references the three parties would take, bool, shape (n,): for whoever wants to know before they are kept."""
        checked = [
            self._checked(spec, said.CHECK, part, {}) for part in _pieces(list(enumerate(payloads)), spec.dimension)
        ]
        return np.concatenate([np.empty(0, np.bool_), *checked])

    def compare(
        self, spec: GallerySpec, probe: ProtectedProbe, threshold: float, only: Sequence[int] | None = None
    ) -> SealedScores:
        """As `GalleryNode.compare`: the payload holds shares of decisions, made for `threshold`.

        Raises:
            ProbeRejected: the parties refuse the probe.
            NodeUnavailable: a party is down, slow, or contradicts the others.
        """
        check_probe(probe, spec)
        sealed = sealed_parts(probe.payload)
        return self._settled(spec, lambda: self._compared(spec, sealed, threshold, only))

    def drop(self, collection_id: str, keep_key_id: str | None = None) -> None:
        """As `GalleryNode.drop`, at all three parties."""
        fields: dict[str, Json] = {"collection": collection_id, "keep": keep_key_id}
        self._all([Message(said.DROP, fields)] * PARTIES)
        with self._lock:
            for name in [name for name in self._rows if name[0] == collection_id and name[1] != keep_key_id]:
                del self._rows[name]

    def close(self) -> None:
        """Give connections back. Idempotent."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._close()

    def public_keys(self) -> tuple[bytes, ...]:
        """The parties' X25519 public keys in their order, for `SharesKey.new`; compare them with `moretta party key`."""
        return tuple(answer.blobs[0] for answer in self._all([Message(said.KEY)] * PARTIES) if len(answer.blobs) == 1)

    def refresh(self, spec: GallerySpec) -> int:
        """Renew every share of a gallery, so that what was stolen of it before is worth nothing; the new generation.

        Each party writes its new shares first; once all have, all switch. Where it fails on the way, the next comparison or
        refresh completes it or takes it back.

        Raises:
            Conflict: the gallery changed meanwhile; try again.
            NodeUnavailable: a party is down.
        """
        before = self._resolve_refresh(spec)
        refresh_id = secrets.token_hex(16)
        self._same([_refresh(said.PREPARE, spec, refresh_id, session=secrets.token_hex(SESSION_BYTES))], _LONG_S)
        with contextlib.suppress(Conflict):  # another process may have completed it, and even begun the next
            self._same([_refresh(said.SWITCH, spec, refresh_id)], _LONG_S)
        reached = self._resolve_refresh(spec)
        if reached == before:
            raise Conflict("the refresh was taken back by another process; try again")
        return reached

    def restore(self, spec: GallerySpec, party: int) -> int:
        """Give a party that lost the gallery its shares again, from the two others; the sequence it reached.

        Raises:
            Conflict: the gallery changes meanwhile; try again.
            NodeUnavailable: a party is down.
        """
        return _position(self._parties[party].call(Message(said.RESTORE, said.spec_fields(spec)), _LONG_S))

    def _compared(
        self, spec: GallerySpec, sealed: Sequence[bytes], threshold: float, only: Sequence[int] | None
    ) -> SealedScores:
        session_id = secrets.token_bytes(SESSION_BYTES)
        fields: dict[str, Json] = {
            **said.spec_fields(spec),
            "session": session_id.hex(),
            "threshold": threshold,
        }
        limited = () if only is None else (said.row_bytes(only),)
        answers = self._all([Message(said.COMPARE, fields, (blob, *limited)) for blob in sealed])
        digest, count = answers[0].fields.get("digest"), answers[0].fields.get("rows")
        fitting = all(
            (answer.fields.get("digest"), answer.fields.get("rows")) == (digest, count) and len(answer.blobs) == 2
            for answer in answers
        )
        if not fitting or not isinstance(digest, str) or type(count) is not int or not 0 <= count < 2**32:
            raise NodeUnavailable(DISAGREEMENT)
        width = padded(count, SENTINELS) // 8
        if any(len(blob) != width for answer in answers for blob in answer.blobs):
            raise NodeUnavailable(DISAGREEMENT)
        rows = self._rows_of(spec, digest)
        if only is not None:
            rows = rows[np.isin(rows, np.fromiter(only, np.uint32))]
        if rows.size != count:
            raise Conflict("the gallery changes just now; try again")
        shares = [(_bits(answer.blobs[0]), _bits(answer.blobs[1])) for answer in answers]
        payload = decision_payload(session_id, count, shares)
        decisions(payload, count)  # refuse contradictions here, not only where the scores are opened
        counted = np.ones(count, np.bool_)
        return SealedScores(Scheme.SHARES, spec.model_id, spec.key_id, threshold, rows, counted, payload)

    def _rows_of(self, spec: GallerySpec, digest: str) -> Rows:
        """The rows that the digest names: kept from before, or asked for."""
        name = (spec.collection_id, spec.key_id)
        with self._lock:
            known, rows = self._rows.get(name, ("", np.empty(0, np.uint32)))
        if known != digest:
            answer = self._parties[0].call(Message(said.ROWS, said.spec_fields(spec)), self._timeout_s)
            if answer.fields.get("digest") != digest:
                raise Conflict("the gallery changes just now; try again")
            rows = said.rows_in(answer, 0)
            rows.flags.writeable = False
            with self._lock:
                self._rows[name] = (digest, rows)
        return rows

    def _checked(self, spec: GallerySpec, kind: str, added: Sequence[tuple[int, bytes]], more: dict[str, Json]) -> Mask:
        """Have references checked (and written, where `kind` says so) by all parties; which ones all three accept."""
        rows = said.row_bytes(row for row, _ in added)
        fields: dict[str, Json] = {**said.spec_fields(spec), **more, "session": secrets.token_hex(SESSION_BYTES)}
        parts = [_parts_or_nothing(payload) for _, payload in added]
        messages = [Message(kind, fields, (rows, *(part[party] for part in parts))) for party in range(PARTIES)]
        answers = self._all(messages, _LONG_S)
        if len({answer.blobs for answer in answers}) != 1 or [len(blob) for blob in answers[0].blobs] != [len(added)]:
            raise NodeUnavailable(DISAGREEMENT)
        fine: Mask = np.frombuffer(answers[0].blobs[0], np.uint8) == 1
        return fine

    def _positions(self, spec: GallerySpec) -> list[int]:
        return [_position(answer) for answer in self._same([Message(said.POSITION, said.spec_fields(spec))])]

    def _settled(self, spec: GallerySpec, compute: Callable[[], Result]) -> Result:
        """Try again for a while where the parties stand at different states; where a refresh stopped half way, end it."""
        deadline = time.monotonic() + self._settle_s
        while True:
            try:
                return compute()
            except Conflict as error:
                if time.monotonic() > deadline:
                    raise NodeUnavailable(
                        "the three parties stand at different states of the gallery; bring it up to date, then try again"
                    ) from error
            self._resolve_refresh(spec)
            time.sleep(_PAUSE_S)

    def _resolve_refresh(self, spec: GallerySpec) -> int:
        """Complete a refresh that all parties have prepared, take back one that one of them never will; the generation.

        Parties are only told to switch once all three have prepared. So one that is prepared everywhere, or counts anywhere,
        is completed; any other is first barred where it is not prepared, and deleted then.
        """
        stands = [answer.fields for answer in self._same([Message(said.STATUS, said.spec_fields(spec))])]
        prepared = {str(stand.get("prepared")) for stand in stands} - {""}
        for refresh_id in prepared:
            have = [refresh_id in (stand.get("prepared"), stand.get("refresh")) for stand in stands]
            if all(have):
                self._same([_refresh(said.SWITCH, spec, refresh_id)], _LONG_S)
                continue
            for wanted, kind in ((False, said.BAR), (True, said.DISCARD)):
                for party in (party for party in range(PARTIES) if have[party] is wanted):
                    self._parties[party].call(_refresh(kind, spec, refresh_id), self._timeout_s)
        if prepared:
            stands = [answer.fields for answer in self._same([Message(said.STATUS, said.spec_fields(spec))])]
        return min(_number(stand, "generation") for stand in stands)

    def _same(self, message: list[Message], timeout_s: float | None = None) -> list[Message]:
        return self._all(message * PARTIES, timeout_s)

    def _all(self, messages: Sequence[Message], timeout_s: float | None = None) -> list[Message]:
        """The three parties' answers. The first failure is raised, the gravest kind first."""
        limit_s = timeout_s or self._timeout_s
        if not self._room.acquire(timeout=limit_s):
            raise NodeUnavailable("the parties have too much to do; try again later")
        left = [PARTIES]

        def done(_call: object) -> None:
            # The room is free once all three calls have ended, one that hangs included.
            with self._lock:
                left[0] -= 1
                free = left[0] == 0
            if free:
                self._room.release()

        calls = [
            self._pool.submit(party.call, message, limit_s)
            for party, message in zip(self._parties, messages, strict=True)
        ]
        for call in calls:
            call.add_done_callback(done)
        ended, _ = wait(calls, return_when=FIRST_EXCEPTION)
        if len(ended) < len(calls):
            # One failed: give the others a moment to tell why, and do not wait for one that hangs.
            ended, _ = wait(calls, _GRACE_S)
        failures = [failure for failure in (call.exception() for call in calls if call in ended) if failure is not None]
        for kind in (ProbeRejected, RegionRefused, Conflict):
            for failure in failures:
                if isinstance(failure, kind):
                    raise failure
        for failure in failures:
            raise failure
        return [call.result() for call in calls]


def _refresh(kind: str, spec: GallerySpec, refresh_id: str, **more: str) -> Message:
    return Message(kind, {**said.spec_fields(spec), "refresh": refresh_id, **more})


def _pieces(added: Sequence[tuple[int, bytes]], dimension: int) -> list[Sequence[tuple[int, bytes]]]:
    size = max(1, _CHECKED_VALUES // (2 * dimension + 2))
    return [added[at : at + size] for at in range(0, len(added), size)]


def _position(answer: Message) -> int:
    return _number(answer.fields, "position")


def _number(fields: Mapping[str, Json], name: str) -> int:
    number = fields.get(name)
    if type(number) is not int:
        raise NodeUnavailable(f"a party answered with something else than its {name}; check its version")
    return number


def _parts_or_nothing(payload: bytes) -> tuple[bytes, bytes, bytes]:
    """What cannot be read is refused by the parties, as everything that they cannot open."""
    try:
        return sealed_parts(payload)
    except ProbeRejected:
        return b"", b"", b""


def _bits(blob: bytes) -> Bits:
    return np.frombuffer(blob, np.uint8)
