"""Three parties in one process: they decide as the cosine does, refuse what no honest worker makes, and fail closed."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.protection_harness import at_cosine, unit_vectors
from tests.shares_rig import (
    KEY,
    MODEL,
    SharedGallery,
    Trio,
    gallery,
    garbled,
    no_segment,
    temporary_trio,
    untouched,
)

from moretta.core.errors import NodeUnavailable, ProbeRejected, RegionRefused, RequestInvalid
from moretta.core.gallery import GalleryDelta
from moretta.core.protection import OpenTerms, ProtectedProbe, Scheme
from moretta.links.frames import Message
from moretta.protection.rotation import rotated
from moretta.protection.schemes import STATED_ERROR
from moretta.protection.shares import messages as said
from moretta.protection.shares.node import SharesNode
from moretta.protection.shares.protect import split_material
from moretta.protection.shares.ring import UNIT, template_integers
from moretta.protection.shares.sealing import Kind, sealed_parts, sealed_shares
from moretta.protection.shares.session import ROUND

D = 32
VECTORS = unit_vectors(np.random.default_rng(1), 40, D)


@pytest.fixture(scope="module")
def trio() -> Iterator[Trio]:
    with temporary_trio(patience_s=3.0) as made:
        yield made


@pytest.fixture(scope="module")
def filled(trio: Trio) -> SharedGallery:
    """Rows 0 to 39; tests leave it as it is."""
    made = gallery(trio, D, "col_local_filled")
    made.enrol(VECTORS)
    return made


@pytest.fixture
def untampered(trio: Trio) -> Iterator[None]:
    yield
    trio.tampered = untouched
    for index in range(3):
        if trio.parties[index] is None:
            trio.start(index)
        trio.answering[index] = trio.party(index).handle


def _matched(shared: SharedGallery, probe: ProtectedProbe, threshold: float = 0.6) -> set[int]:
    return {match.row for match in shared.key.open(shared.compare(probe, threshold), OpenTerms(threshold))}


def _raw(shared: SharedGallery, template: np.ndarray, kind: Kind = Kind.PROBE) -> ProtectedProbe:
    """A probe that a dishonest worker makes: any integers instead of a template."""
    _, public = split_material(shared.key.material())
    return ProtectedProbe(Scheme.SHARES, MODEL, KEY, sealed_shares(template, public, kind, MODEL, KEY))


def _template(shared: SharedGallery, vector: np.ndarray) -> np.ndarray:
    return template_integers(rotated(vector, split_material(shared.key.material())[0]))


def test_decisions_are_the_cosines_but_within_the_stated_error(filled: SharedGallery) -> None:
    rng = np.random.default_rng(2)
    for _ in range(25):
        threshold = float(rng.uniform(-0.9, 0.95))
        probe = at_cosine(rng, VECTORS[rng.integers(40)], float(rng.uniform(-1, 1)))
        matched = _matched(filled, filled.probe(probe), threshold)
        for row, cosine in enumerate(VECTORS.astype(np.float64) @ probe.astype(np.float64)):
            if abs(cosine - threshold) > STATED_ERROR[Scheme.SHARES]:
                assert (row in matched) == (cosine > threshold)


def test_decisions_are_exactly_those_of_the_integers(filled: SharedGallery) -> None:
    rng = np.random.default_rng(3)
    whole = np.array([_template(filled, vector) for vector in VECTORS])
    for _ in range(10):
        template = _template(filled, at_cosine(rng, VECTORS[3], 0.5))
        scores = whole @ template
        # At a threshold that is one of the scores, that row matches; at the next higher number it does not.
        for threshold, expected in ((int(scores[3]), True), (int(scores[3]) + 1, False)):
            matched = _matched(filled, _raw(filled, template), threshold / UNIT)
            assert (3 in matched) == expected
            assert matched == set(np.flatnonzero(scores >= threshold).tolist())


@pytest.mark.parametrize("factor", [3.0, 0.5, 1.1, 0.9, 0.0])
def test_a_probe_that_is_not_of_unit_length_is_refused(filled: SharedGallery, factor: float) -> None:
    template = np.rint(_template(filled, VECTORS[0]) * factor).astype(np.int64)
    with pytest.raises(ProbeRejected):
        _matched(filled, _raw(filled, template))


@pytest.mark.parametrize("multiple", [2**16, -(2**16), 2**31, 2**17, 2**32 - 2**16])
def test_multiples_of_the_ring_hidden_in_a_coordinate_are_refused(filled: SharedGallery, multiple: int) -> None:
    template = _template(filled, VECTORS[0])
    template[4] += multiple
    with pytest.raises(ProbeRejected):
        _matched(filled, _raw(filled, template))


def test_a_long_probe_whose_self_dot_wraps_to_unit_length_is_refused(filled: SharedGallery) -> None:
    """Sixteen-bit coordinates of any size with a self-dot that equals UNIT modulo 2^32: only the range check sees them."""
    template = np.zeros(D, np.int64)
    target = UNIT + 2**32
    for place in range(4):  # greedy sum of four squares, then ones
        template[place] = int(np.sqrt(target - int(template @ template)))
    rest = target - int(template @ template)
    template[4 : 4 + rest] = 1
    assert int(template @ template) % 2**32 == UNIT
    assert template.max() > 127
    with pytest.raises(ProbeRejected):
        _matched(filled, _raw(filled, template))


@pytest.mark.parametrize(("coordinate", "fine"), [(127, True), (-127, True), (-128, True), (128, False), (-129, False)])
def test_coordinates_are_accepted_up_to_the_edge_of_their_range(
    filled: SharedGallery, coordinate: int, fine: bool
) -> None:
    template = np.zeros(D, np.int64)
    template[7] = coordinate
    if fine:
        assert _matched(filled, _raw(filled, template), 0.99) == set()
    else:
        with pytest.raises(ProbeRejected):
            _matched(filled, _raw(filled, template), 0.99)


def test_shares_that_do_not_belong_together_are_refused(filled: SharedGallery) -> None:
    """Two sharings of the same template, mixed: each blob opens, but the parties' copies of a share differ."""
    payloads = [filled.probe(VECTORS[0]).payload for _ in range(2)]
    one, other = (sealed_parts(payload) for payload in payloads)
    mixed = (one[0], one[1], other[2])
    probe = ProtectedProbe(
        Scheme.SHARES, MODEL, KEY, payloads[0][: len(payloads[0]) - sum(map(len, one))] + b"".join(mixed)
    )
    with pytest.raises(ProbeRejected):
        _matched(filled, probe)


def test_a_reference_is_no_probe(filled: SharedGallery) -> None:
    with pytest.raises(ProbeRejected):
        _matched(filled, ProtectedProbe(Scheme.SHARES, MODEL, KEY, filled.reference(VECTORS[0])))


def test_references_that_no_honest_worker_makes_are_left_out_and_the_others_taken(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_refusing")
    long = _raw(shared, 3 * _template(shared, VECTORS[1]), Kind.REFERENCE).payload
    hidden = _template(shared, VECTORS[2])
    hidden[0] += 2**16
    payloads = {
        0: shared.reference(VECTORS[0]),
        1: long,
        2: _raw(shared, hidden, Kind.REFERENCE).payload,
        3: b"rubbish",
        4: shared.probe(VECTORS[4]).payload,
        5: shared.reference(VECTORS[5]),
    }
    assert trio.node.accepted(shared.spec, list(payloads.values())).tolist() == [True, False, False, False, False, True]
    assert shared.change(added=tuple(payloads.items())) == 1
    assert shared.compare(shared.probe(VECTORS[0]), 0.5).rows.tolist() == [0, 5]
    for row in range(6):
        assert _matched(shared, shared.probe(VECTORS[row])) == ({row} if row in (0, 5) else set())


def test_a_delta_is_applied_once_and_in_order(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_ordered")
    first = GalleryDelta(shared.spec, 0, 3, tuple((row, shared.reference(VECTORS[row])) for row in range(3)))
    assert trio.node.position(shared.spec) == 0
    assert trio.node.apply(first, no_segment) == 3
    assert trio.node.apply(first, no_segment) == 3
    assert trio.node.apply(replace(first, since=5, sequence=6), no_segment) == 3
    second = GalleryDelta(shared.spec, 3, 5, ((3, shared.reference(VECTORS[3])),), (0,), excluded=(1,))
    assert trio.node.apply(second, no_segment) == 5
    assert shared.compare(shared.probe(VECTORS[3]), 0.6).rows.tolist() == [2, 3]


def test_a_whole_gallery_replaces_what_is_there_and_keeps_settled_rows(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_whole")
    shared.enrol(VECTORS[:5])
    whole = GalleryDelta(shared.spec, 0, 9, ((7, shared.reference(VECTORS[7])),), settled=(1, 3), excluded=(3,))
    assert trio.node.apply(whole, no_segment) == 9
    assert shared.compare(shared.probe(VECTORS[1]), 0.6).rows.tolist() == [1, 7]
    assert _matched(shared, shared.probe(VECTORS[1])) == {1}
    # Once it is excluded no more, the row is compared again, though nobody else has its shares.
    assert trio.node.apply(GalleryDelta(shared.spec, 9, 10), no_segment) == 10
    assert _matched(shared, shared.probe(VECTORS[3])) == {3}


def test_settled_rows_that_a_party_lost_are_an_error_and_not_a_smaller_gallery(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_lost")
    with pytest.raises(NodeUnavailable, match="restore"):
        trio.node.apply(GalleryDelta(shared.spec, 0, 2, settled=(1,)), no_segment)


def test_a_collection_that_may_not_be_in_a_partys_region_is_refused(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_elsewhere")
    with pytest.raises(RegionRefused):
        trio.node.apply(GalleryDelta(replace(shared.spec, regions=frozenset({"eu"})), 0, 1), no_segment)
    for message in (
        Message(said.COMMIT, said.spec_fields(replace(shared.spec, regions=frozenset({"eu"})))),
        Message(said.STAGE, said.spec_fields(replace(shared.spec, regions=frozenset()))),
    ):
        with pytest.raises(RegionRefused):
            trio.party(1).handle("serve", message)


def test_a_dropped_gallery_is_gone_from_every_partys_disk(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_dropped")
    shared.enrol(VECTORS[:3])
    assert trio.node.held()["col_local_dropped", KEY] == 1
    trio.node.drop("col_local_dropped", keep_key_id=KEY)
    assert _matched(shared, shared.probe(VECTORS[1])) == {1}
    trio.node.drop("col_local_dropped")
    trio.node.drop("col_local_dropped")
    assert trio.node.position(shared.spec) == 0
    assert ("col_local_dropped", KEY) not in trio.node.held()
    for index in range(3):
        assert not (trio.folder(index) / "col_local_dropped").exists()
    with pytest.raises(NodeUnavailable):
        shared.compare(shared.probe(VECTORS[1]), 0.6)


def test_only_the_service_asks_and_only_parties_take_part(trio: Trio, filled: SharedGallery) -> None:
    fields = said.spec_fields(filled.spec)
    for role, message in (
        ("party-0", Message(said.COMPARE, fields)),
        ("party-2", Message(said.DROP, {"collection": filled.spec.collection_id})),
        ("serve", Message(ROUND, {"session": "0" * 32, "step": 0})),
        ("serve", Message(said.COPY, {**fields, "start": 0})),
        ("party-1", Message(said.COPY, {**fields, "start": 0})),  # itself
        ("keyd", Message(said.POSITION, fields)),
        ("serve", Message("shares.nothing", fields)),
    ):
        with pytest.raises(RequestInvalid):
            trio.party(1).handle(role, message)


@pytest.mark.parametrize("kind", [said.POSITION, said.STAGE, said.COMMIT, said.COMPARE, said.PREPARE, said.SWITCH])
def test_a_malformed_request_is_refused(trio: Trio, kind: str) -> None:
    for fields in (
        {},
        {"collection": 3},
        {"collection": "../x", "model": MODEL, "dimension": D, "key": KEY, "regions": ["local"]},
    ):
        with pytest.raises((RequestInvalid, RegionRefused)):
            trio.party(0).handle("serve", Message(kind, fields, (b"123",)))


@pytest.mark.parametrize("index", range(3))
@pytest.mark.usefixtures("untampered")
def test_a_party_that_is_down_is_an_error_and_the_next_comparison_works(
    trio: Trio, filled: SharedGallery, index: int
) -> None:
    trio.stop(index)
    with pytest.raises(NodeUnavailable):
        _matched(filled, filled.probe(VECTORS[4]))
    trio.start(index)
    assert _matched(filled, filled.probe(VECTORS[4])) == {4}


@pytest.mark.parametrize("step", range(7))
@pytest.mark.parametrize("index", range(3))
@pytest.mark.usefixtures("untampered")
def test_rubbish_in_any_round_is_an_error_and_never_a_match(
    trio: Trio, filled: SharedGallery, index: int, step: int
) -> None:
    met: list[Message] = []

    def tampered(role: str, message: Message) -> Message:
        if role == f"party-{index}" and message.kind == ROUND and message.fields["step"] == step:
            met.append(message)
            return garbled(message)
        return message

    trio.tampered = tampered
    if _sends_nothing(index, step):
        assert _matched(filled, filled.probe(VECTORS[4])) == {4}
        assert not met
        return
    with pytest.raises((NodeUnavailable, ProbeRejected)):
        _matched(filled, filled.probe(VECTORS[4]))
    assert met
    trio.tampered = untouched
    assert _matched(filled, filled.probe(VECTORS[4])) == {4}


def _sends_nothing(index: int, step: int) -> bool:
    """After the hello (0), parties 1 and 2 pass their sums on (1), party 0 its split (2); then all send."""
    return (step == 1 and index == 0) or (step == 2 and index != 0)


@pytest.mark.parametrize("blobs", [(), (b"",), (b"x" * 10, b"y"), (b"\x00" * 64,) * 20])
@pytest.mark.usefixtures("untampered")
def test_messages_of_another_form_are_an_error(trio: Trio, filled: SharedGallery, blobs: tuple[bytes, ...]) -> None:
    trio.tampered = lambda role, message: (
        replace(message, blobs=blobs) if (role, message.kind) == ("party-2", ROUND) else message
    )
    with pytest.raises(NodeUnavailable):
        _matched(filled, filled.probe(VECTORS[4]))


@pytest.mark.parametrize("index", range(3))
@pytest.mark.usefixtures("untampered")
def test_an_answer_of_rubbish_is_an_error(trio: Trio, filled: SharedGallery, index: int) -> None:
    honest = trio.party(index).handle

    def answer(role: str, message: Message) -> Message:
        given = honest(role, message)
        return garbled(given) if message.kind == said.COMPARE else given

    trio.answering[index] = answer
    for _ in range(5):
        with pytest.raises(NodeUnavailable):
            filled.compare(filled.probe(VECTORS[4]), 0.6)
    for answered in (Message("decided"), Message("decided", {"rows": "many", "digest": 3}, (b"", b""))):

        def answer_otherwise(role: str, message: Message, given: Message = answered) -> Message:
            taken = honest(role, message)
            return given if message.kind == said.COMPARE else taken

        trio.answering[index] = answer_otherwise
        with pytest.raises(NodeUnavailable):
            filled.compare(filled.probe(VECTORS[4]), 0.6)


@pytest.mark.parametrize("step", [0, 1, 3, 6])
@pytest.mark.usefixtures("untampered")
def test_a_party_restarted_in_the_middle_is_an_error_and_the_next_comparison_works(
    trio: Trio, filled: SharedGallery, step: int
) -> None:
    begun, restarted = threading.Lock(), threading.Event()

    def tampered(role: str, message: Message) -> Message:
        matches = role == "party-2" and message.kind == ROUND and message.fields["step"] == step
        if matches and begun.acquire(blocking=False):
            trio.stop(1)
            trio.start(1)
            restarted.set()
        return message

    trio.tampered = tampered
    with pytest.raises(NodeUnavailable):
        _matched(filled, filled.probe(VECTORS[4]))
    assert restarted.wait(10)
    trio.tampered = untouched
    assert _matched(filled, filled.probe(VECTORS[4])) == {4}


@pytest.mark.usefixtures("untampered")
def test_a_restarted_party_repeats_nothing_of_an_earlier_comparison(trio: Trio, filled: SharedGallery) -> None:
    """The same probe twice: no block of what the parties send after the hello comes again."""
    probe = filled.probe(VECTORS[4])
    blocks: list[set[bytes]] = []
    for _ in range(2):
        sent: set[bytes] = set()

        def noted(_role: str, message: Message, into: set[bytes] = sent) -> Message:
            if message.kind == ROUND and message.fields["step"] > 0:
                for blob in message.blobs:
                    into |= {blob[at : at + 16] for at in range(0, len(blob) - 15, 16)}
            return message

        trio.tampered = noted
        assert _matched(filled, probe) == {4}
        blocks.append(sent)
        for index in range(3):
            trio.stop(index)
            trio.start(index)
    assert min(map(len, blocks)) > 100
    # The zeros of unsent shares would be the only blocks to come again; there are none.
    assert not blocks[0] & blocks[1]


@pytest.mark.usefixtures("untampered")
def test_parties_at_different_states_are_an_error(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_behind")
    shared.enrol(VECTORS[:4])
    honest = trio.party(2).handle

    def forgetful(role: str, message: Message) -> Message:
        if message.kind == said.COMMIT:
            raise NodeUnavailable("the disk is full")
        return honest(role, message)

    trio.answering[2] = forgetful
    added = [(row, shared.reference(VECTORS[row])) for row in (4, 5)]
    with pytest.raises(NodeUnavailable):
        shared.change(added=added)
    assert trio.node.position(shared.spec) == 1
    with pytest.raises(NodeUnavailable, match="different states"):
        shared.compare(shared.probe(VECTORS[1]), 0.6)
    trio.answering[2] = honest
    shared.change(added=added)
    assert trio.node.position(shared.spec) == 2
    assert _matched(shared, shared.probe(VECTORS[5])) == {5}


def test_a_row_of_which_parties_hold_shares_of_different_payloads_is_never_compared(trio: Trio) -> None:
    shared = gallery(trio, D, "col_local_unlike")
    honest = trio.party(2).handle
    trio.answering[2] = lambda role, message: (
        trio.down(role, message) if message.kind == said.COMMIT else honest(role, message)
    )
    with pytest.raises(NodeUnavailable):
        shared.enrol(VECTORS[:2])
    trio.answering[2] = honest
    shared.enrol(VECTORS[:2])  # protected anew: other shares of the same templates
    with pytest.raises(NodeUnavailable, match="different copies"):
        shared.compare(shared.probe(VECTORS[1]), 0.6)


def test_one_partys_files_hold_no_template(trio: Trio, filled: SharedGallery) -> None:
    """Neither share nor their sum is the template, or is nearer to it than random numbers are."""
    whole = np.array([_template(filled, vector) for vector in VECTORS]).astype(np.uint16)
    for index in range(3):
        path = trio.folder(index) / filled.spec.collection_id / KEY / "g0"
        first, second = (
            np.fromfile(path / name, np.uint16)[: whole.size].reshape(whole.shape) for name in ("first", "second")
        )
        for held in (first, second, first + second):
            # 1,280 numbers of 16 bits: more than 4 agree by chance once in 10^11 runs.
            assert (held == whole).sum() <= 4


def test_more_comparisons_at_once_than_there_is_room_for_wait_their_turn(filled: SharedGallery) -> None:
    found: dict[int, set[int]] = {}
    threads = [
        threading.Thread(target=lambda row=row: found.update({row: _matched(filled, filled.probe(VECTORS[row]))}))
        for row in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {row: {row} for row in range(40)}


def test_a_node_needs_three_parties(trio: Trio) -> None:
    with pytest.raises(NodeUnavailable):
        SharesNode("local", [])
