"""Trees and their proofs: the published vectors, the RFCs done naively beside ours, and proofs that were tampered with."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moretta.core.errors import NotFound, ProofRejected
from moretta.core.merkle import (
    EMPTY_ROOT,
    Edge,
    Node,
    ReadNodes,
    consistency_hashes,
    edge_nodes,
    inclusion_hashes,
    leaf_hash,
    node_hash,
    require_consistency,
    require_inclusion,
)

# The test tree of the Certificate Transparency reference implementation (github.com/google/certificate-transparency,
# cpp/merkletree/merkle_tree_test.cc): eight leaves, the root at every size, audit paths and consistency proofs.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
FIRST, SECOND = ROOTS[1], "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
THIRD_AND_FOURTH = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
FIFTH = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
FIFTH_AND_SIXTH = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
SEVENTH_AND_EIGHTH = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
FIFTH_TO_EIGHTH = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
# Leaf (from 0), size, path.
PATHS = [
    (0, 1, []),
    (0, 8, [SECOND, THIRD_AND_FOURTH, FIFTH_TO_EIGHTH]),
    (5, 8, [FIFTH, SEVENTH_AND_EIGHTH, ROOTS[4]]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [FIRST, THIRD_AND_FOURTH, FIFTH]),
]
CONSISTENT = [
    (1, 1, []),
    (1, 8, [SECOND, THIRD_AND_FOURTH, FIFTH_TO_EIGHTH]),
    (6, 8, [FIFTH_AND_SIXTH, SEVENTH_AND_EIGHTH, ROOTS[4]]),
    (2, 5, [THIRD_AND_FOURTH, FIFTH]),
]


def grown(leaves: list[bytes]) -> tuple[list[bytes], ReadNodes]:
    """The root at every size, and the hashes of all complete subtrees."""
    edge, known = Edge(), dict[Node, bytes]()
    roots = [edge.root()]
    for place, leaf in enumerate(leaves):
        known[Node(0, place)] = leaf_hash(leaf)
        edge, made = edge.grown([leaf_hash(leaf)])
        known.update(made)
        roots.append(edge.root())
    return roots, lambda nodes: {node: known[node] for node in nodes}


def test_the_published_roots() -> None:
    roots, _ = grown(LEAVES)
    assert [root.hex() for root in roots] == ROOTS
    assert EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize(("index", "size", "path"), PATHS)
def test_the_published_audit_paths(index: int, size: int, path: list[str]) -> None:
    roots, read = grown(LEAVES)
    hashes = inclusion_hashes(index, size, read)
    assert [one.hex() for one in hashes] == path
    require_inclusion(leaf_hash(LEAVES[index]), index, size, hashes, roots[size])


@pytest.mark.parametrize(("first", "size", "path"), CONSISTENT)
def test_the_published_consistency_proofs(first: int, size: int, path: list[str]) -> None:
    roots, read = grown(LEAVES)
    hashes = consistency_hashes(first, size, read)
    assert [one.hex() for one in hashes] == path
    require_consistency(first, roots[first], size, roots[size], hashes)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = naive_split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 9162, 2.1.3.1."""
    if len(leaves) == 1:
        return []
    split = naive_split(len(leaves))
    if index < split:
        return [*naive_path(index, leaves[:split]), naive_root(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive_root(leaves[:split])]


def naive_consistency(first: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """RFC 9162, 2.1.4.1."""
    if first == len(leaves):
        return [] if whole else [naive_root(leaves)]
    split = naive_split(len(leaves))
    if first <= split:
        return [*naive_consistency(first, leaves[:split], whole), naive_root(leaves[split:])]
    return [*naive_consistency(first - split, leaves[split:], False), naive_root(leaves[:split])]


def naive_split(size: int) -> int:
    split = 1
    while split * 2 < size:
        split *= 2
    return split


LEAF_LISTS = st.lists(st.binary(max_size=8), min_size=1, max_size=130)


@given(LEAF_LISTS, st.data())
def test_trees_and_proofs_are_those_of_the_rfcs(leaves: list[bytes], data: st.DataObject) -> None:
    roots, read = grown(leaves)
    size = data.draw(st.integers(1, len(leaves)))
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert roots[size] == naive_root(leaves[:size])
    assert Edge(size, tuple(read(edge_nodes(size)).values())).root() == roots[size]
    assert list(inclusion_hashes(index, size, read)) == naive_path(index, leaves[:size])
    assert list(consistency_hashes(first, size, read)) == naive_consistency(first, leaves[:size])
    require_inclusion(leaf_hash(leaves[index]), index, size, inclusion_hashes(index, size, read), roots[size])
    require_consistency(first, roots[first], size, roots[size], consistency_hashes(first, size, read))


@given(LEAF_LISTS, st.data())
def test_a_proof_with_one_bit_changed_a_hash_more_or_a_hash_less_is_refused(
    leaves: list[bytes], data: st.DataObject
) -> None:
    leaves = [bytes([place % 256, place // 256]) + leaf for place, leaf in enumerate(leaves)]
    roots, read = grown(leaves)
    size = len(leaves)
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    path = list(inclusion_hashes(index, size, read))
    proof = list(consistency_hashes(first, size, read))
    for changed in _changed(path, data):
        with pytest.raises(ProofRejected):
            require_inclusion(leaf_hash(leaves[index]), index, size, changed, roots[size])
    for changed in _changed(proof, data):
        with pytest.raises(ProofRejected):
            require_consistency(first, roots[first], size, roots[size], changed)
    with pytest.raises(ProofRejected):
        require_inclusion(leaf_hash(b"another"), index, size, path, roots[size])
    if first < size:
        with pytest.raises(ProofRejected):
            require_consistency(first, leaf_hash(b"another"), size, roots[size], proof)


def _changed(hashes: list[bytes], data: st.DataObject) -> list[list[bytes]]:
    found = [[*hashes, leaf_hash(b"more")]]
    if hashes:
        at, bit = data.draw(st.integers(0, len(hashes) - 1)), data.draw(st.integers(0, 255))
        one = bytearray(hashes[at])
        one[bit // 8] ^= 1 << bit % 8
        found += [[*hashes[:at], bytes(one), *hashes[at + 1 :]], hashes[:-1]]
    return found


def test_a_root_is_never_taken_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize(("index", "size"), [(3, 3), (-1, 3), (0, 0)])
def test_no_path_for_a_leaf_that_is_not_there(index: int, size: int) -> None:
    _, read = grown(LEAVES)
    with pytest.raises(NotFound):
        inclusion_hashes(index, size, read)
    with pytest.raises(ProofRejected):
        require_inclusion(leaf_hash(b""), index, size, [], EMPTY_ROOT)


def test_every_tree_begins_with_the_empty_one_and_with_itself_and_no_tree_with_a_larger_one() -> None:
    roots, read = grown(LEAVES)
    assert consistency_hashes(0, 5, read) == consistency_hashes(5, 5, read) == ()
    require_consistency(0, EMPTY_ROOT, 5, roots[5], ())
    require_consistency(5, roots[5], 5, roots[5], ())
    for first, first_root, size, root in [
        (0, roots[1], 5, roots[5]),
        (5, roots[4], 5, roots[5]),
        (6, roots[6], 5, roots[5]),
    ]:
        with pytest.raises(ProofRejected):
            require_consistency(first, first_root, size, root, ())
    with pytest.raises(NotFound):
        consistency_hashes(6, 5, read)
