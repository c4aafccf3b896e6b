"""A witness signs what only grew and cries out where a log was forked or rolled back, whatever happens to it in between."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from moretta.core.documents import Trust
from moretta.core.errors import KeyUnusable, NodeUnavailable, ProofRejected
from moretta.core.merkle import Edge, Node, consistency_hashes, leaf_hash
from moretta.core.notes import NoteKey, parse_note, require_signed, signed_checkpoint
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.ledger.witness import Misdeed, verify_evidence
from moretta.wiring.witnessing import CriedOut, FileSource, Witness, Witnessed

SIGNER = SeedSigner(b"s" * 32)
KEY = NoteKey("moretta/eu/1", SIGNER.public_key)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class SomeLog:
    """A log in memory that can be made to lie."""

    def __init__(self, *leaves: str, signer: SeedSigner = SIGNER) -> None:
        self.leaves, self.signer = [leaf_hash(leaf.encode()) for leaf in leaves], signer
        self.lines: list[str] = []
        self.down = False

    def checkpoint(self) -> str:
        edge, _ = Edge().grown(self.leaves)
        return signed_checkpoint("moretta/eu/1", edge.size, edge.root(), self.signer)

    def prove(self, first: int, size: int) -> Sequence[bytes]:
        if self.down:
            raise NodeUnavailable("down")
        _, made = Edge().grown(self.leaves)
        known = {Node(0, place): leaf for place, leaf in enumerate(self.leaves)} | dict(made)
        return consistency_hashes(first, size, lambda nodes: {node: known[node] for node in nodes})

    def deliver(self, size: int, line: str, key: NoteKey) -> None:
        self.lines.append(line)


def a_witness(folder: Path) -> Witness:
    return Witness(folder / "state", "w.example", [KEY], lambda: NOW)


def evidence_of(found: Witnessed | CriedOut, misdeed: Misdeed) -> Path:
    assert isinstance(found, CriedOut)
    assert found.evidence.misdeed is misdeed
    return found.file


def test_a_log_that_only_grows_is_signed_each_time_over_restarts(tmp_path: Path) -> None:
    log = SomeLog()
    for size in range(6):
        witness = a_witness(tmp_path)
        found = witness.look(log)
        assert isinstance(found, Witnessed)
        assert found.note.size == size
        told = parse_note(log.checkpoint() + log.lines[-1])
        assert require_signed(told, witness.key(), is_signed_by) == int(NOW.timestamp())
        log.leaves.append(leaf_hash(b"%d" % size))
    assert (tmp_path / "state" / "witness.key").stat().st_mode & 0o777 == 0o600


def test_a_fork_is_cried_out_with_evidence_that_proves_it(tmp_path: Path) -> None:
    witness = a_witness(tmp_path)
    witness.look(SomeLog("a", "b", "c"))
    file = evidence_of(witness.look(SomeLog("a", "x", "c")), Misdeed.FORK)
    found = verify_evidence(file.read_bytes(), Trust((SIGNER.public_key,), is_signed_by))
    assert "two different logs" in found.statements[1]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_rewritten_log_that_grew_is_cried_out(tmp_path: Path) -> None:
    witness = a_witness(tmp_path)
    witness.look(SomeLog("a", "b", "c"))
    evidence_of(witness.look(SomeLog("a", "x", "c", "d", "e")), Misdeed.FORK)


def test_a_log_that_was_rolled_back_is_cried_out_until_it_is_mended(tmp_path: Path) -> None:
    log = SomeLog("a", "b", "c")
    a_witness(tmp_path).look(log)
    for _ in range(2):
        evidence_of(a_witness(tmp_path).look(SomeLog("a", "b")), Misdeed.ROLLBACK)
    assert isinstance(a_witness(tmp_path).look(log), Witnessed)
    assert len(log.lines) == 2


def test_a_log_that_was_rolled_back_and_grew_anew_is_cried_out(tmp_path: Path) -> None:
    a_witness(tmp_path).look(SomeLog("a", "b", "c"))
    evidence_of(a_witness(tmp_path).look(SomeLog("a", "b", "z", "y")), Misdeed.FORK)


def test_what_others_sign_is_neither_believed_nor_remembered(tmp_path: Path) -> None:
    witness = a_witness(tmp_path)
    with pytest.raises(ProofRejected):
        witness.look(SomeLog("a", signer=SeedSigner(b"t" * 32)))
    assert isinstance(witness.look(SomeLog("x")), Witnessed)


def test_without_a_proof_nothing_is_signed_and_nothing_cried_out(tmp_path: Path) -> None:
    witness, log = a_witness(tmp_path), SomeLog("a")
    witness.look(log)
    log.leaves.append(leaf_hash(b"b"))
    log.down = True
    with pytest.raises(NodeUnavailable):
        witness.look(log)
    log.down = False
    assert isinstance(witness.look(log), Witnessed)


def test_what_it_saw_is_kept_before_its_line_is_handed_over(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    class Dying(SomeLog):
        def deliver(self, size: int, line: str, key: NoteKey) -> None:
            raise Stopped

    with pytest.raises(Stopped):
        a_witness(tmp_path).look(Dying("a", "b"))
    evidence_of(a_witness(tmp_path).look(SomeLog("a")), Misdeed.ROLLBACK)


def test_a_file_holds_a_checkpoint_and_its_proof(tmp_path: Path) -> None:
    log = SomeLog("a", "b")
    witness = a_witness(tmp_path)
    witness.look(FileSource(log.checkpoint()))
    log.leaves.append(leaf_hash(b"c"))
    with pytest.raises(NodeUnavailable, match="--since 2"):
        witness.look(FileSource(log.checkpoint()))
    import base64

    proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in log.prove(2, 3))
    found = witness.look(FileSource(f"old 2\n{proof}\n{log.checkpoint()}"))
    assert isinstance(found, Witnessed)
    with pytest.raises(ProofRejected):
        FileSource("old two\n\n")


def test_no_evidence_is_taken_for_evidence(tmp_path: Path) -> None:
    trust = Trust((SIGNER.public_key,), is_signed_by)
    same = SomeLog("a").checkpoint()
    for seen, presented in [(same, same), (same, SomeLog("a", signer=SeedSigner(b"t" * 32)).checkpoint())]:
        made = {"type": "moretta.log-evidence.v1", "misdeed": "fork", "seen": seen, "presented": presented, "proof": []}
        with pytest.raises(ProofRejected):
            verify_evidence(json.dumps(made).encode(), trust)


def test_a_key_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    a_witness(tmp_path)
    (tmp_path / "state" / "witness.key").write_bytes(b"short")
    with pytest.raises(KeyUnusable):
        a_witness(tmp_path)
