"""Shares of decision bits: how the comparing side hands them on, and how they become decisions, or an error.

Belongs here: the payload of `SealedScores` of this scheme, the sentinels, the checks. Does not belong here: the protocol.

Each of the three bit shares arrives from two parties, and the copies must be equal. After the gallery's rows stand sentinels:
values whose signs everybody knows from the session's id, and which went through the same circuit. A party that sends rubbish
makes all values random from there on, the sentinels (at least 64) included, so a wrong decision passes with 2^-64.
"""

import hashlib
import struct

import numpy as np
import numpy.typing as npt

from moretta.core.errors import NodeUnavailable, ProbeRejected
from moretta.protection.shares.circuit import SignShares, padded

SENTINELS = 64
SESSION_BYTES = 16
_HEAD = struct.Struct("<4s16sQ")
_MAGIC = b"MSD1"
Bits = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]

DISAGREEMENT = (
    "the three parties' answers contradict each other, so nothing was decided; try again, and where it happens again, look at "
    "the parties' logs and check their stores"
)


def sentinel_count(rows: int) -> int:
    """How many sentinels follow `rows` values."""
    return padded(rows, SENTINELS) - rows


def sentinels(session_id: bytes, count: int) -> Numbers:
    """The sentinels of a session, each 0 or -1, int32: a carry runs through all bits of the one, through none of the other."""
    stream = hashlib.shake_256(b"moretta shares sentinels 1" + session_id).digest(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(stream, np.uint8), count=count, bitorder="little")
    return -bits.astype(np.int32)


def negative(session_id: bytes, rows: int, shares: tuple[Bits, Bits, Bits]) -> npt.NDArray[np.bool_]:
    """Whether each of `rows` values is negative, bool, shape (rows,).

    Raises:
        NodeUnavailable: the sentinels came out wrong.
    """
    bits = np.unpackbits(shares[0] ^ shares[1] ^ shares[2], bitorder="little")
    expected = sentinels(session_id, bits.size - rows)
    if rows + sentinel_count(rows) != bits.size or not np.array_equal(bits[rows:], -expected):
        raise NodeUnavailable(DISAGREEMENT)
    return bits[:rows].astype(np.bool_)


def decision_payload(session_id: bytes, rows: int, answers: list[SignShares]) -> bytes:
    """The payload of sealed scores: what parties 0, 1 and 2 answered for `rows` rows."""
    parts = [share.tobytes() for answer in answers for share in answer]
    return b"".join([_HEAD.pack(_MAGIC, session_id, rows), *parts])


def decisions(payload: bytes, rows: int) -> npt.NDArray[np.bool_]:
    """Which of `rows` rows reach the threshold, bool, shape (rows,).

    Raises:
        ProbeRejected: the payload is of another form or number of rows.
        NodeUnavailable: the parties contradict each other.
    """
    width = padded(rows, SENTINELS) // 8
    if len(payload) != _HEAD.size + 6 * width:
        raise ProbeRejected(f"expected sealed decisions for {rows} rows, got {len(payload)} bytes of something else")
    magic, session_id, told = _HEAD.unpack_from(payload)
    if magic != _MAGIC or told != rows:
        raise ProbeRejected(f"expected sealed decisions for {rows} rows, got others")
    parts = np.frombuffer(payload, np.uint8, offset=_HEAD.size).reshape(3, 2, width)
    for party in range(3):
        if not np.array_equal(parts[party, 1], parts[(party + 1) % 3, 0]):
            raise NodeUnavailable(DISAGREEMENT)
    return ~negative(session_id, rows, (parts[0, 0], parts[1, 0], parts[2, 0]))
