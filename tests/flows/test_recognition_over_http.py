"""The real service: two people enrolled, found, shown and erased over HTTP; then every byte that it wrote is searched."""

import io
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.policies import open_policy_file
from tests.service_rig import Place, Service, fragments, marks_in, wait_for

pytestmark = pytest.mark.models

NAME, DESK, FILE = "Wilhelmine Quastenflosser", "Schalter Grünspan", "quastenflosser-1987.jpg"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Service]:
    """A running service with one worker."""
    root = tmp_path_factory.mktemp("recognition")
    logs = root / "logs"
    logs.mkdir()
    settings = {"MORETTA_WORKERS": "1", "MORETTA_POLICY_FILE": str(open_policy_file(root, "door"))}
    running = Service(Place(root / "place", models_dir, **settings), logs).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def photos(models_dir: Path) -> dict[str, bytes]:
    """Photographs of two people by their names."""
    folder = models_dir.parent / "media" / "people"
    found = {path.stem: path.read_bytes() for path in folder.glob("*.jpg")}
    if not {"obama", "obama2", "biden"} <= set(found):
        pytest.fail("the photos of the demo's people are not there: run `moretta models install --demo-people`")
    return found


def _enrol(service: Service, collection: str, photo: bytes, **given: Any) -> httpx.Response:
    files = {"file": (FILE, photo, "image/jpeg")}
    return service.call("POST", f"/v1/collections/{collection}/persons", files=files, **given)


def _search(service: Service, collection: str, photo: bytes, **given: Any) -> list[list[str]]:
    answer = service.call(
        "POST", f"/v1/collections/{collection}/search", files={"file": (FILE, photo, "image/jpeg")}, **given
    )
    assert answer.status_code == 200, answer.text
    return [[one["person_id"] for one in face["candidates"]] for face in answer.json()["faces"]]


def test_people_are_found_and_leave_nothing_that_can_be_read(service: Service, photos: dict[str, bytes]) -> None:
    made = service.call("POST", "/v1/collections", json={"name": "plant", "purpose": "door", "retention_days": 30})
    assert made.status_code == 201, made.text
    collection = made.json()["id"]
    form = {"name": NAME, "attributes": f'{{"desk": "{DESK}"}}', "store": "1"}
    person = _enrol(service, collection, photos["obama"], data=form, headers={"Purpose": "door"})
    assert person.status_code == 201, person.text
    person_id = person.json()["person_id"]

    assert _search(service, collection, photos["obama2"]) == [[person_id]]
    assert all(found == [] for found in _search(service, collection, photos["biden"]))
    verified = service.call("POST", f"/v1/persons/{person_id}/verify", files={"file": (FILE, photos["obama2"])})
    assert verified.json()["match"] is True
    pair = {"a": (FILE, photos["obama"]), "b": (FILE, photos["biden"])}
    assert service.call("POST", "/v1/compare", files=pair).json()["match"] is False

    address = service.get(f"/v1/persons/{person_id}/photo").json()["url"]
    shown = httpx.get(service.base + address, trust_env=False)
    assert shown.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(shown.content)).size == Image.open(io.BytesIO(photos["obama"])).size
    archive = zipfile.ZipFile(io.BytesIO(service.get(f"/v1/collections/{collection}/export").content))
    assert NAME in archive.read("persons.jsonl").decode()

    written = service.written()
    words = {word: word.encode() for word in (NAME, "Quastenflosser", "quastenflosser", DESK, FILE, address)}
    assert marks_in(written, words) == []
    assert marks_in(written, fragments(photos["obama"], 200)) == []
    assert marks_in(written, fragments(shown.content, 200)) == []
    assert _search(service, collection, photos["obama2"], headers={"Idempotency-Key": "1"}) == [[person_id]]

    erased = service.call("DELETE", f"/v1/persons/{person_id}")
    told = erased.json()
    assert {name: told[name] for name in ("id", "persons", "faces", "photos")} == {
        "id": person_id,
        "persons": 1,
        "faces": 1,
        "photos": 1,
    }
    assert service.get(f"/v1/persons/{person_id}").status_code == 410
    assert httpx.get(service.base + address, trust_env=False).status_code == 410
    assert _search(service, collection, photos["obama2"], headers={"Idempotency-Key": "1"}) == [[]]
    assert not any((service.place.data / "blobs").rglob("*.jpg"))


def test_an_import_and_a_reissue_run_as_jobs_and_are_counted(service: Service, photos: dict[str, bytes]) -> None:
    before = service.items()
    collection = service.call(
        "POST", "/v1/collections", json={"name": "jobs", "purpose": "door", "retention_days": 30}
    ).json()["id"]
    manifest = "name,person\nB,1\nB,1\nJ,2\n,3\n"
    contents = (photos["obama"], photos["obama2"], photos["biden"], b"no picture")
    files = [("file", (FILE, content, "image/jpeg")) for content in contents]
    files.append(("manifest", ("list.csv", manifest.encode(), "text/csv")))
    files.append(("source", (None, b"photos taken at the desk")))
    for expected in ((3, 0, 2), (0, 3, 0)):
        taken = service.call(
            "POST", f"/v1/collections/{collection}/import", files=files, headers={"Idempotency-Key": "import"}
        )
        result = _result(service, taken)
        assert (result["enrolled"], result["skipped"], result["persons"]) == expected
        assert [(one["index"], one["code"]) for one in result["failures"]] == [(3, "media.unsupported")]
    assert service.items() - before == 3 + 2, "three enrolled, one refused twice"
    key_id = service.get(f"/v1/collections/{collection}").json()["key_id"]
    renewed = _result(service, service.call("POST", f"/v1/collections/{collection}/reissue"))
    assert renewed["key_id"] != key_id
    [[found]] = _search(service, collection, photos["obama2"])
    named = service.get(f"/v1/persons/{found}").json()
    assert (named["name"], named["faces"]) == ("B", 2)


def test_refusals_of_the_quality_gate_and_of_purposes_are_problems(service: Service, photos: dict[str, bytes]) -> None:
    wishes = {"name": "strict", "purpose": "door", "min_quality": 100, "retention_days": 30}
    collection = service.call("POST", "/v1/collections", json=wishes).json()["id"]
    low = _enrol(service, collection, photos["obama"])
    assert (low.status_code, low.json()["code"]) == (422, "quality.too_low")
    assert "measured quality" in low.json()["detail"]
    other = _enrol(service, collection, photos["obama"], headers={"Purpose": "advertising"})
    assert (other.status_code, other.json()["code"]) == (403, "purpose.mismatch")
    nobody = io.BytesIO()
    Image.new("RGB", (200, 200), "grey").save(nobody, "JPEG")
    assert _enrol(service, collection, nobody.getvalue()).json()["code"] == "face.not_found"


def test_the_service_starts_again_with_everybody(service: Service, photos: dict[str, bytes]) -> None:
    collection = service.call(
        "POST", "/v1/collections", json={"name": "kept", "purpose": "door", "retention_days": 30}
    ).json()["id"]
    person_id = _enrol(service, collection, photos["obama"]).json()["person_id"]
    assert service.stop() == 0
    service.start()
    assert _search(service, collection, photos["obama2"]) == [[person_id]]
    with sqlite3.connect(f"file:{service.place.data / 'moretta.db'}?mode=ro", uri=True) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def _result(service: Service, taken: httpx.Response) -> Any:
    assert taken.status_code == 202, taken.text
    at = taken.headers["location"]
    job = wait_for(lambda: (found := service.get(at).json())["state"] in {"succeeded", "failed"} and found, 120, 0.2)
    assert job["state"] == "succeeded", job
    return job["result"]
