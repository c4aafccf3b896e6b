"""One analysis, and one protection, of made-up media before the worker is confined.

Belongs here: running every instrument once, so that nothing is left to be imported or opened when the files are gone.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from moretta.core.analysis import AnalysisRequest, Feature, MediaInfo, Notice
from moretta.core.protection import ProtectionTerms, Scheme
from moretta.core.recognising import (
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
from moretta.core.values import AudioBlock, Face, Frame, MediaKind, Mesh, Profile, TrackedFace, TrackId
from moretta.protection.he.encrypt import PUBLIC_KEY_BYTES as HE_PUBLIC_KEY_BYTES
from moretta.protection.rotation import SEED_BYTES
from moretta.protection.schemes import protector
from moretta.protection.shares.sealing import PARTIES
from moretta.use_cases.analyse import analyse
from moretta.wiring.instruments import Workshop
from moretta.wiring.recognising_wire import (
    compare_request_json,
    compared_json,
    embed_request_json,
    embedded_json,
    parse_compare_request,
    parse_embed_request,
    parse_embedded,
    parse_probe_tracks_request,
    probe_tracks_request_json,
    probed_tracks_json,
)
from moretta.wiring.wire import analysis_json

_SIDE, _RATE_HZ, _SECONDS = 160, 10, 12
_SOUND_RATE_HZ = 16_000


def rehearse(workshop: Workshop) -> None:
    """Analyse a made-up clip with a made-up face under every profile, and a still.

    The face is put there by hand, since no detector finds one in noise: so every meter, cue and model runs.
    """
    everything = frozenset(Feature)
    for kind, profile in ((MediaKind.VIDEO, Profile.FAST), (MediaKind.IMAGE, Profile.ACCURATE)):
        request = AnalysisRequest(profile, everything)
        instruments = workshop.instruments(request)
        instruments.tracker().update(_frame(0))
        instruments.still_tracker().update(_frame(0))
        staged = replace(instruments, tracker=StagedTracker, still_tracker=StagedTracker)
        analysis_json(analyse(StagedReader(kind), request, staged))


def rehearse_recognition(workshop: Workshop) -> None:
    """Find a face in noise, write a picture anew, and protect a made-up embedding under every scheme."""
    pixels = _frame(0).pixels
    staged = StagedTracker().update(_frame(0))[0]
    instruments = workshop.face_instruments()
    for detector in instruments.detectors:
        detector.detect(pixels)
    instruments.quality_of(pixels, instruments.mesh_of(pixels, staged.face))
    face = EmbeddedFace((0.0, 0.0, 1.0, 1.0), 0.0, (), b"", b"")
    embedded = Embedded((face,), instruments.photo_of(pixels))
    for embedder in workshop.embedders():
        embedding = embedder.embed(pixels, staged.face.landmarks)
        for scheme in Scheme:
            terms = ProtectionTerms(scheme, embedder.model_id, len(embedding.vector), "rehearsal", _material(scheme))
            protects = protector(terms)
            protects.protect_reference(embedding)
            protects.protect_probe(embedding)
            request = parse_embed_request(embed_request_json(EmbedRequest(terms, Wanted.REFERENCE, photo=True)))
            parse_embedded(embedded_json(embedded), request)
    parse_compare_request(compare_request_json(CompareRequest("rehearsal", 0.5), 1))
    compared_json(Compared(None, (face,), ()))
    parse_probe_tracks_request(probe_tracks_request_json(ProbeTracksRequest(terms, 0.5)))
    probed_tracks_json(ProbedTracks("0" * 64, (ProbedTrack(TrackId(1), 1, b""),)))


def _material(scheme: Scheme) -> bytes:
    """Material that nobody holds the secret of."""
    if scheme is Scheme.PLAIN:
        return b""
    seed = secrets.token_bytes(SEED_BYTES)
    if scheme is Scheme.HE:
        return seed + bytes(HE_PUBLIC_KEY_BYTES)
    if scheme is Scheme.SHARES:
        made = [X25519PrivateKey.generate().public_key().public_bytes_raw() for _ in range(PARTIES)]
        return seed + b"".join(made)
    return seed


def _frame(index: int) -> Frame:
    pixels = np.random.default_rng(index).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    return Frame(pixels, index, int(index / _RATE_HZ * 1e9))


class StagedTracker:
    """Says that a face is in the middle of every frame."""

    def update(self, frame: Frame) -> list[TrackedFace]:
        """The same face, a little moved."""
        random = np.random.default_rng(frame.index)
        angles = np.linspace(0, 40 * np.pi, 468)
        radii = np.linspace(5, 55, 468) + random.normal(0, 0.2, 468)
        spiral = np.stack([80 + radii * np.cos(angles), 80 + radii * np.sin(angles), random.normal(0, 5, 468)], 1)
        irises = np.tile(np.array([[[65, 70]], [[95, 70]]], np.float32), (1, 5, 1)) + np.float32(0.5)
        landmarks = np.array([[65, 70], [95, 70], [80, 85], [70, 105], [90, 105]], np.float32)
        face = Face(np.array([25, 25, 135, 135], np.float32), landmarks, 0.9)
        return [TrackedFace(TrackId(1), face, Mesh(spiral.astype(np.float32), 0.99, irises), True)]


@dataclass
class StagedReader:
    """Noise to look at and to listen to."""

    kind: MediaKind
    scale: float = 1.0
    frames_total: int | None = None
    warnings: Sequence[Notice] = ()

    @property
    def info(self) -> MediaInfo:
        """Of a short clip, or of a still."""
        moving = self.kind is MediaKind.VIDEO
        frames = _RATE_HZ * _SECONDS if moving else 1
        duration = float(_SECONDS) if moving else None
        return MediaInfo(self.kind, "rehearsal", _SIDE, _SIDE, frames, duration, _RATE_HZ, False, 0, moving, 0)

    def frames(self) -> Iterator[Frame]:
        """Noise."""
        return (_frame(index) for index in range(self.info.frames))

    def audio(self) -> Iterator[AudioBlock]:
        """Noise, a second at a time."""
        random = np.random.default_rng(0)
        for second in range(_SECONDS):
            noise = random.normal(0, 0.1, _SOUND_RATE_HZ).astype(np.float32)
            yield AudioBlock(noise, _SOUND_RATE_HZ, second * 10**9)

    def close(self) -> None:
        """Nothing to give back."""
