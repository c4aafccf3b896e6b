"""The log over HTTP: whoever has a key checks it; what an entry says is its own company's; a witness watches it from outside."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from api_fakes import House, is_problem
from command_line import Moretta
from sqlalchemy import text

from moretta.api.app import create_app
from moretta.core.keys import Scope
from moretta.core.ledger import EntryKind, LogEntry, entry_from_leaf
from moretta.core.merkle import require_consistency, require_inclusion
from moretta.core.notes import NoteKey, cosignature, parse_note, parse_note_key, require_signed
from moretta.core.published_log import PublishedLog
from moretta.core.signing import from_base64
from moretta.core.usage import canonical_json
from moretta.keys.memory import MemoryKeyService
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.storage.database import open_database
from moretta.wiring.ledgers import Ledger, ledger_in

OTHER = "co_fedcba98765432100123"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    engine = open_database(tmp_path / "log.db")
    yield ledger_in(engine, "local", MemoryKeyService())
    engine.dispose()


@pytest.fixture
def house(ledger: Ledger) -> House:
    def log_of(region: str | None) -> PublishedLog:
        assert region in (None, "local")
        return ledger.log

    made = House()
    made.token = made.admin
    made.services = replace(made.services, log=log_of)
    made.app = create_app(made.services, made.log)
    return made


def an_entry(number: int, company_id: str) -> LogEntry:
    return LogEntry(EntryKind.SEARCHED, "2026-03-01T12:00:00Z", company_id, (("number", str(number)),))


def company_of(house: House) -> str:
    return house.keys.authenticate(house.token).company_id


def filled(house: House, ledger: Ledger, count: int = 9) -> None:
    ledger.log.append([an_entry(number, OTHER if number % 3 == 2 else company_of(house)) for number in range(count)])


def test_checkpoint_inclusion_and_consistency_hold_together(house: House, ledger: Ledger) -> None:
    filled(house, ledger, 5)
    early = parse_note(house.call("GET", "/v1/log/checkpoint").text)
    filled(house, ledger, 4)
    answer = house.call("GET", "/v1/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    note = parse_note(answer.text)
    (key,) = (parse_note_key(text) for text in house.call("GET", "/v1/log/keys").json()["keys"])
    require_signed(note, key, is_signed_by)
    assert (early.size, note.size, note.origin) == (5, 9, key.name)
    proof = house.call("GET", "/v1/log/proof/consistency?first=5&size=9").json()
    require_consistency(5, early.root, 9, note.root, [from_base64(one, 32) for one in proof["hashes"]])
    for index in range(9):
        proof = house.call("GET", f"/v1/log/proof/inclusion?index={index}&size=9").json()
        leaf = from_base64(proof["leaf_hash"], 32)
        require_inclusion(leaf, index, 9, [from_base64(one, 32) for one in proof["hashes"]], note.root)
    assert parse_note(house.call("GET", "/v1/log/checkpoint?size=5&region=local").text) == early


def test_entries_of_another_company_are_hashes_only(house: House, ledger: Ledger) -> None:
    filled(house, ledger, 3)
    ledger.log.append([an_entry(3, "")])
    page = house.call("GET", "/v1/log/entries?start=1&limit=9").json()
    assert (page["size"], [one["index"] for one in page["data"]]) == (4, [1, 2, 3])
    assert [one.get("entry") is not None for one in page["data"]] == [True, False, True]
    assert OTHER not in house.call("GET", "/v1/log/entries").text
    entry = entry_from_leaf(canonical_json(page["data"][0]["entry"]))
    assert entry == ledger.log.entries(1, 1)[0].entry


def test_what_is_not_there_and_what_is_no_number(house: House, ledger: Ledger) -> None:
    filled(house, ledger, 3)
    for url in (
        "/v1/log/proof/inclusion?index=3&size=3",
        "/v1/log/proof/inclusion?index=0&size=4",
        "/v1/log/proof/consistency?first=1&size=4",
        "/v1/log/proof/consistency?first=3&size=2",
        "/v1/log/checkpoint?size=2",
    ):
        is_problem(house.call("GET", url), 404, "not_found")
    for url in ("/v1/log/proof/inclusion?index=-1&size=3", "/v1/log/entries?limit=0", "/v1/log/checkpoint?size=x"):
        is_problem(house.call("GET", url), 422, "request.invalid")


def test_a_tampered_log_says_so_and_signs_nothing(house: House, ledger: Ledger) -> None:
    filled(house, ledger, 4)
    house.call("GET", "/v1/log/checkpoint")
    with ledger.store._engine.begin() as connection:
        connection.execute(text("UPDATE log_head SET size = 3, edge = :edge"), {"edge": bytes(64)})
    is_problem(house.call("GET", "/v1/log/checkpoint"), 500, "log.broken")


def test_keys_are_needed_and_scopes_hold(house: House, ledger: Ledger) -> None:
    filled(house, ledger, 2)
    plain = house.keys.create(company_of(house), [Scope.STATS_READ]).token
    for url in ("/v1/log/checkpoint", "/v1/log/keys", "/v1/log/proof/inclusion?index=0&size=2", "/v1/log/entries"):
        is_problem(house.call("GET", url, token=None), 401, "key.invalid")
    assert house.call("GET", "/v1/log/proof/consistency?first=1&size=2", token=plain).status_code == 200
    is_problem(house.call("GET", "/v1/log/entries", token=plain), 403, "key.scope_missing")
    is_problem(
        house.call("POST", "/v1/log/cosignatures", token=plain, json={"size": 0, "line": "", "key": ""}),
        403,
        "key.scope_missing",
    )


def test_witnesses_lines_are_taken_where_they_hold(house: House, ledger: Ledger) -> None:
    filled(house, ledger, 2)
    note = parse_note(house.call("GET", "/v1/log/checkpoint").text)
    witness = SeedSigner(b"w" * 32)
    key = NoteKey("w.example", witness.public_key, 4)
    body = {"size": 2, "line": cosignature(note, key.name, 1_760_000_000, witness).line(), "key": key.text()}
    assert house.call("POST", "/v1/log/cosignatures", json=body).status_code == 204
    require_signed(parse_note(house.call("GET", "/v1/log/checkpoint").text), key, is_signed_by)
    forged = body | {"line": cosignature(note, key.name, 1_760_000_000, SeedSigner(b"x" * 32)).line()}
    is_problem(house.call("POST", "/v1/log/cosignatures", json=forged), 422, "proof.rejected")
    is_problem(house.call("POST", "/v1/log/cosignatures", json=body | {"key": "none"}), 422, "proof.rejected")
    is_problem(house.call("POST", "/v1/log/cosignatures", json=body | {"size": 1}), 404, "not_found")
    for number in range(15):
        other = SeedSigner(bytes([number]) * 32)
        named = NoteKey(f"w{number}", other.public_key, 4)
        line = cosignature(note, named.name, 1, other).line()
        assert house.call(
            "POST", "/v1/log/cosignatures", json={"size": 2, "line": line, "key": named.text()}
        ).is_success
    many = SeedSigner(b"m" * 32)
    named = NoteKey("many", many.public_key, 4)
    line = cosignature(note, "many", 1, many).line()
    is_problem(
        house.call("POST", "/v1/log/cosignatures", json={"size": 2, "line": line, "key": named.text()}), 409, "conflict"
    )


def test_a_witness_follows_a_running_service_and_cries_out_when_its_database_is_rolled_back(
    house: House, ledger: Ledger, moretta: Moretta, tmp_path: Path
) -> None:
    filled(house, ledger, 3)
    (tmp_path / "token").write_text(house.token)
    (key,) = ledger.log.public_keys()
    backup = tmp_path / "backup.db"
    with house.served() as address:
        watch = ["witness", "--log", address, "--key", key.text(), "--state", tmp_path / "state"]
        watch += ["--token-file", tmp_path / "token", "--name", "w.example"]
        first = moretta(*watch)
        assert (first.status, "3 entries and only grew" in first.out) == (0, True), first.err
        assert "— w.example " in house.call("GET", "/v1/log/checkpoint").text
        _copied(tmp_path / "log.db", backup)
        filled(house, ledger, 3)
        assert moretta(*watch).status == 0
        ledger.store._engine.dispose()
        _copied(backup, tmp_path / "log.db")  # the whole database as it was: it agrees with itself
        rolled = moretta(*watch)
        assert (rolled.status, "rollback" in rolled.err) == (76, True)
        filled(house, ledger, 5)
        forked = moretta(*watch)
        assert (forked.status, "fork" in forked.err) == (76, True)
        evidence = sorted((tmp_path / "state").glob("evidence-*.json"))
        assert len(evidence) == 2
        assert moretta("verify", evidence[0], "--key", key.text()).status == 0
        (tmp_path / "token").write_text("mk_wrong")
        assert moretta(*watch).status == 75
    assert moretta(*watch).status == 75


def _copied(source: Path, target: Path) -> None:
    old, new = sqlite3.connect(source), sqlite3.connect(target)
    old.backup(new)
    old.close()
    new.close()
