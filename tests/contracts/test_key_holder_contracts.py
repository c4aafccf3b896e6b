"""What every key holder promises, tried on the one inside the service and on one behind real links."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tests.key_rigs import linked, local_holder

from moretta.core.errors import KeyDestroyed, ProbeRejected, RateLimited, RequestInvalid
from moretta.core.key_service import KeyHolder, KeyService, StoredReference
from moretta.core.protection import Opened, OpenTerms, Scheme, SealedScores
from moretta.core.values import Embedding
from moretta.keys.file import FileKeyService
from moretta.keys.remote import RemoteKeyHolder
from moretta.protection.holder import BANDS_MAX, LIMIT_MAX, LocalKeyHolder
from moretta.protection.schemes import load_gallery_key, new_gallery_key, protector

MODEL = "tests/embedder@1"
FLOOR = 0.3


@dataclass
class Held:
    """A key holder; the same keys after a restart; and the key service beneath."""

    holder: KeyHolder
    again: Callable[[], KeyHolder]
    service: KeyService
    galleries: Path


def inside(root: Path, _stack: ExitStack) -> Held:
    service = FileKeyService(root / "keys")
    galleries = root / "galleries"
    return Held(local_holder(galleries, service), lambda: local_holder(galleries, service), service, galleries)


def behind_link(tls: bool) -> Callable[[Path, ExitStack], Held]:
    def made(root: Path, stack: ExitStack) -> Held:
        service = FileKeyService(root / "keys")

        def opened() -> RemoteKeyHolder:
            return RemoteKeyHolder(linked(service, local_holder(root / "galleries", service), stack, tls=tls))

        return Held(opened(), opened, service, root / "galleries")

    return made


KINDS = {"local": inside, "remote-unix": behind_link(tls=False), "remote-tls": behind_link(tls=True)}


@pytest.fixture(params=sorted(KINDS))
def held(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Held]:
    with ExitStack() as stack:
        yield KINDS[request.param](tmp_path, stack)


@pytest.fixture
def holder(held: Held) -> KeyHolder:
    return held.holder


def scores(key_id: str, similarities: list[float], threshold: float = FLOOR, **changed: object) -> SealedScores:
    """Scores as the scheme `plain` seals them."""
    values = np.array(similarities, "<f4")
    rows = np.arange(10, 10 + len(similarities), dtype=np.uint32)
    sealed = SealedScores(
        Scheme.PLAIN, MODEL, key_id, threshold, rows, np.ones(len(similarities), np.bool_), values.tobytes()
    )
    return replace(sealed, **changed)  # type: ignore[arg-type]


def plain_key(holder: KeyHolder, floor: float = FLOOR) -> str:
    return holder.create(Scheme.PLAIN, MODEL, 8, floor).key_id


def test_a_new_key_has_terms_that_stay_the_same_after_a_restart(held: Held) -> None:
    made = held.holder.create(Scheme.ROTATED, MODEL, 8, FLOOR)
    assert (made.scheme, made.model_id, made.dimension) == (Scheme.ROTATED, MODEL, 8)
    assert re.fullmatch(r"gk_[0-9a-f]{24}", made.key_id) and len(made.material) >= 32
    assert held.holder.terms(made.key_id) == held.again().terms(made.key_id) == made


def test_two_keys_share_neither_id_nor_material(holder: KeyHolder) -> None:
    one, other = (holder.create(Scheme.ROTATED, MODEL, 8, FLOOR) for _ in range(2))
    assert one.key_id != other.key_id and one.material != other.material
    assert sorted(holder.keys()) == sorted([one.key_id, other.key_id])


def test_opening_tells_matches_and_their_order_and_no_score(held: Held) -> None:
    key_id = plain_key(held.holder)
    sealed = scores(key_id, [0.1, 0.9, 0.29, 0.5, 0.7])
    expected = [Opened(11, 1), Opened(14, 2), Opened(13, 3)]
    assert held.holder.open(sealed, OpenTerms(0.3)) == held.again().open(sealed, OpenTerms(0.3)) == expected


def test_positions_that_do_not_count_are_never_told(holder: KeyHolder) -> None:
    counted = np.array([True, False, True])
    sealed = scores(plain_key(holder), [0.9, 0.95, 0.1], counted=counted)
    assert [match.row for match in holder.open(sealed, OpenTerms(0.3))] == [10]


def test_at_most_limit_matches_are_told(holder: KeyHolder) -> None:
    sealed = scores(plain_key(holder), [0.9, 0.8, 0.7, 0.6])
    assert [match.row for match in holder.open(sealed, OpenTerms(0.3, limit=2))] == [10, 11]


def test_bands_tell_how_far_above_the_threshold_a_match_is(holder: KeyHolder) -> None:
    sealed = scores(plain_key(holder), [0.35, 0.55, 0.75, 0.2])
    opened = holder.open(sealed, OpenTerms(0.3, bands=(0.5, 0.7)))
    assert [(match.row, match.band) for match in opened] == [(12, 2), (11, 1), (10, 0)]


def test_many_rows_cross_unchanged(holder: KeyHolder) -> None:
    rows = np.random.default_rng(7).permutation(np.arange(100_003, dtype=np.uint32)) + np.uint32(2**32 - 200_000)
    similarities = np.linspace(-1, 1, rows.size, dtype=np.float32)
    counted = np.arange(rows.size) % 3 != 0
    sealed = SealedScores(Scheme.PLAIN, MODEL, plain_key(holder), 0.9, rows, counted, similarities.tobytes())
    opened = holder.open(sealed, OpenTerms(0.9, limit=1000))
    expected = [int(row) for row, counts in zip(rows[::-1], counted[::-1], strict=True) if counts][:1000]
    assert [match.row for match in opened] == expected


@pytest.mark.parametrize("threshold", [FLOOR - 1e-6, -1.0, float("-inf"), float("nan")])
def test_no_score_is_opened_under_the_floor(holder: KeyHolder, threshold: float) -> None:
    key_id = plain_key(holder)
    with pytest.raises((ProbeRejected, RequestInvalid)):
        holder.open(scores(key_id, [0.9]), OpenTerms(threshold))
    with pytest.raises((ProbeRejected, RequestInvalid)):
        holder.open(scores(key_id, [0.9], threshold=threshold), OpenTerms(FLOOR))


@pytest.mark.parametrize(
    "terms",
    [
        OpenTerms(0.3, limit=0),
        OpenTerms(0.3, limit=LIMIT_MAX + 1),
        OpenTerms(0.3, bands=(0.3,)),
        OpenTerms(0.3, bands=(0.2,)),
        OpenTerms(0.3, bands=(0.6, 0.5)),
        OpenTerms(0.3, bands=(0.3, 0.3)),
        OpenTerms(0.3, bands=tuple(np.linspace(0.4, 0.9, BANDS_MAX + 1).tolist())),
    ],
)
def test_terms_that_would_make_a_score_oracle_are_refused(holder: KeyHolder, terms: OpenTerms) -> None:
    with pytest.raises(ProbeRejected):
        holder.open(scores(plain_key(holder), [0.9]), terms)


@pytest.mark.parametrize(
    "changed", [{"model_id": "another"}, {"scheme": Scheme.ROTATED}, {"payload": b""}, {"payload": bytes(5)}]
)
def test_scores_that_no_honest_node_makes_are_refused(holder: KeyHolder, changed: dict[str, object]) -> None:
    with pytest.raises(ProbeRejected):
        holder.open(scores(plain_key(holder), [0.9], **changed), OpenTerms(0.3))


@pytest.mark.parametrize("floor", [-1.1, 1.1, float("nan"), float("inf")])
def test_a_floor_that_is_no_similarity_is_refused(holder: KeyHolder, floor: float) -> None:
    with pytest.raises(RequestInvalid):
        holder.create(Scheme.PLAIN, MODEL, 8, floor)
    assert list(holder.keys()) == []


@pytest.mark.parametrize("key_id", ["gk_" + "0" * 24, "", "../keys", "gk_", "gk_" + "0" * 23 + "/", "\0"])
def test_a_key_that_is_not_there_opens_nothing(holder: KeyHolder, key_id: str) -> None:
    for use in (
        lambda: holder.terms(key_id),
        lambda: holder.open(scores(key_id, [0.9]), OpenTerms(0.3)),
        lambda: holder.reissue_payload(key_id, key_id, [bytes(32)]),
    ):
        with pytest.raises(KeyDestroyed):
            use()
    holder.destroy(key_id)


def test_a_destroyed_key_opens_nothing_here_elsewhere_and_after_a_restart(held: Held) -> None:
    key_id, kept = plain_key(held.holder), plain_key(held.holder)
    sealed, other = scores(key_id, [0.9]), held.again()
    assert other.open(sealed, OpenTerms(0.3)) == held.holder.open(sealed, OpenTerms(0.3)) != []
    held.holder.destroy(key_id)
    held.holder.destroy(key_id)
    for holder in (held.holder, other, held.again()):
        with pytest.raises(KeyDestroyed):
            holder.open(sealed, OpenTerms(0.3))
        with pytest.raises(KeyDestroyed):
            holder.terms(key_id)
        assert list(holder.keys()) == [kept]


def test_a_key_whose_master_key_was_destroyed_does_not_open_from_memory(held: Held) -> None:
    sealed, old = scores(plain_key(held.holder), [0.9]), held.service.active()
    assert held.holder.open(sealed, OpenTerms(0.3)) != []
    held.service.rotate()
    held.service.destroy(old)
    with pytest.raises(KeyDestroyed):
        held.holder.open(sealed, OpenTerms(0.3))


def test_references_move_to_a_new_key_of_the_same_kind(holder: KeyHolder) -> None:
    old, new = (holder.create(Scheme.ROTATED, MODEL, 8, FLOOR).key_id for _ in range(2))
    vectors = np.random.default_rng(3).normal(size=(5, 8)).astype("<f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    payloads = [vector.tobytes() for vector in vectors]
    moved = holder.reissue_payload(old, new, payloads)
    assert len(moved) == 5 and not set(moved) & set(payloads)
    back = np.array([np.frombuffer(payload, "<f4") for payload in holder.reissue_payload(new, old, moved)])
    assert np.allclose(back, vectors, atol=1e-5)


def test_a_successor_takes_packed_references_as_they_are_and_none_of_the_key_before(held: Held) -> None:
    old = held.holder.create(Scheme.HE, MODEL, 64, FLOOR)
    vectors = np.random.default_rng(3).normal(size=(3, 64))
    protects = protector(old)
    units = [Embedding((one / np.linalg.norm(one)).astype(np.float32), MODEL) for one in vectors]
    segment = held.holder.pack(old.key_id, [protects.protect_reference(one).payload for one in units])
    new = held.holder.successor(old.key_id)
    assert new == held.again().terms(new.key_id)
    assert new.key_id != old.key_id and new.material != old.material
    moved = segment
    for before, after in ((old, new), (new, held.holder.successor(new.key_id))):
        moved = held.holder.reissue_segment(before.key_id, after.key_id, moved)
    slots, told = range(3), local_holder(held.galleries, held.service)
    told_before = told.reveal(old.key_id, [StoredReference(segment, slot) for slot in slots])
    assert told.reveal(after.key_id, [StoredReference(moved, slot) for slot in slots]) == told_before
    held.holder.destroy(old.key_id)
    with pytest.raises(KeyDestroyed):
        held.holder.repack(old.key_id, [(segment, [0])])
    with pytest.raises(KeyDestroyed):
        held.holder.successor(old.key_id)
    with pytest.raises(ProbeRejected):
        held.holder.repack(new.key_id, [(segment, [0])])


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED])
def test_a_key_whose_references_are_not_packed_has_no_successor(holder: KeyHolder, scheme: Scheme) -> None:
    key_id = holder.create(scheme, MODEL, 8, FLOOR).key_id
    with pytest.raises(RequestInvalid):
        holder.successor(key_id)
    assert list(holder.keys()) == [key_id]


def test_references_never_move_to_a_key_that_would_tell_more(holder: KeyHolder) -> None:
    key_id = plain_key(holder, FLOOR)
    for other in (
        plain_key(holder, FLOOR - 0.1),
        holder.create(Scheme.PLAIN, "another", 8, FLOOR).key_id,
        holder.create(Scheme.PLAIN, MODEL, 9, FLOOR).key_id,
        holder.create(Scheme.ROTATED, MODEL, 8, FLOOR).key_id,
    ):
        with pytest.raises(RequestInvalid):
            holder.reissue_payload(key_id, other, [bytes(32)])
        with pytest.raises(RequestInvalid):
            holder.reissue_segment(key_id, other, bytes(32))


def test_a_scheme_that_does_not_pack_says_so(holder: KeyHolder) -> None:
    key_id = plain_key(holder)
    with pytest.raises(RequestInvalid):
        holder.pack(key_id, [bytes(32)])
    with pytest.raises(RequestInvalid):
        holder.repack(key_id, [(bytes(32), [0])])


@pytest.mark.parametrize("link", [None, False, True])
def test_openings_over_the_rate_are_refused_until_time_passes(tmp_path: Path, link: bool | None) -> None:
    now = [0.0]
    service = FileKeyService(tmp_path / "keys")
    local = LocalKeyHolder(
        tmp_path / "galleries",
        service,
        new_gallery_key,
        load_gallery_key,
        openings_per_minute=3,
        monotonic=lambda: now[0],
    )
    with ExitStack() as stack:
        holder: KeyHolder = local if link is None else RemoteKeyHolder(linked(service, local, stack, tls=link))
        limited, other = plain_key(holder), plain_key(holder)
        for _ in range(3):
            holder.open(scores(limited, [0.9]), OpenTerms(0.3))
        with pytest.raises(RateLimited) as raised:
            holder.open(scores(limited, [0.9]), OpenTerms(0.3))
        assert raised.value.retry_after_s == pytest.approx(20)
        assert holder.open(scores(other, [0.9]), OpenTerms(0.3)) != []
        now[0] += 20.001
        assert holder.open(scores(limited, [0.9]), OpenTerms(0.3)) != []
        assert local.openings(limited) == 4
