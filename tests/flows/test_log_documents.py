"""What the deployment hands out holds for a verifier that shares no code with it, and stops holding when it is changed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.recognition_rig import COMPANY, Place
from tests.rights_rig import opened, trust_of

from moretta.core.documents import Trust
from moretta.core.errors import ProofRejected
from moretta.core.notes import parse_note
from moretta.core.protection import Scheme
from moretta.ledger.proofs import proof_of
from moretta.use_cases.rights import Rights
from moretta.wiring.verifying import verified

SCRIPT = Path(__file__).parents[1] / "independent" / "verify_independent.py"


@pytest.fixture
def rights_and_place(tmp_path: Path) -> Iterator[tuple[Rights, Place]]:
    with opened(tmp_path / "place") as found:
        yield found


def judged(key: str, *files: Path) -> list[str]:
    """What the independent script says, run on its own without this project on its path."""
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), key, *map(str, files)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode == (0 if done.stdout.splitlines() == ["holds"] * len(files) else 1)
    return done.stdout.splitlines()


def _changed(content: bytes, at: int) -> bytes:
    """`content` with another byte at `at`: of a letter the other case, else the number's lowest bit."""
    byte = content[at]
    return content[:at] + bytes([byte ^ (0x20 if chr(byte).isalpha() else 1)]) + content[at + 1 :]


def _told(content: bytes, at: int) -> bool:
    return chr(content[at]).isascii() and chr(content[at]).isalnum()


def _holds(content: bytes, trust: Trust) -> bool:
    try:
        verified(content, trust)
    except ProofRejected:
        return False
    return True


def test_the_independent_script_shares_no_code_with_the_project() -> None:
    imported = {
        line.split()[1].split(".")[0] for line in SCRIPT.read_text().splitlines() if line.startswith(("import", "from"))
    }
    assert imported == {"base64", "hashlib", "json", "sys", "cryptography"}


def test_checkpoint_proof_and_erasure_certificate_hold_elsewhere(
    rights_and_place: tuple[Rights, Place], tmp_path: Path
) -> None:
    rights, place = rights_and_place
    people, log = place.recognition, place.region.log
    cid = people.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED).collection_id
    ann = place.enrolled(cid, "ann")
    earlier = parse_note(log.checkpoint().note)
    for _ in range(5):
        people.search(COMPANY, cid, place.fd("ann/2"))
    stored = rights.erase(COMPANY, ann.person_id).certificate
    files = {
        "checkpoint": log.checkpoint().note.encode(),
        "proof": json.dumps(proof_of(log, 3, earlier)).encode(),
        "certificate": stored.document,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert verified(content, trust_of(place)).statements
    (key,) = log.public_keys()
    paths = [tmp_path / name for name in files]
    assert judged(key.text(), *paths) == ["holds"] * 3
    assert ann.person_id.encode() not in stored.document
    trust = trust_of(place)
    for name, content in files.items():
        # Whichever byte is changed, it is noticed; the script is asked about one letter or digit in the middle of each document.
        # Of what is long every fifth byte, and all of its signature, which does not cover itself.
        signed = content.find(b'"signature"')
        tried = [at for at in range(len(content)) if len(content) < 1000 or at % 5 == 0 or signed <= at < signed + 250]
        assert not [at for at in tried if _holds(_changed(content, at), trust)], name
        changed = tmp_path / f"changed-{name}"
        changed.write_bytes(
            _changed(content, next(at for at in range(len(content) // 2, len(content)) if _told(content, at)))
        )
        assert judged(key.text(), changed)[0].startswith("does not hold")
    other = "A" * 43 + "="
    assert judged(other, paths[0])[0].startswith("does not hold")


def test_a_document_in_which_a_name_stands_twice_holds_for_nobody(
    rights_and_place: tuple[Rights, Place], tmp_path: Path
) -> None:
    """Readers differ in which of both they take: what one believes, another would not have seen."""
    rights, place = rights_and_place
    people, log = place.recognition, place.region.log
    cid = people.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED).collection_id
    document = rights.erase(COMPANY, place.enrolled(cid, "ann").person_id).certificate.document
    twice = b'{"scope":"another one",' + document[1:]
    assert json.loads(twice) == json.loads(document)
    assert not _holds(twice, trust_of(place))
    (tmp_path / "twice").write_bytes(twice)
    assert judged(log.public_keys()[0].text(), tmp_path / "twice")[0].startswith("does not hold")


def test_every_proof_of_every_entry_and_size_holds_for_the_script_too(
    rights_and_place: tuple[Rights, Place], tmp_path: Path
) -> None:
    """Trees of 1 to 12 entries: left and right edges, powers of two, and all sizes in between."""
    _, place = rights_and_place
    people, log = place.recognition, place.region.log
    cid = people.create_collection(COMPANY, "people", "access", scheme=Scheme.ROTATED).collection_id
    place.enrolled(cid, "ann")
    notes, files = [parse_note(log.checkpoint().note)], []
    for number in range(5):
        people.search(COMPANY, cid, place.fd("ann/2"))
        for index in range(log.size()):
            file = tmp_path / f"{number}-{index}.json"
            file.write_text(json.dumps(proof_of(log, index, notes[index % len(notes)])))
            files.append(file)
        notes.append(parse_note(log.checkpoint().note))
    assert judged(log.public_keys()[0].text(), *files) == ["holds"] * len(files)
