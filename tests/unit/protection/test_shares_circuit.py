"""The sign circuit against plain arithmetic, run by three generators that pass each other what they send."""

import secrets

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moretta.protection.shares.circuit import BLOCK, Exchange, SignCircuit, SignShares, padded, signs
from moretta.protection.shares.streams import Streams

Ring = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


def run(circuits: list[SignCircuit]) -> tuple[list[SignShares], int]:
    """The three parties' results, and how many exchanges it took."""
    asked: list[Exchange] = [next(circuit) for circuit in circuits]
    rounds = 0
    while True:
        rounds += 1
        inboxes = [
            {of: asked[of].sends[index].reshape(-1).view(np.uint8) for of in one.awaits}
            for index, one in enumerate(asked)
        ]
        for one, inbox in zip(asked, inboxes, strict=True):
            assert {of: content.size for of, content in inbox.items()} == dict(one.awaits)
        results: list[SignShares] = []
        following: list[Exchange] = []
        for circuit, inbox in zip(circuits, inboxes, strict=True):
            try:
                following.append(circuit.send(inbox))
            except StopIteration as end:
                results.append(end.value)
        if results:
            assert len(results) == 3, "all three end in the same round"
            return results, rounds
        asked = following


def shared_signs(values: Ring, group: int = 4) -> npt.NDArray[np.bool_]:
    """The signs as the parties make them, of additive shares made here."""
    keys = [secrets.token_bytes(32) for _ in range(3)]
    shares = [np.frombuffer(secrets.token_bytes(values.nbytes), values.dtype) for _ in range(2)]
    shares.append(values - shares[0] - shares[1])
    circuits = [
        signs(index, shares[index], Streams(keys[index], keys[(index + 1) % 3], b"salt", b"test"), group)
        for index in range(3)
    ]
    results, _ = run(circuits)
    for party in range(3):
        assert np.array_equal(results[party][1], results[(party + 1) % 3][0]), "each share is held twice"
    bits = results[0][0] ^ results[1][0] ^ results[2][0]
    return np.unpackbits(bits, bitorder="little").astype(np.bool_)


@pytest.mark.parametrize("group", [1, 2, 3, 4, 5])
def test_every_16_bit_number_gets_its_sign(group: int) -> None:
    values = np.arange(2**16, dtype=np.uint16)
    assert np.array_equal(shared_signs(values, group), values.view(np.int16) < 0)


@pytest.mark.parametrize("group", [1, 3, 4])
def test_32_bit_numbers_at_every_carry_get_their_sign(group: int) -> None:
    powers = [2**place + step for place in range(32) for step in (-2, -1, 0, 1)]
    values = np.array([*powers, *(-power for power in powers), 0], dtype=np.int64).astype(np.uint32)
    values = np.concatenate((values, np.zeros(padded(values.size, 0) - values.size, np.uint32)))
    assert np.array_equal(shared_signs(values, group), values.view(np.int32) < 0)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=BLOCK, max_size=BLOCK), st.sampled_from([np.uint16, np.uint32])
)
def test_any_numbers_get_their_signs(numbers: list[int], kind: type[np.uint16] | type[np.uint32]) -> None:
    values = np.array(numbers, dtype=np.int64).astype(kind)
    signed = values.view(np.int16 if kind is np.uint16 else np.int32)
    assert np.array_equal(shared_signs(values), signed < 0)


def test_what_a_party_sends_is_unlike_for_the_same_numbers() -> None:
    """Equal values under fresh keys: what travels agrees in as many bytes as chance makes agree (1 in 256)."""
    values = np.zeros(64 * 64, np.uint16)
    sent = []
    for _ in range(2):
        keys = [secrets.token_bytes(32) for _ in range(3)]
        circuits = [
            signs(index, values, Streams(keys[index], keys[(index + 1) % 3], b"salt", b"test")) for index in range(3)
        ]
        asked = [next(circuit) for circuit in circuits]
        sent.append(np.concatenate([content.reshape(-1) for one in asked for content in one.sends.values()]))
    # 16,384 bytes: 64 agree on average with a standard deviation of 8; over 130 is a false alarm once in 10^15 runs.
    assert (sent[0] == sent[1]).sum() < 130


def test_a_comparison_takes_five_exchanges() -> None:
    keys = [secrets.token_bytes(32) for _ in range(3)]
    values = np.zeros(BLOCK, np.uint16)
    _, rounds = run(
        [signs(index, values, Streams(keys[index], keys[(index + 1) % 3], b"s", b"t")) for index in range(3)]
    )
    assert rounds == 5
