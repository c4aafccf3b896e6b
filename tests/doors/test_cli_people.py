"""The commands about people, on a real deployment in a folder of the test's own."""

import json
import re
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from command_line import Moretta, Told
from people_fakes import FakePeople, photo_of
from tests.policies import open_policy_file

from moretta.cli.people import Office
from moretta.cli.transfer import import_id_of, items_of, run_import
from moretta.core.errors import Cancelled, NotFound, RequestInvalid
from moretta.core.limits import MediaLimits
from moretta.core.recognition import StoreWish
from moretta.use_cases.rights import Rights

COMPANY = "co_" + "a" * 20
UNKNOWN = {"collection": "col_local_" + "0" * 24, "person": "per_local_" + "0" * 24}


def _made(told: Told) -> str:
    assert told.status == 0, told.err
    return told.out.strip()


def test_a_collection_is_made_listed_changed_and_deleted(moretta: Moretta) -> None:
    collection = _made(moretta("collections", "create", "[bold]Plant", "--purpose", "door", "--scheme", "rotated"))
    assert re.fullmatch(r"col_local_[0-9a-f]{24}", collection)
    listed = moretta("collections", "list")
    [row] = [line for line in listed.out.splitlines() if collection in line]
    assert "[bold]Plant" in row, "a name is text, not markup"
    assert "rotated" in row
    changed = moretta("collections", "update", collection, "--name", "Gate", "--match", 0.6, "--fmr", 0.0001)
    assert _made(changed) == collection
    shown = json.loads(moretta("collections", "show", collection, "--json", "-").out)
    assert (shown["name"], shown["purpose"], shown["thresholds"]["match"]) == ("Gate", "door", 0.6)
    assert shown["thresholds"]["source"] == "calibrated"
    assert "match from" in moretta("collections", "show", collection).out
    assert moretta("collections", "repack", collection).status == 0
    reissued = moretta("collections", "reissue", collection)
    assert (reissued.status, reissued.out) == (0, "")
    assert json.loads(moretta("collections", "show", collection, "--json", "-").out)["key_id"] != shown["key_id"]
    refused = moretta("collections", "delete", collection)
    assert (refused.status, "--yes" in refused.err) == (64, True), "nobody is there to be asked"
    assert moretta("collections", "delete", collection, "--yes").status == 0
    assert moretta("collections", "show", collection).status == 66


def test_a_threshold_says_which_rate_it_stands_for(moretta: Moretta) -> None:
    told = moretta("collections", "create", "Plant", "--purpose", "door", "--match", 0.5)
    assert (told.status, "--fmr" in told.err) == (64, True)


@pytest.mark.parametrize(
    "words",
    [
        ("collections", "show", "{collection}"),
        ("collections", "delete", "{collection}", "--yes"),
        ("collections", "reissue", "{collection}"),
        ("collections", "repack", "{collection}"),
        ("collections", "update", "{collection}", "--name", "x"),
        ("persons", "list", "{collection}"),
        ("persons", "show", "{person}"),
        ("persons", "rename", "{person}", "Anna"),
        ("persons", "restrict", "{person}"),
        ("persons", "erase", "{person}", "--yes"),
        ("export", "{collection}", "-"),
        ("collections", "show", "nonsense"),
    ],
)
def test_what_is_not_there_is_one_line_and_a_status(moretta: Moretta, words: tuple[str, ...]) -> None:
    told = moretta(*(word.format(**UNKNOWN) for word in words))
    assert (told.status, len(told.err.splitlines())) == (66, 1), told.err
    assert told.out == ""


def test_photos_that_cannot_be_read_are_told_before_a_worker_starts(moretta: Moretta, tmp_path: Path) -> None:
    collection = _made(moretta("collections", "create", "Plant", "--purpose", "door"))
    assert moretta("enrol", collection, tmp_path / "missing.jpg").status == 66
    assert moretta("enrol", collection, "-", "-").status == 64
    assert moretta("import", collection, tmp_path / "missing").status == 66
    (tmp_path / "empty").mkdir()
    assert moretta("import", collection, tmp_path / "empty").status == 64


@pytest.mark.models
def test_people_are_enrolled_found_verified_exported_and_erased(
    moretta: Moretta, demo_people: dict[str, Path], models_dir: Path, tmp_path: Path
) -> None:
    policy = open_policy_file(tmp_path, "door")

    def call(*words: object) -> Told:
        return moretta(*words, models_dir=models_dir, policy_file=policy)

    collection = _made(call("collections", "create", "Plant", "--purpose", "door", "--retention-days", 30))
    person = _made(
        call(
            *("enrol", collection, demo_people["obama"], "--name", "Barack", "--attribute", "desk=4"),
            *("--keep-photo", "--purpose", "door"),
        )
    )
    assert call("enrol", collection, demo_people["obama"], "--purpose", "ads").status == 77

    found = call("search", collection, demo_people["obama2"], demo_people["biden"], "--json", "-")
    known, stranger = (json.loads(line) for line in found.out.splitlines())
    assert [(one["person_id"], one["name"]) for one in known["faces"][0]["candidates"]] == [(person, "Barack")]
    assert [face["candidates"] for face in stranger["faces"]] == [[]]

    assert (
        call("verify", person, demo_people["obama2"]).status,
        call("verify", person, demo_people["biden"]).status,
    ) == (
        0,
        1,
    )
    assert "desk=4" in call("persons", "show", person).out
    archive = tmp_path / "out.zip"
    assert call("export", collection, archive).status == 0
    assert archive.stat().st_mode & 0o777 == 0o600
    assert any(name.endswith(".jpg") for name in zipfile.ZipFile(archive).namelist())
    assert call("persons", "erase", person, "--yes").status == 0
    assert (call("persons", "show", person).status, call("persons", "list", collection).status) == (66, 0)
    counted = [json.loads(line) for line in call("usage", "--json").out.splitlines()]
    assert {(one["endpoint"], one["status"]): one["items"] for one in counted} == {
        ("cli:enrol", 0): 1,
        ("cli:search", 0): 2,
        ("cli:verify", 0): 1,
        ("cli:verify", 1): 1,
    }
    again = _made(call("enrol", collection, demo_people["obama"], "--purpose", "door"))
    deleted = call("collections", "delete", collection, "--yes")
    assert re.fullmatch(r"cer_local_[0-9a-f]{24}\n", deleted.out)
    assert "1 persons were erased, each with a certificate" in deleted.err
    assert call("rights", "certificate", deleted.out.strip(), "--out", tmp_path / "certificate.json").status == 0
    assert call("persons", "show", again).status == 66


@pytest.mark.models
def test_a_folder_of_people_is_imported_once(
    moretta: Moretta, demo_people: dict[str, Path], models_dir: Path, tmp_path: Path
) -> None:
    for person, names in {"Barack": ("obama", "obama2"), "Joe": ("biden",)}.items():
        (tmp_path / "people" / person).mkdir(parents=True)
        for name in names:
            shutil.copy(demo_people[name], tmp_path / "people" / person)
    (tmp_path / "people" / "Joe" / "broken.jpg").write_bytes(b"no picture")
    (tmp_path / "people" / "notes.txt").write_text("left alone")
    settings = {"models_dir": models_dir, "policy_file": open_policy_file(tmp_path, "door")}
    made = moretta("collections", "create", "Plant", "--purpose", "door", "--retention-days", 30, **settings)
    collection = _made(made)
    words = ("import", collection, tmp_path / "people", "--json", "-")
    unsourced = json.loads(moretta(*words, **settings).out)
    assert {one["code"] for one in unsourced["failures"]} == {"policy.prohibited_use"}, "neither source nor consent"
    first, second = (moretta(*words, "--source", "photos taken at the desk", **settings) for _ in range(2))
    assert (first.status, second.status) == (65, 65), "one is no picture"
    reports = [json.loads(told.out) for told in (first, second)]
    assert [(one["enrolled"], one["skipped"], one["persons"]) for one in reports] == [(3, 0, 2), (0, 3, 0)]
    assert [failure["key"] for failure in reports[0]["failures"]] == ["Joe/broken.jpg"]
    listed = moretta("persons", "list", collection, "--json", "-", **settings)
    people = [json.loads(line) for line in listed.out.splitlines()]
    assert {one["name"]: one["faces"] for one in people} == {"Barack": 2, "Joe": 1}


@pytest.fixture
def office() -> tuple[Office, FakePeople, list[tuple[str, int, int]]]:
    """Recognition without pixels behind a command, and what it counts."""
    people, counts = FakePeople(), []

    def count(endpoint: str, status: int, number: int) -> None:
        if number:
            counts.append((endpoint, status, number))

    return Office(people, COMPANY, MediaLimits(), count, cast(Rights, None)), people, counts


Run = Callable[[], object]


def _folder(root: Path, **people: tuple[bytes, ...]) -> Path:
    for person, photos in people.items():
        (root / person).mkdir(parents=True)
        for number, photo in enumerate(photos):
            (root / person / f"{number}.jpg").write_bytes(photo)
    return root


def _run(office: Office, people: FakePeople, source: Path) -> Run:
    collection = people.create_collection(COMPANY, "Plant", "door").collection_id

    def run() -> object:
        items = items_of(source, office.limits)
        return run_import(office, collection, source, items, StoreWish.TEMPLATE, False, None)

    return run


def test_an_interrupted_import_ends_between_two_photos_and_goes_on_from_there(
    office: tuple[Office, FakePeople, list[tuple[str, int, int]]], tmp_path: Path
) -> None:
    desk, people, counts = office
    run = _run(desk, people, _folder(tmp_path / "in", Ann=(photo_of("ann"),), Bob=(photo_of("bob"),)))
    before = signal.getsignal(signal.SIGINT)
    people.hooks["enrol"] = lambda: signal.raise_signal(signal.SIGINT)
    with pytest.raises(Cancelled, match="1 of 2 photos are dealt with"):
        run()
    assert signal.getsignal(signal.SIGINT) is before
    people.hooks.clear()
    report = run()
    assert (report.skipped, report.enrolled) == (1, 1)  # type: ignore[attr-defined]
    assert counts == [("cli:import", 0, 1)] * 2
    assert sorted(one.name for one in people.known.values()) == ["Ann", "Bob"]


def test_a_second_interrupt_ends_an_import_at_once(
    office: tuple[Office, FakePeople, list[tuple[str, int, int]]], tmp_path: Path
) -> None:
    desk, people, _ = office
    run = _run(desk, people, _folder(tmp_path / "in", Ann=(photo_of("ann"),)))

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    people.hooks["enrol"] = twice
    with pytest.raises(KeyboardInterrupt):
        run()


def test_a_list_names_files_beside_it_and_attributes(
    office: tuple[Office, FakePeople, list[tuple[str, int, int]]], tmp_path: Path
) -> None:
    desk, people, counts = office
    (tmp_path / "a.jpg").write_bytes(photo_of("ann"))
    (tmp_path / "b.jpg").write_bytes(photo_of("ann") + b"2")
    (tmp_path / "c.jpg").write_bytes(b"a wall")
    listed = "file,name,person,desk\na.jpg,Ann,e1,4\nb.jpg,Ann,e1,4\nc.jpg,Cid,e2,\nmissing.jpg,Dan,e3,\n"
    (tmp_path / "list.csv").write_text(listed)
    report = _run(desk, people, tmp_path / "list.csv")()
    assert (report.enrolled, report.persons) == (2, 1)  # type: ignore[attr-defined]
    assert [(one.key, one.code) for one in report.failures] == [  # type: ignore[attr-defined]
        ("c.jpg", "face.not_found"),
        ("missing.jpg", "not_found"),
    ]
    [ann] = people.known.values()
    assert (ann.name, ann.attributes) == ("Ann", (("desk", "4"),))
    assert counts[:3] == [("cli:import", 0, 1), ("cli:import", 0, 1), ("cli:import", 65, 1)]


def test_photos_beside_folders_are_people_of_their_own(tmp_path: Path) -> None:
    root = _folder(tmp_path / "in", Ann=(b"x", b"y"))
    (root / "Bob.png").write_bytes(b"z")
    (root / ".hidden.jpg").write_bytes(b"z")
    (root / "Ann" / "deep").mkdir()
    (root / "Ann" / "deep" / "2.webp").write_bytes(b"z")
    items = items_of(root, MediaLimits())
    assert [(item.key, item.person_name, item.person_key) for item in items] == [
        ("Ann/0.jpg", "Ann", "Ann"),
        ("Ann/1.jpg", "Ann", "Ann"),
        ("Ann/deep/2.webp", "Ann", "Ann"),
        ("Bob.png", "Bob", None),
    ]


def test_a_list_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        items_of(tmp_path / "missing.csv", MediaLimits())
    for content in (b"\xff\xfe", b"name\nAnn\n", b"file,file\na,b\n"):
        (tmp_path / "list.csv").write_bytes(content)
        with pytest.raises(RequestInvalid):
            items_of(tmp_path / "list.csv", MediaLimits())


def test_an_import_is_named_by_its_place_which_cannot_be_read_from_the_name(tmp_path: Path) -> None:
    collection = "col_eu_" + "0" * 24
    name = import_id_of(COMPANY, collection, tmp_path)
    assert re.fullmatch(r"imp_eu_[0-9a-f]{24}", name)
    assert name == import_id_of(COMPANY, collection, tmp_path / "x" / "..")
    assert name != import_id_of(COMPANY, "col_eu_" + "1" * 24, tmp_path)
