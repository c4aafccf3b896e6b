"""What the three parties compute together: agreement on a session, the check of templates, and the decisions.

Belongs here: the protocol of one party over a session. Does not belong here: stores, connections, who may ask.

A template is accepted only where every coordinate lies in [-128, 127] and the self-dot modulo 2^32 within TOLERANCE of UNIT:
both hold for every honest template, and within that range a self-dot cannot wrap (512 * 2^14 < 2^31), so a template that is too
long or short, or that hides multiples of 2^16, is refused. The bits that are opened among the parties tell which of these
inequalities fails; for an honest template none does, so they tell nothing.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from moretta.core.errors import Conflict, NodeUnavailable, ProbeRejected
from moretta.protection.shares.circuit import SignCircuit, SignShares, signs
from moretta.protection.shares.decisions import DISAGREEMENT, negative, sentinel_count, sentinels
from moretta.protection.shares.ring import HIGHEST, LOWEST, TOLERANCE, UNIT, Ring16, Ring32
from moretta.protection.shares.sealing import SharePair
from moretta.protection.shares.session import Session, lockstep
from moretta.protection.shares.streams import Streams

_NONCE_BYTES = 16
_SECRET_BYTES = 32
_DIGEST_BYTES = 32
_COMMON_BYTES = 16


@dataclass(frozen=True, slots=True)
class Agreed:
    """What the first exchange of a session gives: secrets shared with the previous and the next party, and a salt.

    `usable` (bool, shape (n,)): the templates that all three parties could open.
    """

    own_secret: bytes
    next_secret: bytes
    salt: bytes
    joint: bytes
    usable: npt.NDArray[np.bool_]
    suspect: npt.NDArray[np.bool_]

    def streams(self, purpose: bytes) -> Streams:
        """Streams for one purpose, to be made once."""
        return Streams(self.own_secret, self.next_secret, self.salt, purpose)


def agree(
    session: Session,
    state: bytes,
    templates: Sequence[SharePair | None] = (),
    copies: tuple[bytes, bytes] = (b"", b""),
    joint: bool = False,
) -> Agreed:
    """Exchange fresh secrets, and see that all three parties mean the same thing.

    Args:
        state: what all must agree on, hashed before it is sent.
        templates: the templates of the session; None where this party could not open one.
        copies: check values of the two stored shares, of which each has a copy at another party.
        joint: also make a secret (`Agreed.joint`) that all three parties know.
    Raises:
        Conflict: the parties stand at different states.
        NodeUnavailable: a party does not take part, or stored copies of a share differ.
    """
    index, previous, following = session.index, (session.index + 2) % 3, (session.index + 1) % 3
    nonce, own_secret, part = (secrets.token_bytes(size) for size in (_NONCE_BYTES, _SECRET_BYTES, _SECRET_BYTES))
    digest = hashlib.sha256(b"moretta shares state 1" + state).digest()
    usable = np.array([pair is not None for pair in templates], dtype=np.bool_)
    count = usable.size
    shown = np.packbits(usable).tobytes()
    hello = [nonce, digest, shown, part if joint else b""]
    own_copy, next_copy = _common(templates, 0, copies[0]), _common(templates, 1, copies[1])
    lengths = [_NONCE_BYTES, _DIGEST_BYTES, len(shown), len(hello[3])]
    received = session.exchange(
        {previous: [*hello, own_copy, own_secret], following: [*hello, next_copy]},
        {following: [*lengths, len(next_copy), _SECRET_BYTES], previous: [*lengths, len(own_copy)]},
    )
    if any(received[other][1] != digest for other in (previous, following)):
        raise Conflict("the three parties stand at different states of the gallery; try again once all have caught up")
    for other in (previous, following):
        usable &= np.unpackbits(np.frombuffer(received[other][2], np.uint8), count=count).astype(np.bool_)
    suspect = np.zeros(count, dtype=np.bool_)
    for mine, theirs in ((own_copy, received[previous][4]), (next_copy, received[following][4])):
        suspect |= _differing(mine, theirs, count)
    by_party = {index: hello, previous: received[previous], following: received[following]}
    salt = session.session_id + b"".join(by_party[party][0] for party in range(3))
    shared = b"".join(by_party[party][3] for party in range(3))
    return Agreed(own_secret, received[following][5], salt, shared, usable, suspect & usable)


def accepted(
    session: Session, agreed: Agreed, templates: Sequence[SharePair | None], dimension: int
) -> npt.NDArray[np.bool_]:
    """Which templates all three parties accept, bool, shape (n,); the same at all three.

    Raises:
        NodeUnavailable: a party does not take part, or the parties contradict each other.
    """
    shares = lockstep(session, [checks(session, agreed, templates, dimension)])[0]
    return opened_checks(session, agreed, shares, dimension)


def checks(session: Session, agreed: Agreed, templates: Sequence[SharePair | None], dimension: int) -> SignCircuit:
    """The circuit of the templates' checks, 2 * dimension + 2 a template: negative is a violation."""
    count, index = len(templates), session.index
    first, second = np.zeros((2, count, dimension), np.uint32)
    for place, pair in enumerate(templates):
        if pair is not None and agreed.usable[place]:
            first[place], second[place] = pair
    constant = np.uint32(index == 0)
    products = (first * (first + np.uint32(2) * second)).sum(axis=1, dtype=np.uint32)
    values = np.concatenate(
        (
            first - constant * np.uint32(LOWEST % 2**32),
            constant * np.uint32(HIGHEST) - first,
            (products - constant * np.uint32(UNIT - TOLERANCE))[:, None],
            (constant * np.uint32(UNIT + TOLERANCE) - products)[:, None],
        ),
        axis=1,
    ).reshape(-1)
    return signs(index, _with_sentinels(values, session), agreed.streams(b"check"))


def opened_checks(session: Session, agreed: Agreed, shares: SignShares, dimension: int) -> npt.NDArray[np.bool_]:
    """Open the checks' bits among the parties. As `accepted`."""
    previous, following = (session.index + 2) % 3, (session.index + 1) % 3
    suspect = np.packbits(agreed.suspect).tobytes()
    first, second = shares[0].tobytes(), shares[1].tobytes()
    received = session.exchange(
        {following: [first, suspect], previous: [second, suspect]},
        {previous: [len(first), len(suspect)], following: [len(first), len(suspect)]},
    )
    # The share that this party lacks is known to both others.
    if received[previous][0] != received[following][0]:
        raise NodeUnavailable(DISAGREEMENT)
    count, each = agreed.usable.size, 2 * dimension + 2
    third = np.frombuffer(received[previous][0], np.uint8)
    violated = (
        negative(session.session_id, count * each, (shares[0], shares[1], third)).reshape(count, each).any(axis=1)
    )
    doubtful = agreed.suspect.copy()
    for other in (previous, following):
        doubtful |= np.unpackbits(np.frombuffer(received[other][1], np.uint8), count=count).astype(np.bool_)
    fine: npt.NDArray[np.bool_] = agreed.usable & ~violated & ~doubtful
    return fine


def decided(
    session: Session, agreed: Agreed, probe: SharePair | None, scores: Ring16, threshold: int, dimension: int
) -> SignShares:
    """This party's shares of "score - threshold is negative" for each row, and of the sentinels behind them.

    `scores` are its additive shares, uint16, shape (n,). The probe is checked in the same rounds; where it is refused, nothing
    is handed out.

    Raises:
        ProbeRejected: the probe is not of unit length, or no template at all.
        NodeUnavailable: as `accepted`.
    """
    values = scores - np.uint16(threshold % 2**16) if session.index == 0 else scores
    bits, check = lockstep(
        session,
        [
            signs(session.index, _with_sentinels(values, session), agreed.streams(b"compare")),
            checks(session, agreed, [probe], dimension),
        ],
    )
    if not opened_checks(session, agreed, check, dimension).all():
        raise ProbeRejected(
            "expected a probe of unit length, sealed to the three parties; normalise the embedding, and protect it for this "
            "collection's key"
        )
    return bits


def _with_sentinels(values: Ring16 | Ring32, session: Session) -> Ring16 | Ring32:
    count = sentinel_count(values.size)
    known = sentinels(session.session_id, count).astype(values.dtype)
    whole: Ring16 | Ring32 = np.concatenate((values, known if session.index == 0 else np.zeros_like(known)))
    return whole


def _common(templates: Sequence[SharePair | None], which: int, stored: bytes) -> bytes:
    """What two parties compare to see that they hold the same share: hashes of random numbers that both have."""
    parts = [
        bytes(_COMMON_BYTES)
        if pair is None
        else hashlib.blake2b(pair[which].tobytes(), digest_size=_COMMON_BYTES).digest()
        for pair in templates
    ]
    return b"".join([*parts, stored])


def _differing(mine: bytes, theirs: bytes, count: int) -> npt.NDArray[np.bool_]:
    split = _COMMON_BYTES * count
    if mine[split:] != theirs[split:]:
        raise NodeUnavailable(
            "two parties hold different copies of one share, so nothing was compared; restore the damaged party from the others"
        )
    a, b = (np.frombuffer(part[:split], np.uint8).reshape(count, _COMMON_BYTES) for part in (mine, theirs))
    different: npt.NDArray[np.bool_] = (a != b).any(axis=1)
    return different
