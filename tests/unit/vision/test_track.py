"""Who keeps which id, on a simulated stage."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from vision_stage import HEIGHT, WIDTH, Person, Stage, StageEmbedder, hidden, standing, walking

from moretta.core.values import Face, Frame, TrackedFace
from moretta.vision.cuts import CutDetector
from moretta.vision.track import FaceTracker


def played(stage: Stage, seconds: float, **options: object) -> list[list[TrackedFace]]:
    tracker = FaceTracker(stage, stage, **options)  # type: ignore[arg-type]
    return [tracker.update(stage.frame(i)) for i in range(round(seconds * stage.rate_hz))]


def ids_of_people(stage: Stage, frames: list[list[TrackedFace]]) -> dict[int, list[int]]:
    """Each person's ids in the order in which they were given."""
    given: dict[int, list[int]] = defaultdict(list)
    for index, faces in enumerate(frames):
        pixels = stage.frame(index).pixels
        for tracked in faces:
            middle = tracked.face.landmarks.mean(0)
            found = stage.who(pixels, float(middle[0]), float(middle[1]))
            if found is not None and found[2] < 0.3 and tracked.track_id not in given[found[0].name]:
                given[found[0].name].append(tracked.track_id)
    return dict(given)


def all_ids(frames: list[list[TrackedFace]]) -> set[int]:
    return {tracked.track_id for faces in frames for tracked in faces}


def test_one_person_has_one_id_and_is_seen_in_every_frame() -> None:
    stage = Stage([Person(1, walking(50, 200, 60))])
    frames = played(stage, 8)
    assert all(len(faces) == 1 for faces in frames)
    assert all_ids(frames) == {1}


@pytest.mark.parametrize("every", [1, 5, 10])
def test_detection_runs_only_now_and_then_while_all_faces_are_followed(every: int) -> None:
    stage = Stage([Person(1, standing(300, 200))])
    frames = played(stage, 4, detect_every=every)
    assert stage.detections == pytest.approx(100 / every, abs=1)
    assert sum(faces[0].detected for faces in frames) == stage.detections


def test_slow_streams_are_detected_at_least_twice_a_second() -> None:
    stage = Stage([Person(1, standing(300, 200))], rate_hz=2)
    played(stage, 10, detect_every=10)
    assert stage.detections == 20


def test_a_newcomer_is_found_within_the_detection_interval() -> None:
    stage = Stage([Person(1, standing(150, 200)), Person(2, hidden(standing(450, 200), 0, 2))])
    frames = played(stage, 3, detect_every=5)
    assert len(frames[49]) == 1
    assert len(frames[56]) == 2


@pytest.mark.parametrize("embedded", [False, True])
@pytest.mark.parametrize("speed", [0, 80])
def test_an_id_survives_a_short_occlusion(embedded: bool, speed: float) -> None:
    stage = Stage([Person(1, hidden(walking(150, 200, speed), 2, 3))])
    frames = played(stage, 5, embedder=StageEmbedder(stage) if embedded else None)
    assert frames[60] == [] and all_ids(frames) == {1}
    assert len(frames[-1]) == 1


def test_an_id_ends_with_a_long_occlusion() -> None:
    stage = Stage([Person(1, hidden(standing(150, 200), 2, 4.5))])
    assert all_ids(played(stage, 6)) == {1, 2}


@pytest.mark.parametrize("place", [(550, 200, 100), (150, 200, 230)])
def test_somebody_elsewhere_or_of_another_size_does_not_inherit_the_id(place: tuple[float, float, float]) -> None:
    stage = Stage([Person(1, hidden(standing(150, 200, 90), 2, 99)), Person(2, hidden(standing(*place), 0, 2.5))])
    ids = ids_of_people(stage, played(stage, 4))
    assert ids == {1: [1], 2: [2]}


def test_another_person_in_the_same_place_gets_another_id_by_appearance() -> None:
    stage = Stage([Person(1, hidden(standing(150, 200), 2, 99)), Person(2, hidden(standing(155, 200), 0, 2.5))])
    ids = ids_of_people(stage, played(stage, 4, embedder=StageEmbedder(stage)))
    assert ids == {1: [1], 2: [2]}


@pytest.mark.parametrize("speed", [60, 120, 250])
@pytest.mark.parametrize("depth", [-1, 1])
def test_two_people_who_cross_keep_their_ids_by_appearance(speed: float, depth: int) -> None:
    stage = Stage([Person(1, walking(60, 200, speed)), Person(2, walking(580, 205, -speed), depth)])
    frames = played(stage, 480 / speed, embedder=StageEmbedder(stage))
    before = ids_of_people(stage, frames[:20])
    after = ids_of_people(stage, [[]] * (len(frames) - 12) + frames[-12:])
    assert {name: ids[-1] for name, ids in after.items()} == {name: ids[0] for name, ids in before.items()}


@pytest.mark.parametrize("speed", [60, 120, 250])
def test_without_appearance_two_people_who_cross_never_share_an_id_in_a_frame(speed: float) -> None:
    stage = Stage([Person(1, walking(60, 200, speed)), Person(2, walking(580, 205, -speed), 1)])
    for faces in played(stage, 480 / speed):
        assert len({tracked.track_id for tracked in faces}) == len(faces)


def test_two_who_swap_places_while_hidden_are_told_apart_or_renamed_but_never_swapped() -> None:
    people = [
        Person(1, lambda t: (200, 200, 100) if t < 2 else None if t < 2.8 else (330, 200, 100)),
        Person(2, lambda t: (330, 200, 100) if t < 2 else None if t < 2.8 else (200, 200, 100)),
    ]
    stage = Stage(people)
    known = ids_of_people(stage, played(stage, 5, embedder=StageEmbedder(stage)))
    assert known == {1: [1], 2: [2]} or known == {1: [2], 2: [1]}


def test_without_appearance_an_unclear_return_gets_a_new_id() -> None:
    people = [
        Person(1, hidden(standing(200, 200), 2, 2.8)),
        Person(2, lambda t: (300, 200, 100) if t < 2 else None),
    ]
    moved = Person(1, lambda t: (200, 200, 100) if t < 2 else None if t < 2.8 else (250, 200, 100))
    stage = Stage([moved, people[1]])
    frames = played(stage, 4)
    assert frames[-1][0].track_id not in (1, 2)


def test_a_crowd_of_twenty_keeps_twenty_ids() -> None:
    people = [Person(i, standing(60 + 125 * (i % 5), 60 + 115 * (i // 5), 80)) for i in range(20)]
    stage = Stage(people)
    frames = played(stage, 1.2)
    assert {len(faces) for faces in frames} == {20}
    assert all_ids(frames) == set(range(1, 21))


def test_no_more_faces_are_followed_than_allowed() -> None:
    people = [Person(i, standing(60 + 125 * (i % 5), 60 + 115 * (i // 5), 80)) for i in range(20)]
    assert {len(faces) for faces in played(Stage(people), 1, max_faces=6)} == {6}


def test_a_face_found_twice_is_one_track() -> None:
    stage = Stage([Person(1, standing(300, 200)), Person(2, standing(450, 200))], twice=True)
    frames = played(stage, 2)
    assert all(len(faces) == 2 for faces in frames)


def test_a_phantom_that_neither_network_is_sure_of_is_not_reported() -> None:
    box = np.array([300, 300, 360, 360], np.float32)
    phantom = Face(box, np.tile(np.float32([330, 330]), (5, 1)) + np.arange(10, dtype=np.float32).reshape(5, 2), 0.51)
    stage = Stage([Person(1, standing(100, 100))], phantom=phantom)
    assert all(len(faces) == 1 for faces in played(stage, 2, least_untrusted_score=0.6))


def test_a_face_that_no_mesh_fits_is_reported_on_the_detectors_word() -> None:
    stage = Stage([Person(1, hidden(standing(300, 200), 2, 9), mesh_fits=False)])
    frames = played(stage, 4)
    assert all(len(faces) == 1 and faces[0].mesh.presence < 0.5 for faces in frames[:50])
    assert all_ids(frames) == {1}
    assert not any(frames[58:])


def test_a_followed_face_that_the_detector_misses_stays() -> None:
    stage = Stage([Person(1, standing(300, 200))])
    tracker = FaceTracker(stage, stage)
    tracker.update(stage.frame(0))
    stage.blind = {1}
    assert all(len(tracker.update(stage.frame(i))) == 1 for i in range(1, 60))


def test_irises_are_measured_as_often_as_asked() -> None:
    stage = Stage([Person(1, standing(300, 200))])
    frames = played(stage, 2, iris_every=2, detect_every=10)
    assert [faces[0].mesh.irises is not None for faces in frames] == [True, False] * 25


def test_appearance_is_looked_at_seldom() -> None:
    stage = Stage([Person(1, standing(300, 200))])
    embedder = StageEmbedder(stage)
    played(stage, 20, embedder=embedder)
    assert embedder.calls <= 14


def scene(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, HEIGHT // 6, axis=0), WIDTH // 8, axis=1)


def test_a_cut_ends_all_tracks() -> None:
    stage = Stage([Person(1, standing(300, 200))])
    tracker = FaceTracker(stage, stage)
    first = [tracker.update(stage.frame(i, scene(1))) for i in range(10)]
    second = [tracker.update(stage.frame(i, scene(2))) for i in range(10, 20)]
    assert all_ids(first) == {1} and all_ids(second) == {2}
    assert all(len(faces) == 1 for faces in second)


@pytest.mark.parametrize("factor", [0.4, 1.8])
def test_a_flash_or_a_dimmed_lamp_is_no_cut(factor: float) -> None:
    cuts = CutDetector()
    dim = (scene(1) * 0.5).astype(np.uint8)
    cuts.cut_before(dim)
    assert not cuts.cut_before((dim * factor).astype(np.uint8))


def test_a_fade_to_black_is_a_cut_and_black_on_black_is_not() -> None:
    cuts, black = CutDetector(), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cuts.cut_before(scene(1))
    assert cuts.cut_before(black)
    assert not cuts.cut_before(black)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (3, 3)])
def test_odd_pictures_are_tracked_without_a_fall(shape: tuple[int, int]) -> None:
    stage = Stage([])
    tracker = FaceTracker(stage, stage)
    for i in range(5):
        assert tracker.update(Frame(np.full((*shape, 3), i, np.uint8), i, i * 40_000_000)) == []


@pytest.mark.parametrize("seed", range(6))
def test_in_a_random_bustle_no_id_settles_on_two_people(seed: int) -> None:
    """People wander, cross and hide; with appearance, an id stays with whoever had it when they stood apart."""
    rng = np.random.default_rng(seed)

    def wanderer() -> object:
        phase, pace, reach = rng.uniform(0, 6, 2), rng.uniform(0.3, 0.9, 2), rng.uniform(100, 220)
        off = float(rng.uniform(2, 8))

        def at(t: float) -> tuple[float, float, float] | None:
            if off <= t < off + 0.8:
                return None
            return (320 + reach * np.sin(pace[0] * t + phase[0]), 240 + 40 * np.sin(pace[1] * t + phase[1]), 80.0)

        return at

    stage = Stage([Person(i, wanderer(), depth=i) for i in range(4)])  # type: ignore[arg-type]
    owners: dict[int, list[int]] = defaultdict(list)
    for index, faces in enumerate(played(stage, 12, embedder=StageEmbedder(stage))):
        pixels = stage.frame(index).pixels
        assert len({tracked.track_id for tracked in faces}) == len(faces)
        for tracked in faces:
            middle = tracked.face.landmarks.mean(0)
            found = stage.who(pixels, float(middle[0]), float(middle[1]))
            if found is not None and found[2] < 0.3:
                owners[tracked.track_id].append(found[0].name)
    wrong = sum(len(names) - max(names.count(name) for name in set(names)) for names in owners.values())
    assert wrong <= 0.05 * sum(len(names) for names in owners.values())


@pytest.mark.models
def test_one_id_through_the_whole_demonstration_clip(models_dir: Path, talking_clip: Path) -> None:
    import av

    from moretta.vision.detect import CenterFaceDetector
    from moretta.vision.landmarks import FaceMesh
    from moretta.vision.sessions import open_session

    detector = CenterFaceDetector(open_session(models_dir / "centerface.onnx"), long_side=320)
    mesh = FaceMesh(
        open_session(models_dir / "face-landmark.tflite"), open_session(models_dir / "iris-landmark.tflite")
    )
    tracker = FaceTracker(detector, mesh, detect_every=10, iris_every=10)
    seen: list[int] = []
    frames = 0
    with av.open(str(talking_clip)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            if index % 2:  # half the frames: twice the motion between two of them, and half the time
                continue
            faces = tracker.update(Frame(picture.to_ndarray(format="rgb24"), index, round(picture.time * 1e9)))
            seen.extend(tracked.track_id for tracked in faces)
            frames += 1
    assert set(seen) == {1}
    assert len(seen) >= 0.99 * frames
