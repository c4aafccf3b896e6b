"""One protected probe a track, of those only that are clear; and that ids mean the same faces in the next request."""

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tests.unit.use_cases.test_redaction_rounds import (
    SIDE,
    Black,
    MediaInMemory,
    NoCuts,
    NoFollower,
)

from moretta.core.errors import Cancelled, ModelMismatch
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import MAX_TRACKS, ProbedTracks, ProbeTracksRequest
from moretta.core.redaction import FaceToHide, Method, RedactionRequest, Redactor, Scope
from moretta.core.values import Embedding, Face, Floats, Mesh, Pixels, Quality, TrackId
from moretta.protection.schemes import protector
from moretta.use_cases.embed import FaceInstruments
from moretta.use_cases.redaction.find import tracking_of
from moretta.use_cases.redaction.instruments import Detectors, RedactionInstruments
from moretta.use_cases.redaction.probe import EVERY_S, LONGEST_UNSEEN_S, probe_tracks
from moretta.use_cases.redaction.redact import Told, followed, redact

MODEL = "fake:1"
TERMS = ProtectionTerms(Scheme.PLAIN, MODEL, 4, "key")
REQUEST = ProbeTracksRequest(TERMS, 0.5, min_quality=40.0)
FACE, ROW, BRIGHT = 10, 40, 255
RATE = 10  # frames a second of `MediaInMemory`
ANNA, BEN, BLURRED = 0, 1, 3


def picture(faces: dict[int, int]) -> Pixels:
    """Grey, with a face from each of these columns on: red is bright, green says who it is."""
    pixels = np.full((SIDE, SIDE, 3), 60, np.uint8)
    for x, who in faces.items():
        pixels[ROW : ROW + FACE, x : x + FACE] = (BRIGHT, who, 0)
    return pixels


class Squares:
    """Finds the faces of `picture`; with less than `score` they are walls that may be faces."""

    def __init__(self, score: float = 0.9) -> None:
        self._score = score

    def detect(self, pixels: Pixels) -> list[Face]:
        line = pixels[ROW + 5, :, 0] == BRIGHT
        starts = [int(x) for x in np.flatnonzero(line) if x == 0 or not line[x - 1]]
        return [self._face(start) for start in starts]

    def _face(self, x: int) -> Face:
        box = np.array([x, ROW, x + FACE, ROW + FACE], np.float32)
        marks = np.array([[2, 3], [8, 3], [5, 5], [3, 8], [7, 8]]) + np.array([x, ROW])
        return Face(box, marks.astype(np.float32), self._score)


class Embedder:
    """A direction for everybody."""

    model_id = MODEL

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        x, y = landmarks.mean(axis=0).astype(int)
        vector = np.zeros(4, np.float32)
        vector[int(pixels[y, x, 1])] = 1
        return Embedding(vector, MODEL)


def measures() -> FaceInstruments:
    def mesh_of(_: Pixels, face: Face) -> Mesh:
        inside = np.random.default_rng(1).random((468, 3)) * FACE
        inside[:, :2] += face.box[:2]
        return Mesh(inside.astype(np.float32), 0.99)

    def quality_of(pixels: Pixels, mesh: Mesh) -> Quality:
        x, y = mesh.points[:, :2].mean(axis=0).astype(int)
        unified = 10.0 if pixels[y, x, 1] == BLURRED else 80.0
        return Quality(10.0, 90.0, 95.0, 40.0, 90.0, unified, 50.0)

    return FaceInstruments((), mesh_of, quality_of, lambda _: b"")


def instruments(score: float = 0.9) -> RedactionInstruments:
    def redactor(method: Method, seed: int) -> Redactor:
        return Black()

    def describe(pixels: Pixels, face: FaceToHide) -> FaceToHide:
        return face

    found = Squares(score)
    return RedactionInstruments(
        Detectors(found, found, found), Detectors(found, found, found), NoFollower(), NoCuts, describe, redactor
    )


def probed(pictures: Sequence[Pixels], request: ProbeTracksRequest = REQUEST, score: float = 0.9) -> ProbedTracks:
    media = MediaInMemory(list(pictures))
    told = probe_tracks(media, request, instruments(score), measures(), Embedder(), protector(request.terms))
    assert media.made == [], "nothing is written"
    assert all(reader.closed for reader in media.readers)
    return told


def who(payload: bytes | None) -> int | None:
    """Whom a plain probe shows."""
    return None if payload is None else int(np.frombuffer(payload[-16:], np.float32).argmax())


def test_each_clear_track_has_one_probe_of_a_face_of_each_second() -> None:
    told = probed([picture({10: ANNA, 60: BEN})] * (3 * RATE))
    assert [(track.track_id, track.faces, who(track.probe)) for track in told.tracks] == [(1, 3, ANNA), (2, 3, BEN)]
    assert EVERY_S == 1.0


def test_nothing_is_protected_of_tracks_that_come_near_each_other() -> None:
    """Where a detection of the one could have been taken for the other's, who is who after is a guess."""
    apart = [picture({10: ANNA, 60: BEN, 80: ANNA})] * RATE
    aside = [picture({10: ANNA, 60 + step: BEN, 80: ANNA}) for step in (3, 6, 9, 6, 3)]
    told = probed([*apart, *aside, *apart])
    assert [who(track.probe) for track in told.tracks] == [ANNA, BEN, ANNA], "cheek to cheek is not near"
    crossing = [picture({10: ANNA, 60 + step: BEN, 80: ANNA}) for step in (4, 8, 12, 15, 12, 8, 4)]
    told = probed([*apart, *crossing, *apart])
    assert who(told.tracks[0].probe) == ANNA
    assert {who(track.probe) for track in told.tracks[1:]} == {None}


def test_a_track_that_turns_into_somebody_else_is_not_clear() -> None:
    """A cut that nobody noticed: the next face is where the last one was."""
    told = probed([*[picture({10: ANNA, 60: BEN})] * (2 * RATE), *[picture({10: BEN, 60: BEN})] * (2 * RATE)])
    assert [(track.track_id, who(track.probe)) for track in told.tracks] == [(1, None), (2, BEN)]


def test_a_track_without_a_good_face_is_not_clear() -> None:
    told = probed([picture({10: BLURRED, 60: BEN})] * RATE)
    assert [who(track.probe) for track in told.tracks] == [None, BEN]
    assert probed([picture({10: BLURRED})] * RATE, replace(REQUEST, min_quality=5.0)).tracks[0].probe is not None
    assert [track.probe for track in probed([picture({10: ANNA})] * RATE, score=0.4).tracks] == [None]


@pytest.mark.parametrize("place", ["before", "within", "after"])
def test_a_track_that_is_not_seen_well_for_long_is_not_clear(place: str) -> None:
    def frames(unseen_s: float) -> list[Pixels]:
        blurred = [picture({10: BLURRED})] * round(unseen_s * RATE)
        good = [picture({10: ANNA})] * RATE
        return {"before": [*blurred, *good], "within": [*good, *blurred, *good], "after": [*good, *blurred]}[place]

    assert [who(track.probe) for track in probed(frames(LONGEST_UNSEEN_S - 2)).tracks] == [ANNA]
    assert [who(track.probe) for track in probed(frames(LONGEST_UNSEEN_S + 1)).tracks] == [None]


def test_of_a_crowd_over_time_the_longest_tracks_are_protected() -> None:
    """Each picture shows somebody at a place where nobody was before for a while."""
    stays = {80: BEN}
    crowd = [picture({4 * (number % 18): ANNA, **stays} if number % 12 == 0 else stays) for number in range(1300)]
    told = probed(crowd)
    assert len(told.tracks) > MAX_TRACKS
    assert sum(track.probe is not None for track in told.tracks) == MAX_TRACKS
    assert [who(track.probe) for track in told.tracks if track.faces > 1] == [BEN]


def test_ids_mean_the_same_faces_in_the_next_request_for_the_same_media() -> None:
    frames = [picture({10: ANNA, 60: BEN})] * RATE
    told, again = probed(frames), probed(frames, replace(REQUEST, threshold=0.9))
    assert told.tracking == again.tracking
    found, _, _ = followed(MediaInMemory(frames), instruments(), Told(None))
    assert tracking_of(found) == told.tracking
    media = MediaInMemory(frames)
    request = RedactionRequest(scope=Scope.ALL_BUT, tracks=frozenset({TrackId(1)}), tracking=told.tracking)
    done = redact(media, request, instruments())
    assert [track.exempt for track in done.tracks] == [True, False]
    assert (media.made[-1][0][ROW + 5, 15, 0], media.made[-1][0][ROW + 5, 65, 0]) == (BRIGHT, 0)


def test_where_faces_are_followed_otherwise_everybody_is_hidden_and_it_is_said() -> None:
    told = probed([picture({10: ANNA, 60: BEN})] * RATE)
    media = MediaInMemory([picture({11: ANNA, 60: BEN})] * RATE)
    for scope in (Scope.ALL_BUT, Scope.ONLY):
        request = RedactionRequest(scope=scope, tracks=frozenset({TrackId(1)}), tracking=told.tracking)
        done = redact(media, request, instruments())
        assert not any(track.exempt for track in done.tracks)
        assert all((frame[..., 0] != BRIGHT).all() for frame in media.made[-1])
        assert "redaction.followed_otherwise" in [notice.code for notice in done.warnings]


@pytest.mark.parametrize("change", ["place", "score", "time", "scene", "frame", "id"])
def test_how_faces_were_followed_is_named_to_the_last_bit(change: str) -> None:
    found, _, _ = followed(MediaInMemory([picture({10: ANNA})] * RATE), instruments(), Told(None))
    before = tracking_of(found)
    track = found.tracks[0]
    match change:
        case "place":
            track.rows[3][0] = np.nextafter(track.rows[3][0], np.float32(99))
        case "score":
            track.rows[3][14] = np.nextafter(track.rows[3][14], np.float32(99))
        case "time":
            found.times_s[2] += 1e-9
        case "scene":
            found.scenes.append(4)
        case "frame":
            del track.rows[RATE - 1]
        case "id":
            track.track_id = TrackId(2)
    assert tracking_of(found) != before


def test_terms_of_another_model_are_refused() -> None:
    with pytest.raises(ModelMismatch):
        probed([picture({10: ANNA})], replace(REQUEST, terms=replace(TERMS, model_id="other:1")))


def test_media_without_a_face_has_no_track() -> None:
    assert probed([picture({})] * RATE).tracks == ()


def test_it_can_be_cancelled() -> None:
    def cancel(_: object) -> None:
        raise Cancelled("enough")

    frames = [picture({10: ANNA})] * 400
    media = MediaInMemory(frames)

    class Slow(Squares):
        def detect(self, pixels: Pixels) -> list[Face]:
            time.sleep(0.002)  # progress is told every 0.2 s
            return super().detect(pixels)

    slow = replace(instruments(), finding=Detectors(Slow(), Slow(), Slow()))
    with pytest.raises(Cancelled):
        probe_tracks(media, REQUEST, slow, measures(), Embedder(), protector(TERMS), cancel)
    assert all(reader.closed for reader in media.readers)
