"""Requests and results of recognition survive the way to a worker and back; anything else that a worker sends is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from moretta.core.errors import RequestInvalid, WorkerLost
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import (
    MAX_FACES,
    MAX_PAYLOAD_BYTES,
    MAX_TRACKS,
    Compared,
    CompareRequest,
    Embedded,
    EmbeddedFace,
    EmbedRequest,
    ProbedTrack,
    ProbedTracks,
    ProbeTracksRequest,
    Wanted,
)
from moretta.core.values import TrackId
from moretta.sandbox.frames import REQUEST_LIMIT, RESULT_LIMIT
from moretta.wiring.recognising_wire import (
    compare_request_json,
    compared_json,
    embed_request_json,
    embedded_json,
    parse_compare_request,
    parse_compared,
    parse_embed_request,
    parse_embedded,
    parse_probe_tracks_request,
    parse_probed_tracks,
    probe_tracks_request_json,
    probed_tracks_json,
)
from moretta.wiring.requests import RequestKind, tagged, untagged

TERMS = ProtectionTerms(Scheme.HE, "model:1", 192, "gk_1", bytes(range(256)) * 300)
PHOTO = b"\xff\xd8\xff" + bytes(1000)
COMPONENTS = (("sharpness", 90.0), ("head_pose", 100.0))


def _face(reference: bytes | None = None, probe: bytes | None = b"\x00probe\xff", reason: str = "") -> EmbeddedFace:
    return EmbeddedFace((1.5, 2.0, 3.25, 4.0), 81.5, COMPONENTS, reference, probe, reason)


REFERENCE = EmbedRequest(TERMS, Wanted.REFERENCE, 40.0, photo=True)
PROBE = EmbedRequest(TERMS, Wanted.PROBE)


def test_requests_arrive_as_they_were_sent() -> None:
    assert parse_embed_request(embed_request_json(REFERENCE)) == REFERENCE
    assert len(embed_request_json(REFERENCE)) < REQUEST_LIMIT
    asked = CompareRequest("model:1", 0.5)
    assert parse_compare_request(compare_request_json(asked, 1234)) == (asked, 1234)


def test_a_crowd_of_the_longest_payloads_fits_into_a_result() -> None:
    crowd = Embedded(tuple(_face(probe=bytes(16 * 1024)) for _ in range(MAX_FACES)))
    raw = embedded_json(crowd)
    assert len(raw) < RESULT_LIMIT
    assert parse_embedded(raw, PROBE) == crowd


@pytest.mark.parametrize(
    ("embedded", "request_"),
    [
        (Embedded((_face(b"\x01reference"),), PHOTO), REFERENCE),
        (Embedded((_face(probe=None, reason="it is blurred"),)), REFERENCE),
        (Embedded(()), REFERENCE),
        (Embedded((_face(probe=None), _face(probe=None))), REFERENCE),
        (Embedded((_face(), _face(probe=None, reason="too small"))), PROBE),
    ],
    ids=["enrolled", "refused", "nobody", "several", "group"],
)
def test_results_arrive_as_they_were_sent(embedded: Embedded, request_: EmbedRequest) -> None:
    assert parse_embedded(embedded_json(embedded), request_) == embedded


@pytest.mark.parametrize(
    ("embedded", "request_"),
    [
        (Embedded((_face(b"r"), _face(b"r"))), REFERENCE),
        (Embedded((_face(b"r"),)), PROBE),
        (Embedded((_face(),), PHOTO), PROBE),
        (Embedded((_face(b"r"),), b"<svg>"), REFERENCE),
        (Embedded((_face(reason="but protected"),)), PROBE),
        (Embedded((_face(probe=None),)), PROBE),
        (Embedded((_face(), _face())), EmbedRequest(TERMS, Wanted.PROBE, max_faces=1)),
    ],
    ids=[
        "several references",
        "a reference for a probe",
        "a photo unasked",
        "no picture",
        "both",
        "neither",
        "too many",
    ],
)
def test_more_than_was_asked_for_is_refused(embedded: Embedded, request_: EmbedRequest) -> None:
    with pytest.raises(WorkerLost):
        parse_embedded(embedded_json(embedded), request_)


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda face: face.update(embedding=[0.1, 0.2]),
        lambda face: face.pop("quality"),
        lambda face: face.update(quality=101),
        lambda face: face.update(quality="90"),
        lambda face: face.update(quality=float("nan")),
        lambda face: face.update(box=[0, 0, 1]),
        lambda face: face.update(box=[0, 0, 1, 1e300]),
        lambda face: face.update(probe="not base64!"),
        lambda face: face.update(probe=None, reason="\x1b[2J"),
        lambda face: face.update(probe=None, reason="x" * 10_000),
        lambda face: face.update(components=[["a", 1.0]] * 100),
    ],
    ids=["extra", "missing", "range", "type", "nan", "box", "far", "base64", "terminal", "long", "many"],
)
def test_a_face_of_another_shape_is_refused(change: Change) -> None:
    told = json.loads(embedded_json(Embedded((_face(),))))
    change(told["faces"][0])
    with pytest.raises(WorkerLost):
        parse_embedded(json.dumps(told).encode(), PROBE)


def test_a_payload_beyond_every_scheme_is_refused() -> None:
    told = json.loads(embedded_json(Embedded((_face(),))))
    told["faces"][0]["probe"] = "A" * (2 * MAX_PAYLOAD_BYTES)
    with pytest.raises(WorkerLost):
        parse_embedded(json.dumps(told).encode(), PROBE)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"faces": 1, "photo": null}'])
def test_what_is_no_result_is_refused(raw: bytes) -> None:
    with pytest.raises(WorkerLost):
        parse_embedded(raw, PROBE)
    with pytest.raises(WorkerLost):
        parse_compared(raw)


def test_a_comparison_tells_a_decision_only_where_there_is_one() -> None:
    face, refused = _face(probe=None), _face(probe=None, reason="covered")
    for compared in (
        Compared(True, (face,), (face,)),
        Compared(None, (face,), ()),
        Compared(None, (refused,), (face,)),
    ):
        assert parse_compared(compared_json(compared)) == compared
    for wrong in (
        Compared(True, (), (face,)),
        Compared(True, (refused,), (face,)),
        Compared(None, (face,), (face,)),
        Compared(True, (_face(),), (face,)),
    ):
        with pytest.raises(WorkerLost):
            parse_compared(compared_json(wrong))


def test_a_request_says_of_which_kind_it_is() -> None:
    for kind in RequestKind:
        assert untagged(tagged(kind, b"body\nwith lines")) == (kind, b"body\nwith lines")
    for odd in (b"", b"enrol\n{}", b"\xff\n{}", b"{}"):
        with pytest.raises(RequestInvalid):
            untagged(odd)


def _tracks(count: int = 2, faces: int = 1, probe: bytes | None = b"\x00probe\xff") -> ProbedTracks:
    return ProbedTracks("0a" * 32, tuple(ProbedTrack(TrackId(1 + n), faces, probe) for n in range(count)))


def test_tracks_and_what_is_asked_of_them_arrive_as_they_were_sent() -> None:
    asked = ProbeTracksRequest(TERMS, 0.5, 40.0)
    assert parse_probe_tracks_request(probe_tracks_request_json(asked)) == asked
    assert len(probe_tracks_request_json(asked)) < REQUEST_LIMIT
    for tracks in (_tracks(0), _tracks(), _tracks(MAX_TRACKS + 5, 0, None), _tracks(MAX_TRACKS)):
        assert parse_probed_tracks(probed_tracks_json(tracks)) == tracks
    assert len(probed_tracks_json(_tracks(MAX_TRACKS, probe=bytes(MAX_PAYLOAD_BYTES)))) < RESULT_LIMIT


@pytest.mark.parametrize(
    "wrong",
    [
        lambda found: found.update(tracking="0A" * 32),
        lambda found: found.update(tracking=""),
        lambda found: found.update(vector=[0.1]),
        lambda found: found["tracks"][0].update(track_id=2),
        lambda found: found["tracks"][0].update(track_id=0),
        lambda found: found["tracks"][0].update(faces=0),
        lambda found: found["tracks"][0].update(probe="A" * (2 * MAX_PAYLOAD_BYTES)),
        lambda found: found["tracks"][0].update(embedding=[0.1]),
        lambda found: found["tracks"].extend({"track_id": n, "faces": 1, "probe": "AA=="} for n in range(3, 200)),
    ],
    ids=["capitals", "unnamed", "a vector", "twice", "no id", "of no face", "too long", "an embedding", "too many"],
)
def test_other_tracks_than_were_asked_for_are_refused(wrong: Callable[[dict[str, Any]], None]) -> None:
    found = json.loads(probed_tracks_json(_tracks()))
    wrong(found)
    with pytest.raises(WorkerLost):
        parse_probed_tracks(json.dumps(found).encode())
