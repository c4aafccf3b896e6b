"""Two real people through confined workers and every scheme that needs no other process: enrolled, found, erased."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.policies import open_policy_file
from tests.unit.vision.test_custom_models import embedder

from moretta import Recogniser
from moretta.core.errors import MediaUnsupported, RequestInvalid, SeveralFaces
from moretta.core.protection import Scheme
from moretta.core.recognition import Enrolled, FailureToEnrol, RefusalReason, StoreWish, Thresholds
from moretta.settings import Settings
from moretta.use_cases.recognition.results import StepProgress
from moretta.vision.models import add, default_media_dir
from moretta.wiring.own_keys import trust_in_own
from moretta.wiring.service import opened
from moretta.wiring.stored_bytes import embedding_bytes, occurrences
from moretta.wiring.verifying import verified

SCHEMES = [Scheme.PLAIN, Scheme.ROTATED, Scheme.HE]

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def photos(models_dir: Path) -> Path:
    """The folder of the demonstration's photographs."""
    given = os.environ.get("MORETTA_DEMO_PEOPLE")
    places = [Path(given)] if given else [default_media_dir(os.environ), models_dir.parent / "media"]
    for place in places:
        folder = place if given else place / "people"
        if (folder / "obama.jpg").is_file():
            return folder
    pytest.skip("the photographs are not there: run `moretta models install --demo-people`, or set MORETTA_DEMO_PEOPLE")


@pytest.fixture(scope="module")
def settings(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    root = tmp_path_factory.mktemp("recogniser")
    policy = open_policy_file(root, "test")
    return Settings(data_dir=root / "data", models_dir=models_dir, sandbox="best-effort", policy_file=policy)


@pytest.fixture(scope="module")
def people(settings: Settings) -> Iterator[Recogniser]:
    with Recogniser(settings) as found:
        yield found


@pytest.fixture(scope="module")
def template(settings: Settings, photos: Path) -> bytes:
    """Obama's template before anything protects it."""
    return embedding_bytes(settings, photos / "obama.jpg")


@pytest.mark.parametrize("scheme", SCHEMES, ids=str)
def test_two_people_are_found_in_other_photos_until_one_is_erased(
    scheme: Scheme, people: Recogniser, photos: Path, settings: Settings, template: bytes
) -> None:
    collection = people.create_collection("two people", "test", retention_days=30, scheme=scheme)
    ids = {}
    for name in ("obama", "biden"):
        (outcome,) = people.enrol(collection, [photos / f"{name}.jpg"], name=name, store=StoreWish.PHOTO)
        assert isinstance(outcome, Enrolled)
        assert outcome.duplicates == ()
        assert outcome.face.quality > 90
        ids[name] = outcome.person_id
    for photo in ("obama2.jpg", "obama3.jpg"):
        (face,) = people.search(collection, photos / photo, purpose="test").faces
        assert [candidate.person_id for candidate in face.candidates] == [ids["obama"]]
        assert people.verify(ids["obama"], photos / photo).match
        assert not people.verify(ids["biden"], photos / photo).match
    people.recognition.repack(people.company_id, collection.collection_id)
    stored = [path.read_bytes() for path in settings.data_dir.rglob("*") if path.is_file()]
    assert occurrences(template, [template]) > 100
    assert occurrences(template, stored) == 0
    assert not any(b"obama" in content for content in stored)
    erased = people.delete_person(ids["obama"])
    told = json.loads(erased.certificate.document)
    assert (erased.waiting, told["exceptions"], told["negative_search"]["found"]) == ((), [], 0)
    assert verified(erased.certificate.document, trust_in_own(settings)).type == "moretta.erasure-certificate.v1"
    (face,) = people.search(collection, photos / "obama2.jpg").faces
    assert face.candidates == ()
    (face,) = people.search(collection, photos / "biden.jpg").faces
    assert [candidate.person_id for candidate in face.candidates] == [ids["biden"]]
    steps = list[StepProgress]()
    deleted = people.delete_collection(collection, on_progress=steps.append)
    assert (deleted.persons, len(deleted.certificates), steps) == (1, 1, [StepProgress("erase", 1, 1)])


def test_a_stored_photo_comes_back_as_a_picture_without_its_files_words(people: Recogniser, photos: Path) -> None:
    collection = people.create_collection("photos", "test", retention_days=30, scheme=Scheme.PLAIN)
    (outcome,) = people.enrol(collection, [photos / "obama3.jpg"], store="photo")
    assert isinstance(outcome, Enrolled)
    content = people.recognition.photo(people.company_id, outcome.person_id).content
    assert content.startswith(b"\xff\xd8\xff")
    assert b"Exif" not in content
    again = people.compare(content, photos / "obama2.jpg")
    assert again.match
    assert again.first.quality == pytest.approx(outcome.face.quality, abs=3)


def test_a_face_cut_by_the_pictures_edge_is_not_enrolled(people: Recogniser, photos: Path) -> None:
    collection = people.create_collection("whole faces", "test", retention_days=30, scheme=Scheme.PLAIN)
    (outcome,) = people.enrol(collection, [photos / "obama_partial_face2.jpg"])
    assert isinstance(outcome, FailureToEnrol)
    assert outcome.reason is RefusalReason.LOW_QUALITY
    assert "edge" in outcome.detail


def test_a_video_is_refused_where_a_photo_is_needed(people: Recogniser, talking_clip: Path) -> None:
    collection = people.create_collection("no videos", "test", retention_days=30, scheme=Scheme.PLAIN)
    with pytest.raises(MediaUnsupported, match="still picture"):
        people.search(collection, talking_clip)


def test_two_photos_are_compared_within_the_sandbox(people: Recogniser, photos: Path) -> None:
    assert people.compare(photos / "obama.jpg", photos / "obama2.jpg").match
    assert not people.compare(photos / "obama.jpg", photos / "biden.jpg", fmr=1e-3).match


def test_each_photo_that_was_processed_is_counted_once(people: Recogniser, photos: Path, settings: Settings) -> None:
    def counts() -> dict[tuple[str, int], int]:
        with opened(settings) as deployment:
            return {(one.endpoint, one.status): one.items for one in deployment.usage.counts()}

    before = counts()
    collection = people.create_collection("counted", "test", retention_days=30, scheme=Scheme.PLAIN)
    people.enrol(collection, [photos / "obama.jpg", photos / "obama2.jpg"])
    people.search(collection, photos / "biden.jpg")
    with pytest.raises(SeveralFaces):
        people.compare(photos / "obama.jpg", _side_by_side(photos))
    after = counts()
    grown = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)}
    assert grown == {("sdk:enrol", 0): 2, ("sdk:search", 0): 1, ("sdk:compare", SeveralFaces.exit_code): 2}


def test_an_operators_own_model_goes_the_same_way(models_dir: Path, photos: Path, tmp_path: Path) -> None:
    own_dir = tmp_path / "models"
    own_dir.mkdir()
    for file in models_dir.iterdir():
        if not file.name.startswith("custom"):
            (own_dir / file.name).symlink_to(file)
    (tmp_path / "own.onnx").write_bytes(embedder(["n", 3, 112, 112], dim=32))
    add(tmp_path / "own.onnx", "own", 32, "arcface112", own_dir)
    policy = open_policy_file(tmp_path, "test")
    settings = Settings(data_dir=tmp_path / "data", models_dir=own_dir, sandbox="best-effort", policy_file=policy)
    with Recogniser(settings) as people:
        with pytest.raises(RequestInvalid, match="threshold"):
            people.create_collection("own", "test", retention_days=30, model="own")
        # Made-up weights tell nobody apart, but a photo is like itself.
        collection = people.create_collection(
            "own", "test", retention_days=30, model="own", thresholds=Thresholds(0.98, 0.98, 1e-3, "test")
        )
        assert (collection.dimension, collection.model_id.partition(":")[0]) == (32, "own")
        (outcome,) = people.enrol(collection, [photos / "obama.jpg"])
        assert isinstance(outcome, Enrolled)
        assert people.verify(outcome.person_id, photos / "obama.jpg").match


def _side_by_side(photos: Path) -> bytes:
    import io

    from PIL import Image

    with Image.open(photos / "obama.jpg") as left, Image.open(photos / "biden.jpg") as right:
        both = Image.new("RGB", (left.width + right.width, max(left.height, right.height)))
        both.paste(left.convert("RGB"), (0, 0))
        both.paste(right.convert("RGB"), (left.width, 0))
    out = io.BytesIO()
    both.save(out, "PNG")
    return out.getvalue()
