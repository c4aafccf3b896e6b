"""Quantising, sharing, sealing, random streams and decisions of the scheme `shares`, without a protocol."""

import secrets
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shares_rig import KEY, MODEL

from moretta.core.errors import KeyRejected, NodeUnavailable, ProbeRejected, RequestInvalid
from moretta.core.protection import OpenTerms, Scheme, SealedScores
from moretta.protection.shares.decisions import decision_payload, decisions, sentinel_count, sentinels
from moretta.protection.shares.keys import SharesKey
from moretta.protection.shares.protocol import Agreed
from moretta.protection.shares.ring import HIGHEST, LOWEST, TOLERANCE, UNIT, template_integers, threshold_integer
from moretta.protection.shares.sealing import Kind, opened_shares, party_key, sealed_parts, sealed_shares
from moretta.protection.shares.streams import Stream, Streams

KEYS = [X25519PrivateKey.generate() for _ in range(3)]
PUBLIC = [key.public_key().public_bytes_raw() for key in KEYS]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([1, 2, 8, 64, 128, 192, 512, 1024]), st.integers(0, 2**32 - 1), st.floats(0.05, 20))
def test_every_unit_vector_has_a_template_within_the_limits(dimension: int, seed: int, tail: float) -> None:
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal(dimension) * np.exp(tail * rng.standard_normal(dimension) / 4)
    unit = raw / np.linalg.norm(raw)
    template = template_integers(unit)
    assert abs(int(template @ template) - UNIT) <= TOLERANCE
    assert template.min() >= LOWEST and template.max() <= HIGHEST
    # Stepping costs a coordinate at most one more half unit.
    assert np.abs(template - 127 * unit).max() <= 1.0 + 1e-9


def test_score_less_threshold_never_wraps_in_16_bits() -> None:
    longest = UNIT + TOLERANCE
    for threshold in (-1.0, 0.0, 1.0):
        for score in (-longest, longest):
            assert -(2**15) <= score - threshold_integer(threshold) < 2**15


@pytest.mark.parametrize("threshold", [1.01, -1.01, float("nan"), float("inf")])
def test_a_threshold_that_is_no_similarity_is_refused(threshold: float) -> None:
    with pytest.raises(ProbeRejected):
        threshold_integer(threshold)


def _pairs(payload: bytes, kind: Kind = Kind.PROBE) -> list[tuple[np.ndarray, np.ndarray]]:
    parts = sealed_parts(payload)
    return [opened_shares(parts[party], KEYS[party], party, kind, MODEL, 8, KEY) for party in range(3)]


def test_shares_add_up_to_the_template_and_each_is_held_twice() -> None:
    template = np.array([-128, 127, 0, 5, -7, 1, 2, 3])
    pairs = _pairs(sealed_shares(template, PUBLIC, Kind.PROBE, MODEL, KEY))
    total = pairs[0][0] + pairs[1][0] + pairs[2][0]
    assert np.array_equal(total.view(np.int32), template)
    for party in range(3):
        assert np.array_equal(pairs[party][1], pairs[(party + 1) % 3][0])


def test_shares_of_one_template_are_unlike_each_time() -> None:
    first, second = (_pairs(sealed_shares(np.zeros(8, np.int64), PUBLIC, Kind.PROBE, MODEL, KEY)) for _ in range(2))
    for before, after in zip(first, second, strict=True):
        # 32-bit numbers: one agrees by chance once in 10^8 runs.
        assert not (before[0] == after[0]).any()
        assert not (before[1] == after[1]).any()


@pytest.mark.parametrize("wrong", ["party", "kind", "model", "key", "dimension", "private key", "altered", "cut"])
def test_a_sealed_share_opens_in_its_own_place_only(wrong: str) -> None:
    blob = sealed_parts(sealed_shares(np.ones(8, np.int64), PUBLIC, Kind.PROBE, MODEL, KEY))[1]
    blob = {"altered": blob[:-1] + bytes([blob[-1] ^ 1]), "cut": blob[:20]}.get(wrong, blob)
    with pytest.raises(ProbeRejected):
        opened_shares(
            blob,
            KEYS[0] if wrong == "private key" else KEYS[1],
            2 if wrong == "party" else 1,
            Kind.REFERENCE if wrong == "kind" else Kind.PROBE,
            "f" * 16 if wrong == "model" else MODEL,
            9 if wrong == "dimension" else 8,
            "key-2" if wrong == "key" else KEY,
        )


def test_a_stream_never_gives_the_same_block_twice() -> None:
    stream = Stream(secrets.token_bytes(32))
    blocks = [stream.draw(length) for length in (16, 160, 3 << 18, 48, 16)]
    whole = np.concatenate(blocks).reshape(-1, 16)
    assert np.unique(whole, axis=0).shape == whole.shape


def test_two_parties_draw_the_same_numbers_whatever_the_pieces() -> None:
    key = secrets.token_bytes(32)
    one, other = Stream(key), Stream(key)
    assert np.array_equal(np.concatenate([one.draw(5), one.draw(300_000)]), other.draw(300_005))


def test_streams_differ_by_purpose_session_and_secret() -> None:
    a, b = secrets.token_bytes(32), secrets.token_bytes(32)
    drawn = {
        Streams(own, following, salt, purpose).own.draw(32).tobytes()
        for own, following in ((a, b), (b, a))
        for salt in (b"session 1", b"session 2")
        for purpose in (b"check", b"compare")
    }
    assert len(drawn) == 8


def test_zero_shares_cancel() -> None:
    keys = [secrets.token_bytes(32) for _ in range(3)]
    shares = [Streams(keys[party], keys[(party + 1) % 3], b"salt", b"test").zero_bits(1000) for party in range(3)]
    assert not (shares[0] ^ shares[1] ^ shares[2]).any()


def test_no_two_purposes_of_one_session_share_a_stream() -> None:
    agreed = Agreed(bytes(32), bytes(32), b"salt", b"", np.ones(1, np.bool_), np.zeros(1, np.bool_))
    assert agreed.streams(b"check").own.draw(64).tobytes() != agreed.streams(b"compare").own.draw(64).tobytes()


def _answers(session: bytes, matched: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    rows = matched.size
    known = -sentinels(session, sentinel_count(rows))
    bits = np.packbits(np.concatenate((~matched, known.astype(np.bool_))), bitorder="little")
    rng = np.random.default_rng(1)
    shares = [rng.integers(0, 256, bits.size, dtype=np.uint8) for _ in range(2)]
    shares.append(bits ^ shares[0] ^ shares[1])
    return [(shares[party], shares[(party + 1) % 3]) for party in range(3)]


def test_decisions_come_out_of_the_three_answers() -> None:
    session, matched = secrets.token_bytes(16), np.random.default_rng(2).random(1000) < 0.3
    assert np.array_equal(decisions(decision_payload(session, 1000, _answers(session, matched)), 1000), matched)


@pytest.mark.parametrize("party", range(3))
@pytest.mark.parametrize("which", range(2))
def test_one_altered_bit_of_any_answer_is_an_error(party: int, which: int) -> None:
    session = secrets.token_bytes(16)
    answers = _answers(session, np.zeros(100, np.bool_))
    pair = [answers[party][0].copy(), answers[party][1].copy()]
    pair[which][3] ^= 4
    answers[party] = (pair[0], pair[1])
    with pytest.raises(NodeUnavailable):
        decisions(decision_payload(session, 100, answers), 100)


def test_answers_that_agree_with_each_other_and_not_with_the_sentinels_are_an_error() -> None:
    session = secrets.token_bytes(16)
    answers = _answers(session, np.zeros(100, np.bool_))
    other = np.random.default_rng(3).integers(0, 256, answers[0][0].size, dtype=np.uint8)
    with pytest.raises(NodeUnavailable):
        decisions(decision_payload(session, 100, [(other, answers[0][1]), answers[1], (answers[2][0], other)]), 100)


def test_answers_of_another_session_are_an_error() -> None:
    answers = _answers(secrets.token_bytes(16), np.ones(100, np.bool_))
    with pytest.raises(NodeUnavailable):
        decisions(decision_payload(secrets.token_bytes(16), 100, answers), 100)


def test_decisions_are_opened_only_at_the_threshold_they_were_made_for() -> None:
    key, session = SharesKey.new(8, PUBLIC), secrets.token_bytes(16)
    rows = np.arange(5, dtype=np.uint32)
    payload = decision_payload(session, 5, _answers(session, np.array([True, False, True, True, False])))
    sealed = SealedScores(Scheme.SHARES, MODEL, KEY, 0.5, rows, rows != 2, payload)
    assert [(match.row, match.rank, match.band) for match in key.open(sealed, OpenTerms(0.5))] == [
        (0, 1, None),
        (3, 1, None),
    ]
    assert [match.row for match in key.open(sealed, OpenTerms(0.5, limit=1))] == [0]
    with pytest.raises(ProbeRejected):
        key.open(sealed, OpenTerms(0.4))


def test_a_key_needs_three_different_parties() -> None:
    for keys in (PUBLIC[:2], [PUBLIC[0]] * 3, [*PUBLIC[:2], b"short"]):
        with pytest.raises(KeyRejected):
            SharesKey.new(8, keys)


def test_shares_are_neither_packed_nor_reissued() -> None:
    key = SharesKey.new(8, PUBLIC)
    for attempt in (lambda: key.pack([]), lambda: key.repack([]), lambda: key.reissue_payload(key, [])):
        with pytest.raises(RequestInvalid):
            attempt()


def test_a_party_keeps_its_key_and_refuses_one_that_others_can_read(tmp_path: Path) -> None:
    path = tmp_path / "party" / "party.key"
    first, second = party_key(path), party_key(path)
    assert first.private_bytes_raw() == second.private_bytes_raw()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(KeyRejected):
        party_key(path)
    path.chmod(0o600)
    path.write_bytes(b"short")
    with pytest.raises(KeyRejected):
        party_key(path)
