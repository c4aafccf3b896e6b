"""Face embedders behind the `FaceEmbedder` port.

Belongs here: cutting a face for an embedder network and making a unit vector of what it says.
Does not belong here: comparing vectors, and loading weights (a session is passed in).
"""

from collections.abc import Sequence

import numpy as np

from moretta.core.values import Embedding, Floats, Pixels
from moretta.vision.align import aligned
from moretta.vision.detect import Session

SIDE = 112
BATCH = 2  # faces of one call of MobileFaceNet, fixed in its file
# The five-point template of ArcFace (Deng et al. 2019, insightface's `arcface_dst`), in the order of `values.Face`.
ARCFACE_112 = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
# The authors' input range, (x - 127.5) / 128 (sirius-ai/MobileFaceNet_TF).
MEAN = 127.5
MOBILEFACENET_SCALE = 128.0
# insightface's range for ArcFace ONNX files without a normalisation of their own.
ARCFACE_SCALE = 127.5
_DIGEST_CHARS = 12
# Views of a face whose vectors are averaged: pixels by which it lies lower in the crop, and whether it is mirrored. A network's
# calls take two. The further two take back errors of alignment; docs/model-cards/mobilefacenet.md has what each gains.
QUICK_VIEWS = ((0.0, False), (0.0, True))
CAREFUL_VIEWS = (*QUICK_VIEWS, (1.5, False), (-1.5, True))

Views = Sequence[tuple[float, bool]]


def model_id_of(name: str, sha256: str) -> str:
    """What embeddings of a network are known by: its name and the start of its file's digest."""
    return f"{name}:{sha256[:_DIGEST_CHARS]}"


class MobileFaceNetEmbedder:
    """MobileFaceNet (Chen et al. 2018), several views of the face averaged; 192 numbers.

    Args:
        session: input (2, 112, 112, 3); output (2, 192).
        sha256: digest of the network's file, part of `model_id`.
        views: an even number of them; those of recognition are `CAREFUL_VIEWS`.
    """

    def __init__(self, session: Session, sha256: str, views: Views = QUICK_VIEWS) -> None:
        self._session, self._views = session, views
        self._model_id = model_id_of("mobilefacenet", sha256)

    @property
    def model_id(self) -> str:
        """Name and digest of the network: vectors of other networks cannot be compared with these."""
        return self._model_id

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        """The embedding of the face at `landmarks` (5, 2) px; best with those of the mesh.

        Raises:
            ValueError: all landmarks coincide.
        """
        faces = np.stack([self._view(pixels, landmarks, *view) for view in self._views])
        vectors = [self._session(faces[at : at + BATCH])[0] for at in range(0, len(faces), BATCH)]
        return _embedding(np.concatenate(vectors), self._model_id)

    def _view(self, pixels: Pixels, landmarks: Floats, lower: float, mirrored: bool) -> Floats:
        # Cubics instead of lines: misses at FMR 1e-4 fall from 4.1 % to 3.9 % (docs/model-cards/mobilefacenet.md).
        crop = aligned(pixels, landmarks, ARCFACE_112 + np.array([0.0, lower]), SIDE, crisp=True)
        face = (crop.astype(np.float32) - np.float32(MEAN)) / np.float32(MOBILEFACENET_SCALE)
        return face[:, ::-1] if mirrored else face


class OnnxEmbedder:
    """A user's own ArcFace-shaped network (see `moretta.vision.models.add`), with the mirrored face averaged in.

    Args:
        session: input (n, 3, 112, 112) or (n, 112, 112, 3); first output (n, d).
        name: what the user called it.
        sha256: digest of the network's file, part of `model_id`.
        channels_first: whether the input is (n, 3, 112, 112).
        normalised_inside: whether the network takes 0-255 and normalises itself; otherwise it gets -1..1.
    """

    def __init__(
        self, session: Session, name: str, sha256: str, *, channels_first: bool, normalised_inside: bool
    ) -> None:
        self._session = session
        self._model_id = model_id_of(name, sha256)
        self._channels_first = channels_first
        self._normalised_inside = normalised_inside

    @property
    def model_id(self) -> str:
        """Name and digest of the network: vectors of other networks cannot be compared with these."""
        return self._model_id

    def embed(self, pixels: Pixels, landmarks: Floats) -> Embedding:
        """The embedding of the face at `landmarks` (5, 2) px; best with those of the mesh.

        Raises:
            ValueError: all landmarks coincide.
        """
        face = aligned(pixels, landmarks, ARCFACE_112, SIDE, crisp=True).astype(np.float32)
        if not self._normalised_inside:
            face = (face - MEAN) / ARCFACE_SCALE
        # One picture at a time: many exports fix the batch to one.
        vectors = [self._session(self._batch(view))[0] for view in (face, face[:, ::-1])]
        return _embedding(np.concatenate(vectors), self._model_id)

    def _batch(self, face: Floats) -> Floats:
        ordered = face.transpose(2, 0, 1) if self._channels_first else face
        return np.ascontiguousarray(ordered[None])


def _embedding(vectors: Floats, model_id: str) -> Embedding:
    """The unit vector along the mean of `vectors` (n, d)."""
    mean = vectors.astype(np.float64).mean(axis=0)
    norm = float(np.linalg.norm(mean))
    if not np.isfinite(norm) or norm == 0:
        raise ValueError("expected a finite vector that is not zero from the embedder")
    return Embedding((mean / norm).astype(np.float32), model_id)
