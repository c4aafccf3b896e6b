"""What the check's attacks count, on pictures whose person a fake recogniser can read."""

from collections.abc import Sequence

import numpy as np
import pytest

from moretta.core.redaction import FaceToHide, Redactor
from moretta.core.values import Embedding, Floats, Pixels, TrackId
from moretta.use_cases.redaction.attacks import (
    MOST_OF_A_TRACK,
    MOST_SAMPLES,
    Attacked,
    LeakAttacks,
    by_chance,
    only_inside,
    same_people,
    sampled_faces,
)
from moretta.use_cases.redaction.instruments import AttackTools
from moretta.use_cases.redaction.plan import Plan
from moretta.use_cases.redaction.tracks import Span

SIDE = 80.0
FRAMES = 10
COLOURS = (np.array([220, 60, 40]), np.array([40, 210, 60]), np.array([60, 50, 230]))


def box_at(x: float, side: float = SIDE) -> Floats:
    return np.array([x, 20, x + side, 20 + side], np.float32)


def span(track: int, x: float, side: float = SIDE, score: float = 0.9) -> Span:
    box = box_at(x, side)
    rows = np.tile(np.concatenate([box, np.tile((box[:2] + box[2:]) / 2, 5), [score]]), (FRAMES, 1))
    return Span(TrackId(track), 0, rows.astype(np.float32), FRAMES)


def plan(*spans: Span) -> Plan:
    return Plan(spans, (), 1.0, FRAMES)


def scene(people: int) -> Pixels:
    """A person is a colour here, and stands where the plan's spans are."""
    pixels = np.full((160, 400, 3), 90, np.uint8)
    for number in range(people):
        left = 20 + 120 * number
        pixels[0:140, left - 15 : left + 110] = COLOURS[number]
    return pixels


class ByColour:
    """A recogniser of colours: the direction of the mean colour at the landmarks, as seen from grey."""

    model_id = "colour:0"

    def __init__(self) -> None:
        self.calls = 0

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        self.calls += 1
        x, y = landmarks.mean(axis=0).round().astype(int)
        colour = pixels[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3).mean(axis=0) - 127.5
        if np.linalg.norm(colour) < 1:
            raise ValueError("grey is nobody")
        return Embedding((colour / np.linalg.norm(colour)).astype(np.float32), self.model_id)


class Faint:
    """Draws a colour over a face in which the face's own still shows."""

    def __init__(self, share: float, colour: Sequence[int] = (200, 200, 10)) -> None:
        self._share, self._colour = share, np.array(colour)

    def hide(self, pixels: Pixels, faces: Sequence[FaceToHide]) -> None:
        for face in faces:
            left, top, right, bottom = face.box.astype(int)
            part = pixels[max(top, 0) : bottom, max(left, 0) : right]
            part[:] = part * self._share + self._colour * (1 - self._share)


def unchanged(pixels: Pixels, face: FaceToHide) -> FaceToHide:
    return face


def tools(redactor: Redactor, *, strangers: int = 0, embedder: ByColour | None = None) -> AttackTools:
    lots = np.random.default_rng(0).normal(size=(strangers, 3))
    return AttackTools(
        embedder or ByColour(),
        unchanged,
        lambda _: redactor,
        None,
        (lots / np.maximum(np.linalg.norm(lots, axis=1, keepdims=True), 1e-9)).astype(np.float32),
    )


def attacked(redactor: Redactor, people: int, given: AttackTools, frames: int = FRAMES) -> Attacked:
    spans = [span(number + 1, 20 + 120 * number) for number in range(people)]
    attacks = LeakAttacks(plan(*spans), given, seed=3)
    for index in range(frames):
        original = scene(people)
        attacks.take_original(original, index)
        redactor.hide(original, [FaceToHide(s.track_id, s.rows[0, :4], s.rows[0, 4:14].reshape(5, 2)) for s in spans])
        attacks.take_output(original, index, 1.0)
    return attacks.conclude()


def test_faces_under_a_method_that_hides_nothing_are_all_found_again() -> None:
    found = attacked(Faint(1.0), 3, tools(Faint(1.0)))
    assert (found.gallery_size, found.trials, found.reidentified) == (3, MOST_SAMPLES, MOST_SAMPLES)
    assert found.reversal_similarity == pytest.approx(1.0, abs=1e-3)


def test_who_merely_looks_like_the_cover_is_not_found() -> None:
    """The cover's colour is nearest to the only person's of the item, and to each of twenty strangers' less."""
    near = Faint(0.0, tuple(int(value) for value in COLOURS[0]))
    found = attacked(near, 1, tools(near, strangers=20))
    assert found.trials > 0
    assert found.reidentified == 0
    assert attacked(Faint(1.0), 1, tools(Faint(1.0), strangers=20)).reidentified == found.trials


def test_faces_under_one_colour_are_found_no_oftener_than_by_chance() -> None:
    found = attacked(Faint(0.0), 3, tools(Faint(0.0)))
    assert found.trials == MOST_SAMPLES
    assert found.reidentified <= found.trials / 3
    assert found.reversal_similarity is not None
    assert found.reversal_similarity < 0.5


def test_who_knows_the_method_finds_what_a_plain_recogniser_does_not() -> None:
    faint = Faint(0.12)
    knowing = attacked(faint, 3, tools(faint))
    other = attacked(faint, 3, tools(Faint(0.0)))
    assert knowing.reidentified == knowing.trials
    assert other.reidentified < other.trials


def test_an_item_of_one_person_is_compared_with_strangers() -> None:
    found = attacked(Faint(1.0), 1, tools(Faint(1.0), strangers=9))
    assert (found.gallery_size, found.trials, found.reidentified) == (10, MOST_OF_A_TRACK, MOST_OF_A_TRACK)
    alone = attacked(Faint(1.0), 1, tools(Faint(1.0)))
    assert (alone.gallery_size, alone.trials) == (1, 0), "one of one is no finding"


def test_an_item_without_a_large_sure_face_is_not_attacked() -> None:
    small, unsure = span(1, 20, side=30.0), span(2, 140, score=0.3)
    assert list(sampled_faces(plan(small, unsure))) == []
    assert LeakAttacks(plan(small, unsure), tools(Faint(0.0)), 0).conclude() == Attacked()


def test_a_face_that_the_recogniser_refuses_is_left_out() -> None:
    grey = np.full((160, 400, 3), 127, np.uint8)
    attacks = LeakAttacks(plan(span(1, 20)), tools(Faint(1.0)), 0)
    attacks.take_original(grey, 0)
    attacks.take_output(grey, 0, 1.0)
    assert attacks.conclude() == Attacked()


def test_the_number_of_embeddings_is_bounded_whatever_the_length_and_the_crowd() -> None:
    crowd = plan(*(span(number, 20 + number, side=60.0 + number) for number in range(40)))
    chosen = list(sampled_faces(crowd))
    assert len(chosen) == MOST_SAMPLES
    assert {int(face.track_id) for _, face in chosen} == set(range(28, 40)), "the largest"
    embedder = ByColour()
    attacked(Faint(1.0), 3, tools(Faint(1.0), embedder=embedder))
    assert embedder.calls <= 5 * MOST_SAMPLES


def test_the_samples_of_a_face_are_spread_over_its_time() -> None:
    assert [index for index, _ in sampled_faces(plan(span(1, 20)))] == [0, 3, 6, 9]


def test_places_are_scaled_to_an_output_that_was_decoded_smaller() -> None:
    attacks = LeakAttacks(plan(span(1, 20)), tools(Faint(1.0), strangers=5), 0)
    attacks.take_original(scene(1), 0)
    attacks.take_output(scene(1)[::2, ::2], 0, 0.5)
    assert attacks.conclude().reversal_similarity == pytest.approx(1.0, abs=1e-3)


def test_what_is_outside_of_the_cover_is_grey_to_the_attackers() -> None:
    seen = only_inside(np.full((100, 100, 3), 7, np.uint8), np.array([20, 30, 80, 70], np.float32))
    assert (seen[50, 22:78] == 7).all()
    assert (seen[31, 22] == 127).all(), "a corner of the box"
    assert (seen[:29] == 127).all()


def test_a_cover_beyond_the_picture_is_cut_at_its_edge() -> None:
    far = span(1, 360.0)
    attacks = LeakAttacks(plan(far), tools(Faint(1.0)), 0)
    for index, _ in sampled_faces(plan(far)):
        attacks.take_original(scene(3), index)
    assert attacks.conclude() == Attacked(), "no output, no finding"


def test_tracks_of_one_person_are_one_in_the_gallery() -> None:
    east, near, north = (np.array(v, np.float32) for v in ([1, 0], [0.95, 0.312], [0, 1]))
    people = same_people({TrackId(1): east, TrackId(2): north, TrackId(3): near}, 0.9)
    assert people[TrackId(1)] == people[TrackId(3)] != people[TrackId(2)]


def test_chance_is_the_binomial_tail() -> None:
    assert by_chance(0, 5, 10) == pytest.approx(1.0)
    assert by_chance(1, 2, 10) == pytest.approx(0.19)
    assert by_chance(2, 2, 10) == pytest.approx(0.01)
