"""Who is enrolled and consented stays visible in redacted media: two real people, a confined worker, consent and its end."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from tests.media import memory_file

from moretta import Recogniser
from moretta.core.consent import Age
from moretta.core.consent_proof import PaperProof
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import ProbeTracksRequest
from moretta.core.recognition import Enrolled
from moretta.core.redaction import Redaction
from moretta.core.values import Pixels
from moretta.sdk_redaction import Redactor
from moretta.settings import Settings
from moretta.use_cases.consent.give import Agreement
from moretta.wiring.executor import start_executor

pytestmark = pytest.mark.models
SIDE, GAP = 320, 40
FRAMES = 8
# Grey levels: a face under one colour differs from itself by more, and a picture that was encoded again by less than half.
HIDDEN = 24.0


@pytest.fixture(scope="module")
def settings(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """No policy file: the built-in policy, under which a consent comes first."""
    root = tmp_path_factory.mktemp("visible")
    return Settings(data_dir=root / "data", models_dir=models_dir, sandbox="best-effort", queue_limit_s=120.0)


@pytest.fixture(scope="module")
def people(settings: Settings) -> Iterator[Recogniser]:
    with Recogniser(settings) as found:
        yield found


@dataclass(frozen=True)
class Consenting:
    """Somebody enrolled with a consent on paper."""

    person_id: str
    consent_id: str


def enrolled(people: Recogniser, photo: Path) -> Consenting:
    collection = people.create_collection("team", "pictures of the team", scheme="rotated")
    company_id, collection_id = people.company_id, collection.collection_id
    notice = people.consents.add_notice(
        company_id,
        collection_id,
        language="en",
        controller="Example Ltd",
        text="# You stay visible\n\nIn our pictures.\n",
    )
    paper = Agreement(collection_id, notice.sha256, PaperProof("ab" * 32, "test"), age=Age.ADULT)
    consent = people.consents.give(company_id, paper)
    (outcome,) = people.enrol(collection, [photo], consent_id=consent.consent_id)
    assert isinstance(outcome, Enrolled)
    return Consenting(outcome.person_id, consent.consent_id)


@pytest.fixture(scope="module")
def photos(models_dir: Path) -> Path:
    folder = models_dir.parent / "media" / "people"
    if not {"obama.jpg", "obama2.jpg", "biden.jpg"} <= {path.name for path in folder.glob("*.jpg")}:
        pytest.fail("the photos of the demo's people are not there: run `moretta models install --demo-people`")
    return folder


@pytest.fixture(scope="module")
def both(photos: Path) -> Pixels:
    """Another photo of the one beside a photo of the other, who is not enrolled."""
    made = np.full((SIDE + 2 * GAP, 2 * SIDE + 3 * GAP, 3), 90, np.uint8)
    for column, name in enumerate(("obama2.jpg", "biden.jpg")):
        with Image.open(photos / name) as photo:
            square = photo.convert("RGB")
            square.thumbnail((SIDE, SIDE))
            left = GAP + column * (SIDE + GAP)
            made[GAP : GAP + square.height, left : left + square.width] = np.asarray(square)
    return made


@pytest.fixture(scope="module")
def still(both: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(both).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def clip(both: Pixels) -> bytes:
    """The two move to and fro together."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = both.shape[1], both.shape[0], "yuv420p"
        for index in range(FRAMES):
            moved = np.roll(both, round(8 * np.sin(index / 3)), axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(moved, format="rgb24")))
        container.mux(stream.encode(None))
    return out.getvalue()


def changed(before: Pixels, after: Pixels) -> tuple[float, float]:
    """By how many grey levels the left and the right photo differ where they do the most: in one of a hundred pixels."""
    apart = np.abs(before.astype(np.int16) - after.astype(np.int16))[GAP : SIDE + GAP]
    parts = apart[:, GAP : SIDE + GAP], apart[:, SIDE + 2 * GAP : -GAP]
    left, right = (float(np.percentile(part, 99)) for part in parts)
    return left, right


def picture_of(content: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def frames_of(content: bytes) -> list[Pixels]:
    with av.open(io.BytesIO(content)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def redacted(redactor: Redactor, content: bytes, **wishes: object) -> tuple[bytes, Redaction]:
    out = io.BytesIO()
    done = redactor.redact(content, out, **wishes)  # type: ignore[arg-type]
    return out.getvalue(), done


def test_who_consented_stays_visible_until_they_withdraw(
    people: Recogniser, photos: Path, still: bytes, clip: bytes
) -> None:
    who = enrolled(people, photos / "obama.jpg")
    redactor = Redactor("solid", recogniser=people)
    out, done = redacted(redactor, still, exempt_persons=[who.person_id], strict=True)
    left, right = changed(picture_of(still), picture_of(out))
    assert left == 0, "not a pixel of who consented was touched"
    assert right > HIDDEN
    assert [track.exempt for track in done.tracks].count(True) == 1
    assert done.warnings == ()

    out, done = redacted(redactor, clip, exempt_persons=[who.person_id], check=False)
    apart = [changed(before, after) for before, after in zip(frames_of(clip), frames_of(out), strict=True)]
    assert len(apart) == FRAMES
    assert max(left for left, _ in apart) < HIDDEN / 2, "but for being encoded again"
    assert min(right for _, right in apart) > HIDDEN

    out, done = redacted(redactor, still, only_persons=[who.person_id], check=False)
    left, right = changed(picture_of(still), picture_of(out))
    assert (left > HIDDEN, right) == (True, 0.0), "nobody else is hidden"

    people.consents.withdraw(people.company_id, who.consent_id)
    for wish in ("exempt_persons", "only_persons"):
        out, done = redacted(redactor, still, check=False, **{wish: [who.person_id]})
        assert min(changed(picture_of(still), picture_of(out))) > HIDDEN, "nobody is visible"
        assert not any(track.exempt for track in done.tracks)
        assert [notice.code for notice in done.warnings] == ["redaction.person_not_compared"]


def test_two_workers_follow_the_same_faces_to_the_last_bit(
    settings: Settings, people: Recogniser, still: bytes, clip: bytes
) -> None:
    made = people.create_collection("terms", "any", scheme="plain")
    request = ProbeTracksRequest(ProtectionTerms(Scheme.PLAIN, made.model_id, made.dimension, "key"), 0.5)
    other = start_executor(settings, workers=1)
    try:
        for content in (still, clip):
            with memory_file(content) as fd:
                told = [executor.probe_tracks(fd, request) for executor in (people.redactions, other)]
            assert len({each.tracking for each in told}) == 1
            assert [[replace(track, probe=None) for track in each.tracks] for each in told] == [
                [replace(track, probe=None) for track in told[0].tracks]
            ] * 2
            assert sum(track.probe is not None for track in told[0].tracks) == 2
    finally:
        other.close()
