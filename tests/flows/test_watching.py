"""A site is watched: recordings go in, releases come out; what dies is replaced, what is not released is gone."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine
from tests.cameras import Manners, MjpegCamera
from tests.service_rig import Place, fragments, is_gone, marks_in, open_files, padded, snapshot, wait_for
from tests.watching_rig import COMPANY, empty_recording, exact_site, face_recording, figures, watched

from moretta.core.cameras import CameraState
from moretta.core.statistics import RECORDED_SESSION, Charge, Measure
from moretta.settings import Settings
from moretta.storage.database import open_database
from moretta.storage.statistics.budgets import SqlBudgetStore
from moretta.storage.statistics.releases import SqlReleaseStore
from moretta.vision.models.catalogue import find
from moretta.wiring.cameras.camera import CameraTerms
from moretta.wiring.streams.process import watch_terms
from moretta.wiring.watching.models import ALLOWED

pytestmark = pytest.mark.models
EMBEDDER = "mobilefacenet"


@pytest.fixture(scope="module")
def plain(talking_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return face_recording(talking_clip, tmp_path_factory.mktemp("clips") / "plain.mp4")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(tmp_path / "moretta.db")
    yield made
    made.dispose()


@pytest.fixture
def settings(tmp_path: Path, models_dir: Path) -> Settings:
    return Settings(data_dir=tmp_path, models_dir=models_dir)


def test_who_wears_the_marker_is_no_visit_even_for_the_time_before_it_was_seen(
    engine: Engine, settings: Settings, plain: Path, talking_clip: Path
) -> None:
    marked = face_recording(talking_clip, plain.with_name("marked.mp4"), marked_from_s=0)
    later = face_recording(talking_clip, plain.with_name("later.mp4"), marked_from_s=5)
    # In a zone whose file the watching process cannot read any more when it is told of the site.
    site = replace(
        exact_site("plain", "marked", "later", measures=(Measure.VISITS, Measure.PASSERS)), timezone="Europe/Rome"
    )
    with watched(engine, settings, site, {"plain": plain, "marked": marked, "later": later}) as run:
        run.join()
    (release,) = run.releases
    assert figures(release, Measure.VISITS) == {"plain/all": (1,), "marked/all": (0,), "later/all": (0,)}
    assert figures(release, Measure.PASSERS) == {"plain/all": (1,), "marked/all": (0,), "later/all": (0,)}
    assert [one.analysed for one in run.watching.health()] == [40, 40, 40]
    stored = SqlReleaseStore(engine, COMPANY).release(release.release_id)
    assert stored is not None and {table.place for table in stored.tables} == {"plain/all", "marked/all", "later/all"}
    assert figures(stored, Measure.VISITS) == figures(release, Measure.VISITS)
    # Nothing that the site does not release was even loaded, and nothing that could recognise anybody.
    (receipt,) = run.receipts
    assert [model.name for model in receipt.models] == ["centerface", "face-landmark", "iris-landmark"]
    assert not receipt.recognises and all(
        denial.level == "full" for denial in receipt.denials if denial.detail == "tried"
    )


def test_live_figures_of_a_day_are_paid_for_once_and_go_on(engine: Engine, settings: Settings, tmp_path: Path) -> None:
    site = exact_site("door")
    site = replace(site, privacy=replace(site.privacy, bucket_epsilon=0.0, live_epsilon=10.0))
    source = empty_recording(tmp_path / "empty.mp4", seconds=200)
    terms = CameraTerms(rate=1.0, paced=False, mode=watch_terms(settings).mode)
    with watched(engine, settings, site, {"door": source}, terms=terms) as run:
        run.join()
    assert run.lost == [] and run.exhausted == []
    # Where the recording spans midnight, the new day is paid for, too.
    days = {figures_.day for figures_ in run.live}
    assert len(run.live) >= 2 + len(days) and {figures_.partition for figures_ in run.live} == {run.receipts[0].session}
    for day in days:
        budget = SqlBudgetStore(engine, COMPANY).budget("shop", day)
        assert budget is not None and budget.spent == 10.0


def test_the_watching_process_never_has_an_embedder(engine: Engine, settings: Settings, plain: Path) -> None:
    site = exact_site("one", measures=(Measure.VISITS, Measure.AGE, Measure.GENDER))
    with watched(engine, settings, site, {"one": plain}, fast=False) as run:
        wait_for(lambda: run.receipts and run.watching.health()[0].analysed > 5, 120)
        pid = run.watching.pid
        assert pid is not None
        assert "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()
    digests = {model.name: model.sha256 for model in run.receipts[0].models}
    assert set(digests) == ALLOWED and find(EMBEDDER).sha256 not in digests.values()
    assert is_gone(pid)


def test_a_watching_process_that_is_killed_begins_a_new_session_and_cameras_go_on(
    engine: Engine, settings: Settings
) -> None:
    with MjpegCamera() as good, MjpegCamera(Manners(stall_after=2)) as stalls:
        site, sources = exact_site("good", "stalls"), {"good": good.url, "stalls": stalls.url}
        with watched(engine, settings, site, sources, fast=False) as run:
            wait_for(lambda: run.watching.health()[0].analysed > 3, 120)
            killed, reader = run.watching.pid, run.watching.cameras[0].pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda: len(run.receipts) == 2, 120)
            before = run.watching.health()[0].analysed
            wait_for(lambda: run.watching.health()[0].analysed > before + 10, 60)
            health = run.watching.health()[0]
            assert run.watching.cameras[0].pid == reader
    # The one beside it that stalls does not matter to it either.
    assert (health.state, health.reconnects, good.connections) == (CameraState.WATCHING, 0, 1)
    assert [error.code for error in run.lost] == ["worker.lost"]
    sessions = {receipt.session for receipt in run.receipts}
    assert not any(session.startswith(RECORDED_SESSION) for session in sessions)
    # What the first held is gone; only the second released its bucket, and each spent on visits of its own.
    assert len(sessions) == 2 and [one.partition.split("/")[0] for one in run.releases] == [run.receipts[1].session]


def test_an_exhausted_budget_is_told_once_and_watching_goes_on(engine: Engine, settings: Settings, plain: Path) -> None:
    site = exact_site("one")
    with watched(engine, settings, site, {"one": plain}) as run:
        day = site.day(run.watching.cameras[0]._origin_s)
        SqlBudgetStore(engine, COMPANY).spend(Charge("shop", day, None, 9.0, "elsewhere"), 10.0)
        run.join()
    assert [error.code for error in run.exhausted] == ["dp.budget_exhausted"] and run.releases == []
    assert run.watching.health()[0].analysed == 40 and SqlReleaseStore(engine, COMPANY).sites() == []


def test_a_recording_watched_again_pays_again_and_is_refused_when_nothing_is_left(
    engine: Engine, settings: Settings, plain: Path
) -> None:
    released = []
    for _ in range(2):
        with watched(engine, settings, exact_site("plain"), {"plain": plain}) as run:
            run.join()
        assert run.receipts[0].session.startswith(RECORDED_SESSION)
        released.append((len(run.releases), [error.code for error in run.exhausted]))
    assert released == [(1, []), (0, ["dp.budget_exhausted"])]


def test_nothing_of_what_was_seen_is_on_disk(models_dir: Path, tmp_path: Path, plain: Path) -> None:
    place = Place(tmp_path / "place", models_dir)
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(padded(plain.read_bytes(), 3_000_000, b"Wilhelmine Quastenflosser "))
    shared = snapshot(Path("/var/tmp"))
    told = place.moretta("watch", clip, "--fast", "--json", "-", "--name", "hall")
    assert told.returncode == 0, told.stderr
    events = [json.loads(line) for line in told.stdout.splitlines()]
    kinds = {next(iter(event)) for event in events}
    assert {"receipt", "release", "cameras", "budget"} <= kinds
    written = {str(path): path.read_bytes() for path in place.root.rglob("*") if path.is_file()}
    written |= {"stdout": told.stdout, "stderr": told.stderr}
    marks = {f"piece {at}": piece for at, piece in enumerate(fragments(clip.read_bytes(), 100))}
    assert marks_in(written, marks) == [] and marks_in(written, [b"Quastenflosser", b"clip.mp4", b"sighting"]) == []
    assert {Path(name).name.split(".db")[0] for name in written if "/" in name} <= {"moretta"}
    assert snapshot(Path("/var/tmp")) == shared
    assert place.counted() == {("cli:watch", 0): 1}


def test_ctrl_c_ends_in_order_and_releases_the_bucket_under_way(models_dir: Path, tmp_path: Path) -> None:
    place = Place(tmp_path / "place", models_dir)
    site = tmp_path / "site.toml"
    site.write_text('name = "shop"\n[[cameras]]\nname = "door"\n[privacy]\nlive_epsilon = 0\n')
    with MjpegCamera() as server:
        run = place.started(
            "watch",
            "--site",
            site,
            "--camera",
            f"door={server.url}",
            "--receipt",
            tmp_path / "receipt.json",
            "--json",
            tmp_path / "out",
            stdout=subprocess.PIPE,
        )
        try:
            wait_for(lambda: server.sent > 10 and b"receipt" in (tmp_path / "out").read_bytes(), 120)
            assert not [name for name in open_files(run.pid) if name.endswith((".mp4", ".jpg"))]
            run.send_signal(signal.SIGINT)
            assert run.wait(60) == 0
        finally:
            run.kill()
            run.communicate()
    events = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    releases = [event["release"] for event in events if "release" in event]
    assert [one["site"] for one in releases] == ["shop"]
    told = place.moretta("verify", tmp_path / "receipt.json").stdout.decode()
    session = next(event["receipt"]["session"] for event in events if "receipt" in event)
    assert told.startswith("holds: moretta.watch-receipt.v1") and f"session {session} of site shop" in told
    place_of = events[-1]["cameras"][0]["place"]
    assert place_of == f"http://127.0.0.1:{server.port}"
    listed = place.moretta("egress").stdout.decode()
    assert f"Allowed: {place_of} (camera), tried 1 time" in listed
