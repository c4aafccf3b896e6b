"""Face samples and sounds whose truth is known, for the tests of this folder."""

from collections.abc import Iterable

import numpy as np

from moretta.core.values import AudioBlock, Face, FaceSample, Frame, Mesh, Pose, TrackedFace, TrackId

RATE_HZ = 16_000
_PIXELS = np.zeros((1, 1, 3), np.uint8)
_MESH = Mesh(np.zeros((468, 3), np.float32), 1.0)


def sample(
    time_s: float,
    *,
    skin: np.ndarray | None = None,
    eyes: float = 0.3,
    mouth: float = 0.0,
    yaw: float = 0.0,
    shift_px: float = 0.0,
) -> FaceSample:
    """One sample of a face 100 px high whose other measurements are calm."""
    landmarks = np.full((5, 2), 100 + shift_px, np.float32)
    box = np.array([50, 50, 150, 150], np.float32) + np.float32(shift_px)
    return FaceSample(
        frame=Frame(_PIXELS, 0, round(time_s * 1e9)),
        tracked=TrackedFace(TrackId(1), Face(box, landmarks, 1.0), _MESH, True),
        pose=Pose(yaw, 0, 0),
        gaze=None,
        eye_openness=eyes,
        mouth_openness=mouth,
        skin=None if skin is None else skin.astype(np.float32),
    )


def skin_trace(
    rng: np.random.Generator,
    times: np.ndarray,
    bpm: float | None,
    *,
    amplitude: float = 0.004,
    noise: float = 0.0015,
    shared_noise: float = 0.0,
    trend: float = 0.02,
) -> np.ndarray:
    """Colours (n, 3, 3) of three regions; the pulse has the blood's signature .33, .77, .53 (de Haan and van Leest 2014)."""
    relative = np.ones((len(times), 3, 3))
    if bpm is not None:
        phase = 2 * np.pi * bpm / 60 * times + rng.uniform(0, 2 * np.pi)
        beat = np.sin(phase) + 0.3 * np.sin(2 * phase + 1)
        relative += amplitude * beat[:, None, None] * np.array([0.33, 0.77, 0.53])
    relative += trend * np.sin(2 * np.pi * 0.15 * times + rng.uniform(0, 6))[:, None, None]
    relative += rng.normal(0, noise, relative.shape)
    relative += rng.normal(0, shared_noise, (len(times), 1, 1))
    return relative * np.array([[180, 130, 110], [170, 120, 100], [172, 121, 102]])


def harmonics(pitch_hz: float, seconds: float, level: float = 0.1) -> np.ndarray:
    """A voice-like tone: ten harmonics falling by 6 dB an octave, with soft ends."""
    times = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tone = sum(np.sin(2 * np.pi * k * pitch_hz * times + k) / k for k in range(1, 11))
    ends = np.minimum(1, np.minimum(times, times[::-1]) / 0.02)
    return np.asarray(level * tone * ends)


def blocks(sound: np.ndarray, size: int = 4096) -> Iterable[AudioBlock]:
    """The sound in blocks of `size` samples."""
    for start in range(0, len(sound), size):
        part = sound[start : start + size].astype(np.float32)
        yield AudioBlock(part, RATE_HZ, round(start / RATE_HZ * 1e9))
