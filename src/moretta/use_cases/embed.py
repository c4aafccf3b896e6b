"""Protect the faces of one still picture: find, fit, judge, embed, protect.

Belongs here: the order of the work, what is refused and why in words. Does not belong here: how any step is done.

Runs in the worker: an embedding lives from `embed` to `protect` and is in no result.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from moretta.core.errors import MediaUnsupported, MediaWithoutFrames
from moretta.core.geometry import mesh_landmarks
from moretta.core.ports import FaceDetector, FaceEmbedder, MediaReader
from moretta.core.protection import TemplateProtector
from moretta.core.recognising import Compared, Embedded, EmbeddedFace, EmbedRequest, Wanted
from moretta.core.values import Embedding, Face, Floats, MediaKind, Mesh, Pixels, Quality

# MediaPipe face_landmark graphs, min_tracking_confidence: below it the region holds no face that a mesh fits.
LEAST_PRESENCE = 0.5
# Of the test images of face_recognition 1.3.0, whole faces have all of their mesh in the picture, faces cut in half .79 and .87;
# what the mesh makes up beyond the edge would be kept as somebody's reference.
LEAST_INSIDE = 0.95
# The mesh's landmarks and the detector's err apart, and their mean errs less: with this share and four views misses at FMR 1e-3
# fall by 0.18 percentage points (95 % 0.02 to 0.37) on LFW's development people.
MESH_SHARE = 0.6
# A component under half of the scale is named as a reason.
_NAMED_UNDER = 50.0
_WORDS = {
    "sharpness": "it is blurred",
    "under_exposure_prevention": "it is too dark",
    "over_exposure_prevention": "it is too bright",
    "inter_eye_distance": "the face is too small",
    "head_pose": "the head is turned away",
}
_NO_MESH = "expected a face in view: it is covered, cut off, or turned too far away"


@dataclass(frozen=True, slots=True)
class FaceInstruments:
    """What finds and measures faces. `detectors` are tried in order until one finds a face; `photo_of` writes a picture anew."""

    detectors: Sequence[FaceDetector]
    mesh_of: Callable[[Pixels, Face], Mesh]
    quality_of: Callable[[Pixels, Mesh], Quality]
    photo_of: Callable[[Pixels], bytes]


@dataclass(frozen=True, slots=True)
class FittedFace:
    """A face in px of the decoded frame; `landmarks` by mesh and detector, None where no mesh fits.

    `inside`: the share of it that the picture holds.
    """

    face: Face
    quality: Quality | None = None
    landmarks: Floats | None = None
    inside: float = 0.0


def embed(
    reader: MediaReader,
    request: EmbedRequest,
    instruments: FaceInstruments,
    embedder: FaceEmbedder,
    protector: TemplateProtector,
) -> Embedded:
    """The faces of the picture in `reader`, which is closed at the end, protected as `request` asks.

    Raises:
        MediaError: the media is at fault, or is a video.
        ModelMismatch: the embedder is not the terms'.
    """
    with closing(reader):
        pixels, scale = _picture(reader)
        fitted = _fitted(pixels, instruments, request.max_faces)
    alone = len(fitted) == 1 or request.wanted is Wanted.PROBE
    faces = []
    for found in fitted:
        reason = why_not(found, request.min_quality, whole=request.wanted is Wanted.REFERENCE)
        reference = probe = None
        if alone and not reason and found.landmarks is not None:
            embedding = embedder.embed(pixels, found.landmarks)
            probe = protector.protect_probe(embedding).payload
            if request.wanted is Wanted.REFERENCE:
                reference = protector.protect_reference(embedding).payload
        faces.append(_described(found, scale, reason, reference, probe))
    kept = request.photo and len(faces) == 1 and faces[0].reference is not None
    photo = instruments.photo_of(pixels) if kept else None
    return Embedded(tuple(faces), photo, (reader.info.width, reader.info.height))


def compare(
    first: MediaReader, second: MediaReader, threshold: float, instruments: FaceInstruments, embedder: FaceEmbedder
) -> Compared:
    """Whether two pictures show the same person; the readers are closed at the end. Raises `MediaError` as `embed` does."""
    told, embeddings = [], []
    for reader in (first, second):
        with closing(reader):
            pixels, scale = _picture(reader)
            fitted = _fitted(pixels, instruments, most=100)
        told.append(tuple(_described(found, scale, why_not(found, 0.0)) for found in fitted))
        embeddings.append(_the_embedding(pixels, fitted, embedder))
    one, other = embeddings
    match = None if one is None or other is None else float(np.dot(one.vector, other.vector)) >= threshold
    return Compared(match, told[0], told[1])


def _picture(reader: MediaReader) -> tuple[Pixels, float]:
    if reader.info.kind is not MediaKind.IMAGE:
        raise MediaUnsupported("expected a still picture (JPEG, PNG, WebP, ...), got a video; take a frame of it")
    for frame in reader.frames():
        return frame.pixels, reader.scale
    raise MediaWithoutFrames("expected a picture, got a file without one")


def _fitted(pixels: Pixels, instruments: FaceInstruments, most: int) -> list[FittedFace]:
    """The `most` largest faces, the largest first."""
    found: list[Face] = []
    for detector in instruments.detectors:
        found = detector.detect(pixels)
        if found:
            break
    largest = sorted(found, key=lambda face: -_area(face.box))[:most]
    return [fit_face(pixels, face, instruments) for face in largest]


def fit_face(pixels: Pixels, face: Face, instruments: FaceInstruments) -> FittedFace:
    """The face with what is measured of it; without, where no mesh fits."""
    mesh = instruments.mesh_of(pixels, face)
    if mesh.presence < LEAST_PRESENCE:
        return FittedFace(face)
    landmarks = (MESH_SHARE * mesh_landmarks(mesh.points) + (1 - MESH_SHARE) * face.landmarks).astype(np.float32)
    if not np.isfinite(landmarks).all() or float(np.ptp(landmarks, axis=0).max()) < 1.0:
        return FittedFace(face)
    return FittedFace(face, instruments.quality_of(pixels, mesh), landmarks, _inside(pixels, mesh))


def _the_embedding(pixels: Pixels, fitted: Sequence[FittedFace], embedder: FaceEmbedder) -> Embedding | None:
    if len(fitted) != 1 or fitted[0].landmarks is None:
        return None
    return embedder.embed(pixels, fitted[0].landmarks)


def _described(
    found: FittedFace, scale: float, reason: str, reference: bytes | None = None, probe: bytes | None = None
) -> EmbeddedFace:
    left, top, right, bottom = (float(side) / scale for side in found.face.box)
    quality = found.quality
    unified = 0.0 if quality is None else quality.unified
    components = () if quality is None else _components(quality)
    return EmbeddedFace((left, top, right, bottom), unified, components, reference, probe, reason)


def why_not(found: FittedFace, min_quality: float, *, whole: bool = False) -> str:
    """Why a face is not protected, in words; empty where it may be. `whole`: none of it may be cut off."""
    if found.quality is None:
        return _NO_MESH
    if whole and found.inside < LEAST_INSIDE:
        return "expected the whole face in the picture: its edge cuts the face"
    if found.quality.unified >= min_quality:
        return ""
    components = sorted(_components(found.quality), key=lambda component: component[1])
    named = [_WORDS[name] for name, value in components if value < _NAMED_UNDER] or [_WORDS[components[0][0]]]
    return (
        f"expected a face of quality {min_quality:.0f} of 100 or better, got {found.quality.unified:.0f}: "
        f"{' and '.join(named)}"
    )


def _components(quality: Quality) -> tuple[tuple[str, float], ...]:
    return tuple((name, float(getattr(quality, name))) for name in _WORDS)


def _inside(pixels: Pixels, mesh: Mesh) -> float:
    height, width = pixels.shape[:2]
    x, y = mesh.points[:, 0], mesh.points[:, 1]
    return float(((x >= 0) & (x < width) & (y >= 0) & (y < height)).mean())


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
