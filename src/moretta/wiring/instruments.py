"""The instruments of an analysis, built from the installed models.

Belongs here: which model does which task under which profile. Does not belong here: how any of them works.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from moretta.core.analysis import AnalysisRequest, Feature, ModelUse
from moretta.core.errors import ModelMismatch
from moretta.core.ports import AttributeModel, CueMeter, FaceEmbedder, TrustCue
from moretta.core.values import Face, FaceSample, MediaKind, Mesh, Pixels, Profile, Quality
from moretta.signals.blinks import BlinkMeter
from moretta.signals.pulse import PulseMeter
from moretta.signals.synchrony import SynchronyMeter
from moretta.signals.voice import VoiceMeter
from moretta.trust import conditions
from moretta.trust.blending_detector import BlendingDetector, blending_weights
from moretta.trust.cues import standard_cues
from moretta.trust.fuse import CalibratedFusion
from moretta.trust.recapture import texture_weights
from moretta.trust.scorers import ANTI_SPOOFING, LEARNED_BLENDING
from moretta.use_cases.embed import FaceInstruments
from moretta.use_cases.instruments import Instruments
from moretta.vision.antispoof import FaceAntiSpoofing
from moretta.vision.attributes import AgeModel, ExpressionModel, GenderModel
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.models.store import file_sha256
from moretta.vision.observe import observe
from moretta.vision.pose import head_pose
from moretta.vision.posture import BlazePosture
from moretta.vision.quality import face_quality
from moretta.vision.rewrite import rewritten
from moretta.vision.sessions import OnnxSession
from moretta.vision.track import FaceTracker
from moretta.wiring.embedders import own_embedders
from moretta.wiring.face_workshop import FaceWorkshop

# A still may show a crowd; a video is followed face by face, and each one costs time in every frame.
MAX_FACES_STILL = 100
MAX_FACES_VIDEO = 20

# docs/model-cards/centerface.md: .5 gives no false face on photographs; tightly cut faces, as on passes, are found from .3 on.
STILL_SCORES = (0.5, 0.3)

# The cues that ask a network of their own, and its name; the face embedder also serves the tracker and is always used.
NETWORK_CUES = {ANTI_SPOOFING: "face-antispoofing", LEARNED_BLENDING: "blending"}


@dataclass(frozen=True, slots=True)
class _Effort:
    """What a profile spends: the detector's long side in px for stills and videos, and the frames between two detections."""

    still_side: int
    video_side: int
    detect_every: int


# docs/model-cards/centerface.md has the recall on crowds: 726 of 799 faces at 640, 692 at 320.
_EFFORT = {Profile.FAST: _Effort(480, 320, 10), Profile.ACCURATE: _Effort(640, 640, 5)}


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """A cue that is measured on fewer kinds of media than it could be."""

    cue: TrustCue
    kinds: frozenset[MediaKind]

    @property
    def name(self) -> str:
        return self.cue.name

    def start(self) -> CueMeter:
        return self.cue.start()


class Workshop(FaceWorkshop):
    """All models loaded once; hands out the instruments of one request.

    Raises:
        ModelMissing, ModelCorrupt: a default model is not there as the catalogue names it.
    """

    def __init__(self, models_dir: Path, *, allow_expression: bool = False) -> None:
        super().__init__(models_dir)
        self._embedders: dict[str, FaceEmbedder] = {self._careful_embedder.model_id: self._careful_embedder}
        self._embedders |= own_embedders(models_dir)
        self._spoof = FaceAntiSpoofing(self._open("face-antispoofing"))
        weights = blending_weights()
        self._blending = BlendingDetector(OnnxSession(weights))
        self._used["blending"] = ModelUse("blending", file_sha256(weights))
        self._used["texture"] = ModelUse("texture", file_sha256(texture_weights()))
        self._posture = BlazePosture(self._open("pose-detection"), self._open("pose-landmark"))
        self._attributes: dict[Feature, AttributeModel] = {
            Feature.AGE: AgeModel(self._open("age")),
            Feature.GENDER: GenderModel(self._open("gender")),
        }
        if allow_expression:
            self._attributes[Feature.EXPRESSION] = ExpressionModel(self._open("expression"))
        self._cues = standard_cues(self._embedder, self._spoof, self._blending)
        self._fusion = CalibratedFusion()
        self._counted = {kind: self._fusion.counted(kind) | {conditions.NAME} for kind in MediaKind}

    def instruments(self, request: AnalysisRequest) -> Instruments:
        """The instruments for `request`."""
        wants = request.features
        effort = _EFFORT[request.profile]
        detector = CenterFaceDetector(self._detector, long_side=effort.video_side)
        still_detector = CenterFaceDetector(self._detector, long_side=effort.still_side)
        attributes = tuple(model for feature, model in self._attributes.items() if feature in wants)
        return Instruments(
            tracker=partial(
                FaceTracker,
                detector,
                self._mesh,
                detect_every=effort.detect_every,
                max_faces=MAX_FACES_VIDEO,
                embedder=self._embedder,
            ),
            still_tracker=partial(FaceTracker, still_detector, self._mesh, detect_every=1, max_faces=MAX_FACES_STILL),
            observe=observe,
            quality_of=_quality_of,
            pulse=PulseMeter,
            blinks=BlinkMeter,
            sound=VoiceMeter,
            synchrony=SynchronyMeter,
            attributes=attributes,
            posture=self._posture if Feature.POSTURE in wants else None,
            cues=self._cues_of(request) if Feature.TRUST in wants else (),
            fusion=self._fusion,
            models=self._models(wants),
        )

    def face_instruments(self) -> FaceInstruments:
        """What recognition finds and measures faces with."""
        side = _EFFORT[Profile.ACCURATE].still_side
        return FaceInstruments(
            detectors=tuple(CenterFaceDetector(self._detector, score, side) for score in STILL_SCORES),
            mesh_of=self._mesh_of,
            quality_of=_quality_of_still,
            photo_of=rewritten,
        )

    def embedder(self, model_id: str) -> FaceEmbedder:
        """The embedder of that id. Raises `ModelMismatch` where this worker has not loaded it."""
        found = self._embedders.get(model_id)
        if found is None:
            raise ModelMismatch(
                "the collection's model is not loaded: add its file again with `moretta models add` and restart the service, "
                "or re-enrol the collection under a present model"
            )
        return found

    def embedders(self) -> tuple[FaceEmbedder, ...]:
        """All that are loaded."""
        return tuple(self._embedders.values())

    def _mesh_of(self, pixels: Pixels, face: Face) -> Mesh:
        return self._mesh.fit(pixels, face, irises=False)

    def _cues_of(self, request: AnalysisRequest) -> tuple[TrustCue, ...]:
        """The cues that can move the score, and the conditions by which fusion abstains.

        The accurate profile also measures those that cannot, for the record, but runs no network only for that.
        """
        kept = []
        for cue in self._cues:
            free = request.profile is Profile.ACCURATE and cue.name not in NETWORK_CUES
            kinds = cue.kinds if free else frozenset(k for k in cue.kinds if cue.name in self._counted[k])
            if kinds:
                kept.append(_Narrowed(cue, kinds))
        return tuple(kept)

    def _models(self, wants: frozenset[Feature]) -> tuple[ModelUse, ...]:
        names = ["centerface", "face-landmark", "iris-landmark"]
        if Feature.TRUST in wants:
            counted = frozenset[str]().union(*self._counted.values())
            names += ["mobilefacenet", "texture", *(model for cue, model in NETWORK_CUES.items() if cue in counted)]
        names += [feature.value for feature in self._attributes if feature in wants]
        if Feature.POSTURE in wants:
            names += ["pose-detection", "pose-landmark"]
        return tuple(self._used[name] for name in names)


def _quality_of(sample: FaceSample) -> Quality:
    return face_quality(sample.frame.pixels, sample.tracked.mesh, sample.pose)


def _quality_of_still(pixels: Pixels, mesh: Mesh) -> Quality:
    height, width = pixels.shape[:2]
    return face_quality(pixels, mesh, head_pose(mesh, width, height))
