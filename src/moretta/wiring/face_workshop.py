"""The models that faces are found, measured and compared with, loaded once.

Belongs here: what recognition, redaction and analysis have in common. Does not belong here: what only one of them asks (see
`instruments`), so that a worker for one of them starts without it.
"""

from pathlib import Path

from moretta.core.analysis import ModelUse
from moretta.core.ports import FaceEmbedder
from moretta.core.values import Face, Mesh, Pixels
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.embed import CAREFUL_VIEWS, MobileFaceNetEmbedder
from moretta.vision.landmarks import FaceMesh
from moretta.vision.models import load
from moretta.vision.sessions import LiteRtSession, OnnxSession, open_session


class FaceWorkshop:
    """Face detector, face mesh and the default embedder.

    Raises:
        ModelMissing, ModelCorrupt: a default model is not there as the catalogue names it.
    """

    def __init__(self, models_dir: Path) -> None:
        self._models_dir = models_dir
        self._used: dict[str, ModelUse] = {}
        self._detector = self._open("centerface")
        self._mesh = FaceMesh(self._open("face-landmark"), self._open("iris-landmark"))
        network = self._open("mobilefacenet")
        sha256 = self._used["mobilefacenet"].sha256
        self._embedder = MobileFaceNetEmbedder(network, sha256)
        self._careful_embedder = MobileFaceNetEmbedder(network, sha256, CAREFUL_VIEWS)

    def _open(self, name: str) -> OnnxSession | LiteRtSession:
        model = load(name, self._models_dir)
        self._used[name] = ModelUse(model.name, model.sha256)
        return open_session(model.path)

    def face_detector(self, score_threshold: float, long_side: int) -> CenterFaceDetector:
        """A face detector of that threshold and input size; it may be used by two threads at once."""
        return CenterFaceDetector(self._detector, score_threshold, long_side)

    def mesh_of_face(self, pixels: Pixels, face: Face) -> Mesh:
        """The mesh of `face` with its irises."""
        return self._mesh.fit(pixels, face)

    @property
    def quick_embedder(self) -> FaceEmbedder:
        """The default embedder with two views of a face: half the cost, for what nobody is recognised by."""
        return self._embedder
