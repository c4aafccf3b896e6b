"""The instruments of a redaction, and its rehearsal before the worker is confined.

Belongs here: which model and which threshold does what. Does not belong here: how any of them works.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from moretta.core.limits import MediaLimits
from moretta.core.redaction import FaceToHide, Method, RedactionRequest, Redactor
from moretta.core.values import Face, Pixels
from moretta.use_cases.redaction.find import merged
from moretta.use_cases.redaction.instruments import AttackTools, Detectors, RedactionInstruments, Reversal
from moretta.use_cases.redaction.plan import tightened
from moretta.use_cases.redaction.redact import redact
from moretta.vision.cuts import CutDetector
from moretta.vision.encode import DescriptorMedia
from moretta.vision.encode.warm import warm_up
from moretta.vision.gaze import gaze_direction
from moretta.vision.observe import LEAST_PRESENCE
from moretta.vision.openness import eye_openness, mouth_openness
from moretta.vision.pose import head_pose
from moretta.vision.redact import BlurRedactor, MosaicRedactor, PatchFollower, SolidRedactor
from moretta.vision.redact.reversal import deconvolved, smoothed_and_deconvolved
from moretta.vision.redact.strangers import strangers
from moretta.vision.rewrite import rewritten
from moretta.wiring.face_workshop import FaceWorkshop
from moretta.wiring.redacting_wire import parse_redaction_request, redaction_json, redaction_request_json

# Low for hiding: a wall that is hidden costs little. Below .15 CenterFace's heat is noise on most pictures.
HIDING_SCORE = 0.15
# docs/model-cards/centerface.md: .5 gives no false face on photographs. The check counts from there on.
CHECKING_SCORE = 0.5
# px of the longer side at which frames of a video are looked at, by the first pass and by the check, which looks at more frames;
# never larger than they are, but at least `LEAST_SIDE`. Now and then `CAREFUL_SIDE` shows small faces. What each size finds of
# labelled crowds: the table of `python -m training.measure_redaction sizes` in docs/model-cards/redaction.md.
LEAST_SIDE, SIDE, CHECKING_SIDE, CAREFUL_SIDE = 320, 640, 512, 960
# A still is looked at as it is, at most at `STILL_SIDE`, and at these multiples of that: halved, large faces that are cut or
# covered are found, doubled (and still under `STILL_SIDE`), small ones (the same table). The check does without the doubled one.
STILL_SIDE = 1280
STILL_TIMES, STILL_CHECKING_TIMES = (1.0, 0.5, 2.0), (1.0, 0.5)
_SIDE = 160
_STAGED = Face(
    np.array([20, 20, 100, 100], np.float32),
    np.array([[45, 50], [75, 50], [60, 65], [50, 80], [70, 80]], np.float32),
    0.9,
)


def redaction_instruments(workshop: FaceWorkshop) -> RedactionInstruments:
    """The instruments of redactions, from the workshop's models."""
    return RedactionInstruments(
        finding=_detectors(workshop, HIDING_SCORE, SIDE, STILL_TIMES),
        checking=_detectors(workshop, CHECKING_SCORE, CHECKING_SIDE, STILL_CHECKING_TIMES),
        follower=PatchFollower(),
        cuts=CutDetector,
        describe=partial(_described, workshop),
        redactor=_redactor,
        attack=attack_tools(workshop),
    )


def _detectors(workshop: FaceWorkshop, score: float, side: int, still_times: Sequence[float]) -> Detectors:
    return Detectors(
        quick=_Sized(workshop, score, side),
        careful=workshop.face_detector(score, CAREFUL_SIDE),
        still=_AtSeveralSizes(workshop, score, still_times),
    )


# What is left of a face under one colour or an avatar cannot be undone: nothing of it is there.
_REVERSALS: Mapping[Method, Reversal] = {Method.BLUR: deconvolved, Method.MOSAIC: smoothed_and_deconvolved}


def attack_tools(workshop: FaceWorkshop) -> Callable[[Method], AttackTools]:
    """What the check attacks each method with."""
    embedder = workshop.quick_embedder
    nobody = strangers(embedder.model_id)
    describe = partial(_described, workshop)
    return lambda method: AttackTools(embedder, describe, partial(_redactor, method), _REVERSALS.get(method), nobody)


class _Sized:
    """A `FaceDetector` that makes no picture larger than it is: that costs time and shows nothing that was not there."""

    def __init__(self, workshop: FaceWorkshop, score: float, side: int) -> None:
        self._workshop, self._score, self._side = workshop, score, side

    def detect(self, pixels: Pixels) -> list[Face]:
        side = min(self._side, max(LEAST_SIDE, *pixels.shape[:2]))
        return self._workshop.face_detector(self._score, side).detect(pixels)


class _AtSeveralSizes:
    """A `FaceDetector` that looks at a picture at multiples of its size."""

    def __init__(self, workshop: FaceWorkshop, score: float, times: Sequence[float]) -> None:
        self._workshop, self._score, self._times = workshop, score, times

    def detect(self, pixels: Pixels) -> list[Face]:
        whole = min(STILL_SIDE, max(pixels.shape[:2]))
        faces: list[Face] = []
        for side in dict.fromkeys(min(STILL_SIDE, round(whole * times)) for times in self._times):
            faces = merged(faces, self._workshop.face_detector(self._score, side).detect(pixels))
        return faces


def _redactor(method: Method, seed: int) -> Redactor:
    match method:
        case Method.BLUR:
            return BlurRedactor(seed)
        case Method.MOSAIC:
            return MosaicRedactor(seed)
        case Method.SOLID:
            return SolidRedactor()
        case Method.AVATAR:
            # Loads a compiler: half of the time in which a worker for the other methods is ready.
            from moretta.vision.avatar import Avatar

            return Avatar(seed)


def _described(workshop: FaceWorkshop, pixels: Pixels, face: FaceToHide) -> FaceToHide:
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


def rehearse_redaction(workshop: FaceWorkshop, methods: Iterable[Method] = tuple(Method)) -> None:
    """Redact noise with a made-up face by `methods` and write every format, so that no later one opens a file or loads code.

    The face is put there by hand, since no detector finds one in noise: so every attack of the check runs as well.
    """
    instruments = redaction_instruments(workshop)
    noise = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    instruments.finding.still.detect(noise)
    thumbnail = instruments.follower.thumbnail(noise)
    instruments.follower.follow(thumbnail, _STAGED.box, thumbnail, 1.0)
    sees, blind = _Staged((_STAGED,)), _Staged()
    staged = replace(instruments, finding=Detectors(sees, sees, sees), checking=Detectors(blind, blind, blind))
    still = rewritten(noise)
    for method in methods:
        media, output = os.memfd_create("rehearsal"), os.memfd_create("rehearsal")
        try:
            os.write(media, still)
            os.ftruncate(output, 2**20)
            request = parse_redaction_request(redaction_request_json(RedactionRequest(method)))
            redaction_json(redact(DescriptorMedia(media, output, MediaLimits()), request, staged))
        finally:
            os.close(media)
            os.close(output)
    warm_up()


@dataclass(frozen=True, slots=True)
class _Staged:
    """A `FaceDetector` that finds the same everywhere."""

    faces: tuple[Face, ...] = ()

    def detect(self, pixels: Pixels) -> list[Face]:
        return list(self.faces)
