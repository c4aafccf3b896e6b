"""`moretta log` and `moretta verify`: on a deployment of its own, with nothing but files and public keys."""

import base64
import json
import sqlite3
from pathlib import Path

import pytest
from command_line import Moretta

from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.notes import parse_note
from moretta.core.signing import fingerprint
from moretta.keys.signing import SeedSigner
from moretta.settings import Settings
from moretta.wiring.own_keys import opened_ledger

COMPANY = "co_0123456789abcdef0123"


@pytest.fixture
def kept(moretta: Moretta, tmp_path: Path) -> Path:
    """Five entries and a checkpoint of the first three, kept in a file."""
    append(tmp_path, 3)
    file = tmp_path / "kept.note"
    file.write_text(moretta("log", "checkpoint").out)
    append(tmp_path, 2)
    return file


def append(tmp_path: Path, count: int) -> None:
    with opened_ledger(Settings(data_dir=tmp_path / "data")) as ledger:
        told = [LogEntry(EntryKind.SEARCHED, "2026-03-01T12:00:00Z", COMPANY, (("n", str(n)),)) for n in range(count)]
        ledger.log.append(told)


def key_of(moretta: Moretta) -> str:
    return moretta("log", "keys").out.strip()


def test_entries_are_shown_as_json_lines(moretta: Moretta, kept: Path) -> None:
    lines = [json.loads(line) for line in moretta("log", "show", "--start", 3).out.splitlines()]
    assert [(line["index"], line["kind"], line["facts"]) for line in lines] == [
        (3, "search", {"n": "0"}),
        (4, "search", {"n": "1"}),
    ]


def test_a_proof_verifies_with_nothing_but_the_public_key(moretta: Moretta, kept: Path, tmp_path: Path) -> None:
    key, proof = key_of(moretta), tmp_path / "proof.json"
    proof.write_text(moretta("log", "prove", 4, "--earlier", kept).out)
    elsewhere = {"data_dir": tmp_path / "elsewhere"}
    for given in (key, _bare(key)):
        told = moretta("verify", proof, "--key", given, **elsewhere)
        assert told.status == 0, told.err
        assert f"fingerprint of the key (SHA-256): {fingerprint(bytes.fromhex(_bare(key)))}" in told.out
        assert "entry 4 of the log moretta/local/" in told.out
        assert "begins with the earlier checkpoint" in told.out
    (tmp_path / "bare").write_text(f"{_bare(key)}\n")
    assert moretta("verify", proof, "--key", tmp_path / "bare", **elsewhere).status == 0
    (tmp_path / "key").write_text(f"{key}\n")
    assert moretta("verify", proof, "--key", tmp_path / "key", **elsewhere).status == 0
    assert moretta("verify", kept, "--key", key, **elsewhere).status == 0
    assert moretta("verify", proof).status == 0  # this deployment's own keys
    assert not (tmp_path / "elsewhere").exists()


def _bare(key: str) -> str:
    """The 32 bytes of a key without its name, in hexadecimal."""
    return base64.b64decode(key.split("+", 2)[2])[1:].hex()


def test_what_was_changed_does_not_hold(moretta: Moretta, kept: Path, tmp_path: Path) -> None:
    key = key_of(moretta)
    proof = json.loads(moretta("log", "prove", 4, "--earlier", kept).out)
    entry, earlier = proof["entry"], proof["earlier"]
    changed = [
        proof | {"index": 3},
        proof | {"index": True},
        proof | {"entry": entry | {"company_id": "co_other"}},
        proof | {"entry": entry | {"facts": {"n": "2"}}},
        proof | {"entry": "none"},
        proof | {"inclusion": proof["inclusion"][:-1]},
        proof | {"inclusion": [*proof["inclusion"], proof["inclusion"][0]]},
        proof | {"inclusion": ["x"] * 200},
        proof | {"earlier": earlier | {"consistency": earlier["consistency"][1:]}},
        proof | {"earlier": None},
        proof | {"checkpoint": kept.read_text()},
        proof | {"more": 1},
        proof | {"type": "moretta.unknown.v1"},
        {name: value for name, value in proof.items() if name != "checkpoint"},
    ]
    for number, one in enumerate(changed):
        file = tmp_path / f"changed{number}.json"
        file.write_text(json.dumps(one))
        assert moretta("verify", file, "--key", key).status == 65, one
    other = SeedSigner(b"o" * 32).public_key.hex()
    good = tmp_path / "good.json"
    good.write_text(json.dumps(proof))
    assert moretta("verify", good, "--key", other).status == 65
    assert moretta("verify", good, "--key", key.replace("moretta/", "moretto/")).status == 64
    for content in (b"", b"{", b"[]", b"\xff\xfe", b"PK\x03\x04 broken", b"a.b.c", b'{"type": 1}', b"{" * 100_000):
        good.write_bytes(content)
        assert moretta("verify", good, "--key", key).status == 65
    assert moretta("verify", tmp_path / "absent", "--key", key).status == 64
    assert moretta("verify", good, "--key", "no key").status == 64


def test_nothing_was_signed_yet(moretta: Moretta, tmp_path: Path) -> None:
    file = tmp_path / "note"
    file.write_text("moretta/local/1\n1\nAAAA\n\n— x y\n")
    told = moretta("verify", file)
    assert (told.status, "--key" in told.err) == (64, True)


def test_check_finds_a_changed_row_and_a_log_that_was_cut(moretta: Moretta, kept: Path, tmp_path: Path) -> None:
    assert "The log holds: 5 entries" in moretta("log", "check", "--against", kept).out
    later = tmp_path / "later.note"
    later.write_text(moretta("log", "checkpoint").out)
    database = next((tmp_path / "data").glob("*.db"), None) or next((tmp_path / "data").glob("*.sqlite*"))
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM log_entries WHERE entry_index = 4")
        connection.execute("DELETE FROM log_checkpoints WHERE size = 5")
        before = connection.execute("SELECT edge FROM log_head").fetchone()[0]
    connection.close()
    told = moretta("log", "check")
    assert (told.status, "entries are gone" in told.err) == (76, True)
    with sqlite3.connect(database) as connection:  # cut so that it agrees with itself
        connection.execute("UPDATE log_head SET size = 4, edge = ?", (before[:32],))
    connection.close()
    assert moretta("log", "check").status == 0
    assert moretta("log", "check", "--against", kept).status == 0
    cut = moretta("log", "check", "--against", later)
    assert (cut.status, "entries are gone" in cut.err) == (76, True)


def test_a_checkpoint_with_its_proof_feeds_a_witness_by_file(moretta: Moretta, kept: Path, tmp_path: Path) -> None:
    key = key_of(moretta)
    watch = ["witness", "--key", key, "--state", tmp_path / "state", "--log"]
    assert moretta(*watch, kept).status == 0
    feed = tmp_path / "feed"
    feed.write_text(moretta("log", "checkpoint").out)
    assert moretta(*watch, feed).status == 75
    feed.write_text(moretta("log", "checkpoint", "--since", 3).out)
    told = moretta(*watch, feed)
    assert (told.status, "5 entries and only grew" in told.out) == (0, True)
    assert parse_note(moretta("log", "checkpoint").out + told.out.splitlines(keepends=True)[-1])
    assert moretta(*watch, kept).status == 76
    assert moretta("witness", "--log", "http://elsewhere.example", "--key", key, "--state", tmp_path / "s").status == 64
