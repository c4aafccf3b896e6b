"""What one party sends to and awaits from the two others during one computation.

Belongs here: sessions, their messages and deadlines, early and late messages. Does not belong here: sockets, what is computed.

A message is one call over a link; the receiving party only puts it into the session's box, so calls return at once and nobody
waits for an answer. Whatever goes wrong (a party that is down, slow, restarted, or sends something else) ends the session on
this side with `NodeUnavailable`, tells the others, and leaves nothing behind for the next one.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np

from moretta.core.errors import Conflict, MorettaError, NodeUnavailable, ProbeRejected
from moretta.links.frames import Json, Message, error_message, raised_by
from moretta.protection.shares.circuit import Exchange, Received
from moretta.protection.shares.decisions import SESSION_BYTES

# Early first messages: those of sessions whose own request is still on its way here.
_EARLY_MESSAGES = 1024
_EARLY_S = 60.0
# Sessions that ended: what still comes for them is dropped.
_ENDED = 4096
_SENDERS = 16
# In place of a sender: that a party gave up before the session began here.
_GAVE_UP = -1
_STOPPING = "the party is being stopped; try again once it runs"
ROUND, GIVE_UP = "shares.round", "shares.give-up"

Result = TypeVar("Result")
_Box = dict[tuple[int, int], tuple[bytes, ...]]


class Peer(Protocol):
    """The way to another party, such as a `links.client.LinkClient`."""

    def call(self, message: Message, timeout_s: float | None = None) -> Message:
        """The answer. Raises `MorettaError`."""


class Switchboard:
    """All sessions of one party.

    Args:
        index: which party this is.
        peers: the two others by index.
        patience_s: longest wait for one message of another party.
    """

    def __init__(self, index: int, peers: Mapping[int, Peer], patience_s: float) -> None:
        self.index, self.patience_s = index, patience_s
        self._peers = peers
        self._lock = threading.Lock()
        self._closed = False
        self._sessions: dict[bytes, Session] = {}
        self._ended: deque[bytes] = deque(maxlen=_ENDED)
        self._early: dict[tuple[bytes, int], tuple[float, tuple[bytes, ...] | MorettaError]] = {}
        self._pool = ThreadPoolExecutor(_SENDERS, thread_name_prefix=f"party-{index}-send")

    def open(self, session_id: bytes) -> "Session":
        """Begin a session; use it in a `with` block.

        Raises:
            NodeUnavailable: the id is in use, or no id.
        """
        if len(session_id) != SESSION_BYTES:
            raise NodeUnavailable(f"expected a session's id of {SESSION_BYTES} bytes, got {len(session_id)}")
        session = Session(session_id, self)
        with self._lock:
            if session_id in self._sessions:
                raise NodeUnavailable("expected a fresh session, got the id of one under way; try again")
            self._sessions[session_id] = session
            for sender in (*self._peers, _GAVE_UP):
                _, kept = self._early.pop((session_id, sender), (0.0, None))
                if isinstance(kept, MorettaError):
                    session.fail(kept)
                elif kept is not None:
                    session.deliver(sender, 0, kept)
        return session

    def deliver(self, session_id: bytes, sender: int, step: int, blobs: tuple[bytes, ...]) -> None:
        """Take a message of another party.

        Raises:
            NodeUnavailable: it belongs to no session that this party knows.
        """
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                if step != 0 or session_id in self._ended:
                    # Nobody gets beyond the first message without having had ours: we were restarted, or gave up.
                    raise NodeUnavailable("the computation is not known here any more; try again")
                self._keep_early((session_id, sender), blobs)
                return
        session.deliver(sender, step, blobs)

    def give_up(self, session_id: bytes, fields: Mapping[str, Json]) -> None:
        """End a session because another party did; one that has not begun here ends when it begins."""
        error = raised_by(Message("error", fields))
        if not isinstance(error, Conflict | ProbeRejected | NodeUnavailable):
            error = NodeUnavailable("another party met an unexpected error; its log tells")
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                if session_id not in self._ended:
                    self._keep_early((session_id, _GAVE_UP), error)
                return
        session.fail(error)

    def send(self, session: "Session", to: int, message: Message) -> None:
        """Send in the background; a failure ends the session."""

        def done(future: Future[Message]) -> None:
            error = None if future.cancelled() else future.exception()
            if error is not None:
                session.fail(error if isinstance(error, MorettaError) else _unexpected(to))

        with self._lock:
            if self._closed:
                raise NodeUnavailable(_STOPPING)
            call = self._pool.submit(self._peers[to].call, message, self.patience_s)
        call.add_done_callback(done)

    def forget(self, session: "Session", error: BaseException | None) -> None:
        """The session ended; after an error the others are told, as far as they can be reached."""
        with self._lock:
            self._sessions.pop(session.session_id, None)
            self._ended.append(session.session_id)
            if error is None or self._closed:
                return
            told = (
                error if isinstance(error, MorettaError) else NodeUnavailable("another party met an unexpected error")
            )
            fields = {**error_message(told).fields, "session": session.session_id.hex(), "from": self.index}
            for peer in self._peers.values():
                self._pool.submit(_told, peer, Message(GIVE_UP, fields))

    def close(self) -> None:
        """End all sessions. Idempotent."""
        with self._lock:
            self._closed = True
            sessions = list(self._sessions.values())
        for session in sessions:
            session.fail(NodeUnavailable(_STOPPING))
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _keep_early(self, key: tuple[bytes, int], kept: tuple[bytes, ...] | MorettaError) -> None:
        now = time.monotonic()
        while self._early:
            oldest = next(iter(self._early))
            if now - self._early[oldest][0] <= _EARLY_S and len(self._early) < _EARLY_MESSAGES:
                break
            del self._early[oldest]  # its session waits in vain and ends with an error
        self._early[key] = (now, kept)


class Session:
    """One computation of three parties, seen from one of them."""

    def __init__(self, session_id: bytes, switchboard: Switchboard) -> None:
        self.session_id, self.index = session_id, switchboard.index
        self._switchboard = switchboard
        self._changed = threading.Condition()
        self._box: _Box = {}
        self._error: MorettaError | None = None
        self._step = 0

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._switchboard.forget(self, error)

    def deliver(self, sender: int, step: int, blobs: tuple[bytes, ...]) -> None:
        """Put a message into the box; a second copy of one changes nothing."""
        with self._changed:
            if step >= self._step:
                self._box.setdefault((sender, step), blobs)
                self._changed.notify_all()

    def fail(self, error: MorettaError) -> None:
        """End the session: whoever waits gets the first error."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def exchange(
        self, sends: Mapping[int, Sequence[bytes]], awaits: Mapping[int, Sequence[int | None]]
    ) -> dict[int, tuple[bytes, ...]]:
        """One round: send blobs, and get blobs of exactly the awaited lengths (None: any length), by party.

        Raises:
            NodeUnavailable: a message did not come in time, or has another form, or a party gave up.
        """
        step = self._step
        for to, blobs in sends.items():
            fields: dict[str, Json] = {"session": self.session_id.hex(), "step": step, "from": self.index}
            self._switchboard.send(self, to, Message(ROUND, fields, tuple(blobs)))
        received = {sender: self._await(sender, step) for sender in awaits}
        for sender, lengths in awaits.items():
            found = [len(blob) for blob in received[sender]]
            fits = len(found) == len(lengths) and all(
                want is None or have == want for have, want in zip(found, lengths, strict=True)
            )
            if not fits:
                raise NodeUnavailable(
                    f"party-{sender} sent something else than the protocol asks for; it may run another version"
                )
        with self._changed:
            self._step += 1
            for sender in range(3):
                self._box.pop((sender, step), None)
        return received

    def _await(self, sender: int, step: int) -> tuple[bytes, ...]:
        deadline = time.monotonic() + self._switchboard.patience_s
        with self._changed:
            while (sender, step) not in self._box:
                if self._error is not None:
                    raise self._error
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NodeUnavailable(
                        f"party-{sender} did not send its part within {self._switchboard.patience_s:g} s; check that it runs"
                    )
                self._changed.wait(left)
            return self._box[sender, step]


def lockstep(session: Session, circuits: Sequence[Generator[Exchange, Received, Result]]) -> list[Result]:
    """Run circuits side by side: each round of all of them travels in one message. Their results in order.

    Raises:
        NodeUnavailable: as `Session.exchange`.
    """
    results: dict[int, Result] = {}
    asked: dict[int, Exchange] = {}
    for place, circuit in enumerate(circuits):
        _advance(place, circuit, None, asked, results)
    while asked:
        sends = {to: [ex.sends[to].tobytes() for ex in asked.values() if to in ex.sends] for to in range(3)}
        awaits = {of: [ex.awaits[of] for ex in asked.values() if of in ex.awaits] for of in range(3)}
        received = session.exchange(
            {to: blobs for to, blobs in sends.items() if blobs}, {of: sizes for of, sizes in awaits.items() if sizes}
        )
        parts = {sender: iter(blobs) for sender, blobs in received.items()}
        pending, asked = asked, {}
        for place, exchange in pending.items():
            answer = {of: np.frombuffer(next(parts[of]), np.uint8) for of in exchange.awaits}
            _advance(place, circuits[place], answer, asked, results)
    return [results[place] for place in range(len(circuits))]


def _advance(
    place: int,
    circuit: Generator[Exchange, Received, Result],
    answer: Received | None,
    asked: dict[int, Exchange],
    results: dict[int, Result],
) -> None:
    try:
        asked[place] = next(circuit) if answer is None else circuit.send(answer)
    except StopIteration as end:
        results[place] = end.value


def _told(peer: Peer, message: Message) -> None:
    with contextlib.suppress(MorettaError):  # it finds out by itself
        peer.call(message, 1.0)


def _unexpected(to: int) -> NodeUnavailable:
    return NodeUnavailable(f"party-{to} could not be reached, for a reason that nobody foresaw; see this party's log")
