"""The instruments of a redaction, and its rehearsal before the worker is confined.

Belongs here: which model and which threshold does what. Does not belong here: how any of them works.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from moretta.core.redaction import FaceToHide, Method, Redaction, RedactionRequest, Redactor
from moretta.core.values import Face, Pixels, TrackId
from moretta.use_cases.redaction.instruments import AttackTools, RedactionInstruments, Reversal
from moretta.use_cases.redaction.plan import tightened
from moretta.vision.avatar import Avatar
from moretta.vision.cuts import CutDetector
from moretta.vision.encode.warm import warm_up
from moretta.vision.gaze import gaze_direction
from moretta.vision.observe import LEAST_PRESENCE
from moretta.vision.openness import eye_openness, mouth_openness
from moretta.vision.pose import head_pose
from moretta.vision.redact import BlurRedactor, MosaicRedactor, PatchFollower, SolidRedactor
from moretta.vision.redact.reversal import deconvolved, smoothed_and_deconvolved
from moretta.vision.redact.strangers import strangers
from moretta.wiring.instruments import Workshop
from moretta.wiring.redacting_wire import parse_redaction_request, redaction_json, redaction_request_json

# Low for hiding: a wall that is hidden costs little. Below .15 CenterFace's heat is noise on most pictures.
HIDING_SCORE = 0.15
# docs/model-cards/centerface.md: .5 gives no false face on photographs. The check counts from there on.
CHECKING_SCORE = 0.5
# px of the longer side: 640 finds 726 of 799 faces of crowds (the same card); the larger finds small ones too.
LEAST_SIDE, SIDE, CAREFUL_SIDE = 320, 640, 1280
_SIDE = 160


def redaction_instruments(workshop: Workshop) -> RedactionInstruments:
    """The instruments of redactions, from the workshop's models."""
    return RedactionInstruments(
        detector=_Sized(workshop, HIDING_SCORE),
        careful=workshop.face_detector(HIDING_SCORE, CAREFUL_SIDE),
        check=_Sized(workshop, CHECKING_SCORE),
        check_careful=workshop.face_detector(CHECKING_SCORE, CAREFUL_SIDE),
        follower=PatchFollower(),
        cuts=CutDetector,
        describe=partial(_described, workshop),
        redactor=_redactor,
        attack=attack_tools(workshop),
    )


# What is left of a face under one colour or an avatar cannot be undone: nothing of it is there.
_REVERSALS: Mapping[Method, Reversal] = {Method.BLUR: deconvolved, Method.MOSAIC: smoothed_and_deconvolved}


def attack_tools(workshop: Workshop) -> Callable[[Method], AttackTools]:
    """What the check attacks each method with."""
    embedder = workshop.quick_embedder
    nobody = strangers(embedder.model_id)
    describe = partial(_described, workshop)
    return lambda method: AttackTools(embedder, describe, partial(_redactor, method), _REVERSALS.get(method), nobody)


class _Sized:
    """A `FaceDetector` that makes no picture larger than it is: that costs time and shows nothing that was not there."""

    def __init__(self, workshop: Workshop, score: float) -> None:
        self._workshop, self._score = workshop, score

    def detect(self, pixels: Pixels) -> list[Face]:
        side = min(SIDE, max(LEAST_SIDE, *pixels.shape[:2]))
        return self._workshop.face_detector(self._score, side).detect(pixels)


def _redactor(method: Method, seed: int) -> Redactor:
    makers: dict[Method, Callable[[], Redactor]] = {
        Method.BLUR: lambda: BlurRedactor(seed),
        Method.MOSAIC: lambda: MosaicRedactor(seed),
        Method.SOLID: SolidRedactor,
        Method.AVATAR: lambda: Avatar(seed),
    }
    return makers[method]()


def _described(workshop: Workshop, pixels: Pixels, face: FaceToHide) -> FaceToHide:
    """`face` with mesh, pose, gaze and openness, where a mesh fits."""
    height, width = pixels.shape[:2]
    mesh = workshop.mesh_of_face(pixels, Face(tightened(face.box), face.landmarks, 1.0))
    if mesh.presence < LEAST_PRESENCE:
        return face
    return FaceToHide(
        face.track_id,
        face.box,
        face.landmarks,
        mesh,
        head_pose(mesh, width, height),
        gaze_direction(mesh),
        eye_openness(mesh),
        mouth_openness(mesh),
    )


def rehearse_redaction(workshop: Workshop) -> None:
    """Hide a made-up face by every method and write every format, so that no later redaction opens a file or loads code."""
    instruments = redaction_instruments(workshop)
    pixels = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    thumbnail = instruments.follower.thumbnail(pixels)
    box, landmarks = np.array([20, 20, 100, 100], np.float32), np.full((5, 2), 60, np.float32)
    instruments.follower.follow(thumbnail, box, thumbnail, 1.0)
    face = instruments.describe(pixels, FaceToHide(TrackId(1), box, landmarks))
    for method in Method:
        instruments.redactor(method, 0).hide(pixels, [face])
    warm_up()
    request = parse_redaction_request(redaction_request_json(RedactionRequest()))
    redaction_json(Redaction(request.method, 1, 1, 1, 0.0, request.sound, "mp4"))
