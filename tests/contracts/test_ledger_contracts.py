"""What the transparency log must do on every kind of database: grow, prove, sign, and find out what was tampered with."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from tests.storage_rig import COMPANY, KINDS, OTHER_COMPANY, Database, a_database

from moretta.core.errors import Conflict, LogBroken, NotFound, ProofRejected
from moretta.core.ledger import EntryKind, LogEntry
from moretta.core.merkle import Edge, leaf_hash, require_consistency, require_inclusion
from moretta.core.notes import NoteKey, cosignature, parse_note, require_signed, signed_checkpoint
from moretta.core.signing import SigningKey, follows
from moretta.keys.envelope import Envelope
from moretta.keys.memory import MemoryKeyService
from moretta.keys.rotation import change_master_key
from moretta.keys.signing import SeedSigner, is_signed_by
from moretta.ledger.check import check_log
from moretta.storage.ledger.signing_keys import SqlSigningKeyStore
from moretta.wiring.ledgers import Ledger, ledger_in, rewrap_signing_keys_in


def an_entry(number: int = 0, company_id: str = COMPANY) -> LogEntry:
    return LogEntry(EntryKind.SEARCHED, "2026-03-01T12:00:00Z", company_id, (("number", str(number)),))


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    with a_database(request.param, request, tmp_path) as made:
        yield made


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    opened = database.opened()
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return ledger_in(engine, "eu", MemoryKeyService())


def filled(ledger: Ledger, entries: int = 13, signed_at: tuple[int, ...] = (0, 5, 13)) -> Ledger:
    """A log with checkpoints at some of its sizes."""
    for number in range(entries + 1):
        if number in signed_at:
            ledger.log.checkpoint()
        if number < entries:
            ledger.log.append([an_entry(number)])
    return ledger


def checked(ledger: Ledger) -> int:
    return check_log(ledger.store, ledger.log.public_keys(), is_signed_by).size


def test_an_empty_log_has_a_checkpoint(ledger: Ledger) -> None:
    found = ledger.log.checkpoint()
    assert (found.size, found.root.hex()[:8]) == (0, "e3b0c442")
    assert checked(ledger) == 0


def test_entries_stand_in_order_and_each_is_proved_at_every_size(ledger: Ledger) -> None:
    entries = [an_entry(number) for number in range(11)]
    assert ledger.log.append(entries[:4]) == [0, 1, 2, 3]
    assert ledger.log.append(entries[4:]) == list(range(4, 11))
    assert [found.entry for found in ledger.log.entries(0, 100)] == entries
    assert [found.index for found in ledger.log.entries(9, 1)] == [9]
    roots = [ledger.store.root(size) for size in range(12)]
    for size in range(1, 12):
        for index in range(size):
            proof = ledger.log.inclusion(index, size)
            require_inclusion(leaf_hash(entries[index].leaf()), index, size, proof.hashes, roots[size])
        for first in range(size + 1):
            proof_of_growth = ledger.log.consistency(first, size)
            require_consistency(first, roots[first], size, roots[size], proof_of_growth.hashes)
    assert ledger.log.index_of(entries[7]) == 7
    with pytest.raises(NotFound):
        ledger.log.index_of(an_entry())


def test_what_is_not_there_is_not_found(ledger: Ledger) -> None:
    filled(ledger, 3, (3,))
    asked: list[Callable[[], object]] = [
        lambda: ledger.log.inclusion(0, 4),
        lambda: ledger.log.inclusion(3, 3),
        lambda: ledger.log.consistency(4, 3),
    ]
    for ask in asked:
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(NotFound):
        ledger.log.checkpoint(2)


def test_appending_at_once_leaves_no_gap_and_no_entry_twice(database: Database) -> None:
    engines = [database.opened() for _ in range(3)]
    service = MemoryKeyService()
    ledgers = [ledger_in(engine, "eu", service) for engine in engines]
    try:
        with ThreadPoolExecutor(3) as pool:
            jobs = [
                pool.submit(lambda one: [one.log.append([an_entry(1), an_entry(2)]) for _ in range(15)], ledger)
                for ledger in ledgers
            ]
            indexes = [index for job in jobs for pair in job.result() for index in pair]
        assert sorted(indexes) == list(range(90))
        assert checked(ledgers[0]) == 90
    finally:
        for engine in engines:
            engine.dispose()


def test_threads_share_commits_and_each_gets_its_own_places(engine: Engine) -> None:
    commits: list[str] = []

    def slow(step: str) -> None:
        commits.append(step)
        if step == "append:before-commit":
            time.sleep(0.05)

    ledger = ledger_in(engine, "eu", MemoryKeyService(), slow)

    def append(number: int) -> None:
        told = [an_entry(number), an_entry(number + 1000)]
        first, second = ledger.log.append(told)
        assert second == first + 1
        assert [found.entry for found in ledger.log.entries(first, 2)] == told

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(append, range(36)))
    assert ledger.log.size() == 72
    assert commits.count("append:after-commit") < 18
    assert checked(ledger) == 72


def test_a_commit_that_fails_fails_for_all_whose_entries_were_in_it(engine: Engine) -> None:
    class Stopped(Exception):
        pass

    failing = threading.Event()

    def stop(step: str) -> None:
        if step == "append:before-commit" and failing.is_set():
            time.sleep(0.02)
            raise Stopped

    ledger = ledger_in(engine, "eu", MemoryKeyService(), stop)
    failing.set()
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(ledger.log.append, [an_entry(number)]) for number in range(6)]
        assert all(isinstance(job.exception(), Stopped) for job in jobs)
    failing.clear()
    assert ledger.log.append([an_entry()]) == [0]


def test_an_entry_that_cannot_be_written_fails_its_own_call_alone(ledger: Ledger) -> None:
    class Unwritable(LogEntry):
        def leaf(self) -> bytes:
            raise UnicodeEncodeError("ascii", "", 0, 0, "")

    unwritable = Unwritable(EntryKind.SEARCHED, "2026-03-01T12:00:00Z", COMPANY)
    with ThreadPoolExecutor(6) as pool:
        sound = [pool.submit(ledger.log.append, [an_entry(number)]) for number in range(10)]
        refused = [pool.submit(ledger.log.append, [an_entry(), unwritable]) for _ in range(10)]
        assert sorted(index for job in sound for index in job.result()) == list(range(10))
        assert all(isinstance(job.exception(), UnicodeEncodeError) for job in refused)
    assert checked(ledger) == 10


def test_an_act_that_fails_leaves_no_entry(engine: Engine) -> None:
    class Stopped(Exception):
        pass

    def stop(step: str) -> None:
        if step == "append:before-commit":
            raise Stopped

    ledger = ledger_in(engine, "eu", MemoryKeyService(), stop)
    with pytest.raises(Stopped):
        ledger.log.append([an_entry()])
    assert ledger.log.size() == 0


def test_companies_are_kept_apart_where_asked(ledger: Ledger) -> None:
    ledger.log.append([an_entry(0), an_entry(1, OTHER_COMPANY), an_entry(2)])
    assert [found.index for found in ledger.log.entries(0, 9, COMPANY)] == [0, 2]


def test_the_same_size_always_gives_the_same_checkpoint_and_it_is_signed(ledger: Ledger) -> None:
    ledger.log.append([an_entry()])
    first = ledger.log.checkpoint()
    assert first == ledger.log.checkpoint() == ledger.log.checkpoint(1)
    note, (key,) = parse_note(first.note), ledger.log.public_keys()
    assert (note.origin, note.size, note.root) == (first.origin, 1, first.root)
    assert first.origin.startswith("moretta/eu/")
    require_signed(note, key, is_signed_by)
    with pytest.raises(ProofRejected):
        require_signed(note, NoteKey(key.name, SeedSigner(bytes(32)).public_key), is_signed_by)


def test_two_logs_are_never_of_one_name(ledger: Ledger, tmp_path: Path) -> None:
    other = Database("sqlite", tmp_path / "other" / "moretta.sqlite").opened()
    assert ledger_in(other, "eu", MemoryKeyService()).log.checkpoint().origin != ledger.log.checkpoint().origin
    other.dispose()


def test_witnesses_lines_are_kept_and_forged_ones_refused(ledger: Ledger) -> None:
    ledger.log.append([an_entry()])
    note = parse_note(ledger.log.checkpoint().note)
    witness = SeedSigner(b"w" * 32)
    key = NoteKey("witness.example", witness.public_key, 4)
    ledger.log.cosign(1, cosignature(note, key.name, 1_760_000_000, witness).line(), key)
    told = parse_note(ledger.log.checkpoint().note)
    assert require_signed(told, key, is_signed_by) == 1_760_000_000
    forged = cosignature(note, key.name, 1_760_000_000, SeedSigner(b"x" * 32)).line()
    with pytest.raises(ProofRejected):
        ledger.log.cosign(1, forged, key)
    with pytest.raises(NotFound):
        ledger.log.cosign(7, forged, key)


def test_a_rotated_key_is_endorsed_by_the_one_before_and_old_checkpoints_still_hold(
    ledger: Ledger, engine: Engine
) -> None:
    filled(ledger)
    first = ledger.signing.signer().public_key
    told = LogEntry(EntryKind.KEY_CHANGED, "2026-03-01T12:00:00Z", "")
    second = ledger.signing.rotate([told]).public_key
    third = ledger.signing.rotate().public_key
    history = ledger.signing.history()
    assert follows(first, history, is_signed_by) == [first, second, third]
    assert follows(second, history, is_signed_by) == [second, third]
    assert ledger.log.entries(13, 9)[0].entry == told
    ledger.log.checkpoint()
    assert checked(ledger) == 14
    with engine.begin() as connection:
        kept = connection.execute(text("SELECT wrapped FROM signing_keys ORDER BY number")).scalars().all()
    assert [bool(wrapped) for wrapped in kept] == [False, False, True]
    with pytest.raises(ProofRejected):
        follows(first, [history[0], history[2]], is_signed_by)


def test_a_changed_master_key_opens_the_signing_key_and_the_old_one_is_needed_no_more(engine: Engine) -> None:
    service = MemoryKeyService()
    ledger = filled(ledger_in(engine, "eu", service))
    key = ledger.signing.rotate().public_key
    old = service.active()
    change = change_master_key(
        service, Envelope(service), [], lambda: rewrap_signing_keys_in(engine, service), sleep=lambda _: None
    )
    assert (change.rewrapped, change.destroyed) == (1, (old,))
    again = ledger_in(engine, "eu", service)
    assert again.signing.signer().public_key == key
    again.log.append([an_entry()])
    assert again.log.checkpoint().size == 14
    assert rewrap_signing_keys_in(engine, service) == 0


def test_of_two_keys_made_at_once_one_is_kept(ledger: Ledger, engine: Engine) -> None:
    ledger.signing.signer()
    fresh, store = SeedSigner(b"y" * 32), SqlSigningKeyStore(engine)
    with pytest.raises(Conflict):
        store.add_signing_key(SigningKey(fresh.key_id, fresh.public_key, "", b"x"), None)
    assert [key.public_key for key in store.signing_keys()] == [ledger.signing.signer().public_key]


# What somebody with the database in their hands may do to it, and what is told of it.
Tamper = Callable[[Engine], None]


def statements(*written: str) -> Tamper:
    def run(engine: Engine) -> None:
        with engine.begin() as connection:
            for one in written:
                connection.execute(text(one))

    return run


SWAPPED = (
    "UPDATE log_entries SET entry_index = -1 WHERE entry_index = 3",
    "UPDATE log_entries SET entry_index = 3 WHERE entry_index = 7",
    "UPDATE log_entries SET entry_index = 7 WHERE entry_index = -1",
)
EDITED = """UPDATE log_entries SET leaf = (SELECT leaf FROM log_entries WHERE entry_index = 2),
 leaf_hash = (SELECT leaf_hash FROM log_entries WHERE entry_index = 2) WHERE entry_index = 3"""


ROW = "(SELECT leaf FROM log_entries WHERE entry_index = 2)"
NODE = "(SELECT hash FROM log_nodes WHERE node_number = 0)"
NOTE = "(SELECT note FROM log_checkpoints WHERE size = 5)"
TAMPERED = {
    "row-edited": (
        statements(f"UPDATE log_entries SET leaf = {ROW} WHERE entry_index = 3"),
        "entry 3 does not have the hash",
    ),
    "row-replaced": (statements(EDITED), "up to 3"),
    "company": (
        statements("UPDATE log_entries SET company_id = 'co_other' WHERE entry_index = 4"),
        "entry 4 is filed under",
    ),
    "tail": (statements("DELETE FROM log_entries WHERE entry_index > 9"), "entries are gone"),
    "middle": (statements("DELETE FROM log_entries WHERE entry_index = 6"), "entry 6 is missing"),
    "swapped": (statements(*SWAPPED), "swapped"),
    "node-gone": (statements("DELETE FROM log_nodes WHERE node_number = 4"), "hash 4 of the log's tree is missing"),
    "node": (statements(f"UPDATE log_nodes SET hash = {NODE} WHERE node_number = 3"), "changed or swapped"),
    "head-size": (statements("UPDATE log_head SET size = 12"), "head does not fit"),
    "note": (statements(f"UPDATE log_checkpoints SET note = {NOTE} WHERE size = 13"), "not as it was signed"),
}


@pytest.mark.parametrize(("tamper", "told"), TAMPERED.values(), ids=TAMPERED)
def test_a_tampered_database_is_found_out(ledger: Ledger, engine: Engine, tamper: Tamper, told: str) -> None:
    assert checked(filled(ledger)) == 13
    tamper(engine)
    with pytest.raises(LogBroken, match=told):
        checked(ledger)


def test_a_log_that_was_rewritten_consistently_is_not_what_was_signed(ledger: Ledger, engine: Engine) -> None:
    """Somebody deletes everything and builds another tree of the same size; only what was signed tells."""
    filled(ledger)
    statements("DELETE FROM log_entries", "DELETE FROM log_nodes")(engine)
    set_head(engine, Edge())
    with pytest.raises(LogBroken, match="entries are gone"):
        checked(ledger)
    with pytest.raises(LogBroken, match="entries were deleted"):
        ledger.log.checkpoint()
    ledger.store.append([an_entry(100 + number) for number in range(14)])
    with pytest.raises(LogBroken, match="the first 5 entries"):
        checked(ledger)
    with pytest.raises(LogBroken, match="does not begin with what was signed"):
        ledger.log.checkpoint()


def test_a_log_cut_with_all_its_signatures_is_found_out_by_a_checkpoint_kept_elsewhere(
    ledger: Ledger, engine: Engine
) -> None:
    filled(ledger, 5, (5,))
    kept = parse_note(ledger.log.checkpoint().note)
    head = ledger.store.head()
    ledger.store.append([an_entry(9)])
    later = parse_note(ledger.log.checkpoint().note)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM log_checkpoints WHERE size = 6"))
        connection.execute(text("DELETE FROM log_entries WHERE entry_index = 5"))
        connection.execute(text("DELETE FROM log_nodes WHERE node_number > 2"))
    set_head(engine, head.edge)
    keys = ledger.log.public_keys()
    assert check_log(ledger.store, keys, is_signed_by, [kept]).size == 5
    with pytest.raises(LogBroken, match="entries are gone"):
        check_log(ledger.store, keys, is_signed_by, [later])
    of_another_log = parse_note(signed_checkpoint("moretta/eu/other", 5, kept.root, SeedSigner(bytes(32))))
    with pytest.raises(ProofRejected):
        check_log(ledger.store, keys, is_signed_by, [of_another_log])


def test_a_head_that_was_replaced_is_found_out(ledger: Ledger, engine: Engine) -> None:
    filled(ledger)
    set_head(engine, Edge(13, tuple(leaf_hash(bytes([number])) for number in range(3))))
    with pytest.raises(LogBroken, match="head is not the edge"):
        checked(ledger)
    with pytest.raises(LogBroken, match="does not begin with what was signed"):
        ledger.log.checkpoint()


def test_a_head_that_was_set_back_is_found_out(ledger: Ledger, engine: Engine) -> None:
    filled(ledger, 4, ())
    head = ledger.store.head()
    ledger.store.append([an_entry()])
    set_head(engine, head.edge)
    with pytest.raises(LogBroken, match="entries after the log's 4"):
        checked(ledger)


def set_head(engine: Engine, edge: Edge) -> None:
    with engine.begin() as connection:
        values = {"size": edge.size, "edge": b"".join(edge.hashes)}
        connection.execute(text("UPDATE log_head SET size = :size, edge = :edge"), values)
