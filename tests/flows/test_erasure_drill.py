"""The erasure drill: on a real deployment it finds nothing, and where something leaks it says so."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests import recognition_rig as rig
from tests.postgres_server import PostgresServer

from moretta.core.errors import DrillFailed, MediaUnreadable
from moretta.core.key_service import Place, SubjectCipher, SubjectKey
from moretta.core.ledger import EntryKind
from moretta.core.protection import Scheme
from moretta.core.recognising import Compared, CompareRequest, Embedded, EmbedRequest
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.wiring.drill import DrillReport, run_drill
from moretta.wiring.drill.opened import held_drill
from moretta.wiring.drill.run import COMPANY
from moretta.wiring.drill.schedule import FIRST_AFTER_S, Drills


class Blind:
    """A reader that reads nothing: a drill brings its own."""

    def embed(self, media_fd: int, request: EmbedRequest) -> Embedded:
        raise MediaUnreadable("nothing is read here")

    def compare(self, first_fd: int, second_fd: int, request: CompareRequest) -> Compared:
        raise MediaUnreadable("nothing is read here")


class Leaky:
    """A cipher beside which something is written in the clear, or kept, as a defect would."""

    def __init__(self, cipher: SubjectCipher, leak: Callable[[Place, bytes, bytes], None]) -> None:
        self._cipher, self._leak = cipher, leak

    def __getattr__(self, name: str) -> object:
        return getattr(self._cipher, name)

    def seal(self, key: SubjectKey, place: Place, plaintext: bytes) -> bytes:
        sealed = self._cipher.seal(key, place, plaintext)
        self._leak(place, plaintext, sealed)
        return sealed


class PlainRole:
    """A server as a role sees it that owns its database and nothing else."""

    def __init__(self, server: PostgresServer, name: str) -> None:
        self._server, self._name = server, name

    def migrated(self) -> str:
        return self._name

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self._name}:plain@127.0.0.1:{self._server.port}/{database}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[rig.Place]:
    with rig.opened(tmp_path / "data") as found:
        yield found


def held(
    place: rig.Place, leak: Callable[[Place, bytes, bytes], None] | None = None, scheme: Scheme = Scheme.HE
) -> DrillReport:
    region = place.region
    if leak is not None:
        region = replace(region, cipher=Leaky(region.cipher, leak))  # type: ignore[arg-type]
        region.store._cipher = region.cipher  # type: ignore[attr-defined]
    means = replace(place.means, regions={"local": region})
    return run_drill(means, Settings(data_dir=place.root), {}, scheme=scheme)


@pytest.mark.parametrize("scheme", [Scheme.PLAIN, Scheme.ROTATED, Scheme.HE])
def test_a_sound_deployment_holds_nothing_of_whom_it_erased(place: rig.Place, scheme: Scheme) -> None:
    report = held(place, scheme=scheme)
    report.require_clean()
    assert report.findings == ()
    assert report.control == report.sealed > 4, "the same search found all of the subject before"
    assert report.marks > 60
    names = {one.store: one for one in report.searched}
    assert names["data folder"].size > 0
    assert "temporary files" in names
    # Nothing of the drill stays but its entries of the log and its certificate.
    assert place.region.store.collections(COMPANY, 10) == []
    drills = [one.entry for one in place.region.log.entries(0, 100) if one.entry.kind is EntryKind.DRILL]
    assert [dict(one.facts)["found"] for one in drills] == ["0"]


def _photo_in_blobs(root: Path) -> Callable[[Place, bytes, bytes], None]:
    def leak(where: Place, plaintext: bytes, _sealed: bytes) -> None:
        if where.table == "photos":
            (root / "photos" / "copy.jpg").write_bytes(plaintext)

    return leak


def _name_in_log(root: Path) -> Callable[[Place, bytes, bytes], None]:
    def leak(where: Place, plaintext: bytes, _sealed: bytes) -> None:
        if where.table == "persons":
            with (root / "debug.log").open("ab") as log:
                log.write(json.loads(plaintext)["name"].encode("utf-16-le"))

    return leak


def _sealed_copy(root: Path) -> Callable[[Place, bytes, bytes], None]:
    def leak(where: Place, _plaintext: bytes, sealed: bytes) -> None:
        if where.table == "persons":
            with (root / "cache.bin").open("ab") as cache:
                cache.write(os.urandom(3) + sealed)

    return leak


def _template_in_temporary_file(_root: Path) -> Callable[[Place, bytes, bytes], None]:
    def leak(where: Place, plaintext: bytes, _sealed: bytes) -> None:
        if where.table == "faces":
            with tempfile.NamedTemporaryFile(prefix="moretta-test-leak-", delete=False) as file:
                file.write(b"\0" + plaintext)

    return leak


@pytest.mark.parametrize(
    ("leak", "scheme", "mark", "store"),
    [
        (_photo_in_blobs, Scheme.HE, "photo", "data folder"),
        (_name_in_log, Scheme.HE, "name (UTF-16-LE)", "data folder"),
        (_sealed_copy, Scheme.HE, "sealed value or wrapped key", "data folder"),
        (_template_in_temporary_file, Scheme.PLAIN, "template (float32)", "temporary files"),
        (_template_in_temporary_file, Scheme.ROTATED, "template (turned, float32)", "temporary files"),
    ],
)
def test_a_leak_is_found_and_told(
    place: rig.Place,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    leak: Callable[[Path], Callable[[Place, bytes, bytes], None]],
    scheme: Scheme,
    mark: str,
    store: str,
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    report = held(place, leak(place.root), scheme)
    assert (mark, store) in {(one.mark, one.store) for one in report.findings}
    with pytest.raises(DrillFailed) as told:
        report.require_clean()
    assert mark in told.value.detail
    (logged,) = [one.entry for one in place.region.log.entries(0, 100) if one.entry.kind is EntryKind.DRILL]
    assert dict(logged.facts)["found"] != "0"


def test_an_old_segment_that_is_not_deleted_is_found(place: rig.Place) -> None:
    segments = place.region.segments
    kept = place.root / "old"
    kept.mkdir()

    class Hoarding:
        def __getattr__(self, name: str) -> object:
            return getattr(segments, name)

        def delete(self, blob_id: str) -> None:
            (kept / blob_id).write_bytes(segments.get(blob_id))
            segments.delete(blob_id)

    region = replace(place.region, segments=Hoarding())  # type: ignore[arg-type]
    report = run_drill(replace(place.means, regions={"local": region}), Settings(data_dir=place.root), {})
    assert {one.mark for one in report.findings} == {"packed ciphertext"}


def on_a_server(tmp_path: Path, server: PostgresServer, **wishes: object) -> DrillReport:
    """A drill of a deployment whose rows are on the server."""
    url = server.url(server.migrated())
    settings = Settings(data_dir=tmp_path / "data", regions_file=tmp_path / "regions.toml")
    root = tmp_path / "data"
    (tmp_path / "regions.toml").write_text(
        f"""
default = "eu"
[regions.eu]
database = "{url}"
blobs = "file://{root}/blobs"
segments = "file://{root}/segments"
keys = "file://{root}/keys"
gallery_keys = "file://{root}/gallery-keys"
node = "embedded"
"""
    )
    (tmp_path / "regions.toml").chmod(0o600)
    own = open_database(tmp_path / "own.db")
    try:
        return held_drill(settings, own, Blind(), **wishes)  # type: ignore[arg-type]
    finally:
        own.dispose()


@pytest.mark.postgres
def test_nothing_readable_stays_on_a_server_and_ciphertext_is_told_until_it_is_gone(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    report = on_a_server(tmp_path, postgres_server, also=[postgres_server.folder])
    report.require_clean()
    rows = {one.store: one for one in report.searched}["eu rows"]
    assert rows.files > 20
    assert report.rows_only == ()
    # What docs/how-to/rights.md says of PostgreSQL: the dead rows and the log hold ciphertext still.
    assert {one.mark for one in report.kept} == {"sealed value or wrapped key"}
    assert report.control == report.sealed > 4


@pytest.mark.postgres
def test_of_a_server_that_wrote_its_tables_anew_no_byte_of_the_erased_is_left_in_the_clusters_files(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """VACUUM FULL and a new log, on a server that does not keep old files of its log to write over (`wal_recycle`)."""
    report = on_a_server(tmp_path, postgres_server, also=[postgres_server.folder], vacuum=True)
    report.require_clean()
    cluster = {one.store: one for one in report.searched}["also, 1"]
    assert cluster.files > 500, "the files of tables, catalogs and the log"
    assert report.control == report.sealed > 4, "the same search found all of the ciphertext there before"
    assert report.kept == ()
    assert report.cleaned > 20
    assert report.log_kept == ()


@pytest.mark.postgres
def test_a_drill_says_that_it_saw_a_servers_rows_only_and_what_the_role_may_not(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    name = f"plain_{os.urandom(4).hex()}"
    with postgres_server.connect("postgres") as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'")  # type: ignore[call-overload]
        connection.execute(f"CREATE DATABASE {name} OWNER {name} TEMPLATE template0")  # type: ignore[call-overload]
    plain = PlainRole(postgres_server, name)
    report = on_a_server(tmp_path, plain, vacuum=True)  # type: ignore[arg-type]
    report.require_clean()
    assert report.rows_only == ("eu",)
    assert report.log_kept == ("eu",)
    assert report.cleaned > 20


def test_drills_are_held_when_they_are_due_and_a_failure_is_raised(place: rig.Place) -> None:
    report = held(place)
    now, calls = [0.0], list[float]()

    def drill() -> DrillReport:
        calls.append(now[0])
        return report

    drills = Drills(drill, 24.0, lambda: now[0])
    for moment in (0.0, FIRST_AFTER_S - 1, FIRST_AFTER_S, FIRST_AFTER_S + 3600, FIRST_AFTER_S + 86400):
        now[0] = moment
        drills()
    assert calls == [FIRST_AFTER_S, FIRST_AFTER_S + 86400]
    never = Drills(drill, 0.0, lambda: 1e9)
    never()
    assert len(calls) == 2
    broken = Drills(lambda: replace(report, control=0), 24.0, lambda: now[0])
    now[0] += FIRST_AFTER_S
    with pytest.raises(DrillFailed):
        broken()
