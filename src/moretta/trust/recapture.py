"""Does the face's texture look like a print or a display? Image distortion analysis with trained linear weights.

Basis: Wen, Han and Jain, "Face spoof detection with image distortion analysis", IEEE TIFS 2015 (specular reflection, blur,
chromatic moments, colour diversity into a classifier); Li et al. 2004 and Garcia and de Queiroz 2015 for the spectral features.
The weights come from `training/trust/recapture.py`, fitted to simulated prints and replays of photographs: see the card.

Belongs here: the features and the linear score. Does not belong here: training.
"""

import json
import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import FaceSample, Floats
from moretta.trust.patches import crop_around, face_box, face_width
from moretta.trust.sampled import SampledCue, Schedule
from moretta.trust.spectrum import frequencies

MIN_FACE_PX = 64.0
MAX_SIDE = 256
LUMA_EDGES = np.array([0.03, 0.06, 0.09, 0.12, 0.16, 0.2, 0.25, 0.3, 0.36, 0.42, 0.5])
CHROMA_EDGES = np.array([0.03, 0.08, 0.14, 0.25, 0.5])
ABSENT = "the face is too small to judge its texture"
MOST_LOGIT = 8.0
SPECIES = ("print", "screen")

Features = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TextureModel:
    """A linear score over standardised features and their squares. All arrays have one entry a feature."""

    mean: Features
    spread: Features
    linear: Features
    square: Features
    offset: float

    def logit(self, features: Features) -> float:
        """Log-odds of an attack against genuine, within +-`MOST_LOGIT`."""
        standard = np.clip((features - self.mean) / self.spread, -4, 4)
        total = float(standard @ self.linear + standard**2 @ self.square) + self.offset
        return min(max(total, -MOST_LOGIT), MOST_LOGIT)


def texture_cues(models: dict[str, TextureModel] | None = None) -> tuple[SampledCue, SampledCue]:
    """`print_texture` and `screen_texture`: median log-odds that the texture is a print's, or a display's.

    `models`: weights by species; by default the ones shipped with the package.
    """
    # Read now: the worker gives up the file system before it sees its first face.
    known = {species: read_texture_model(species) for species in SPECIES} if models is None else models
    features = _LatestFeatures()
    cues = [
        SampledCue(f"{species}_texture", _Look(known[species], features), Schedule(0.9), ABSENT) for species in SPECIES
    ]
    return cues[0], cues[1]


def texture_weights() -> Path:
    """The file of the shipped weights."""
    return Path(str(resources.files("moretta.trust") / "weights" / "texture.json"))


def read_texture_model(species: str) -> TextureModel:
    """The shipped weights for `species` (`print` or `screen`)."""
    raw = json.loads(texture_weights().read_text("utf-8"))[species]
    mean, spread, linear, square = (np.array(raw[name], np.float64) for name in ("mean", "spread", "linear", "square"))
    return TextureModel(mean, spread, linear, square, float(raw["offset"]))


class _LatestFeatures:
    """Features of the face looked at last, as both cues look at the same one; holds numbers, never pixels."""

    def __init__(self) -> None:
        self._key: tuple[int, bytes] | None = None
        self._features: Features | None = None

    def of(self, sample: FaceSample) -> Features | None:
        """The features of `sample`."""
        key = (sample.frame.time_ns, sample.tracked.mesh.points.tobytes())
        if key != self._key:
            self._key, self._features = key, texture_features(sample)
        return self._features


@dataclass(frozen=True, slots=True)
class _Look:
    model: TextureModel
    features: _LatestFeatures

    def __call__(self, sample: FaceSample) -> float | None:
        features = self.features.of(sample)
        return None if features is None else self.model.logit(features)


def texture_features(sample: FaceSample) -> Features | None:
    """Spectral bands and peaks, tones, chroma and highlights of the face at native resolution, shape (36,)."""
    crop = crop_around(sample.frame.pixels, face_box(sample), 1.1)
    if crop is None or face_width(sample) < MIN_FACE_PX:
        return None
    height, width = (min(side, MAX_SIDE) for side in crop.pixels.shape[:2])
    top, left = (crop.pixels.shape[0] - height) // 2, (crop.pixels.shape[1] - width) // 2
    pixels = crop.pixels[top : top + height, left : left + width]
    planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    powers = [_power(np.ascontiguousarray(planes[..., channel]), window) for channel in range(3)]
    bands = [_bands(powers[0], LUMA_EDGES), _bands(powers[1], CHROMA_EDGES), _bands(powers[2], CHROMA_EDGES)]
    # Shares of the spectrum rather than absolute power: contrast and exposure are tones, not texture.
    shapes = [*(bands[0][1:] - bands[0][0]), *(bands[1] - bands[0][0]), *(bands[2] - bands[0][0])]
    return np.array([*shapes, *_peaks(powers[0]), *_peaks(powers[1] + powers[2]), *_tones(planes, pixels)], np.float64)


def _power(plane: Floats, window: Floats) -> Floats:
    smooth = plane - cv2.GaussianBlur(plane, (0, 0), 6.0)
    spectrum = np.fft.fftshift(np.fft.fft2(np.clip(smooth, -40, 40) * window))
    return np.asarray(np.abs(spectrum) ** 2 / float((window**2).sum()), np.float32)


def _bands(power: Floats, edges: npt.NDArray[np.float64]) -> Features:
    """log10 of the mean power in each ring of frequencies."""
    radius, _, _ = frequencies(power.shape)
    place = np.digitize(radius, edges).ravel() - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    total = np.bincount(place[inside], power.ravel()[inside], len(edges) - 1)
    count = np.bincount(place[inside], minlength=len(edges) - 1)
    return np.asarray(np.log10(total / np.maximum(count, 1) + 1e-2), np.float64)


def _peaks(power: Floats) -> list[float]:
    """Two upper percentiles of narrow peaks over their surroundings, off the lines of block coding and on the axes."""
    radius, rows, cols = frequencies(power.shape)
    log_power = np.log10(power + 1e-2)
    excess = cv2.GaussianBlur(log_power, (3, 3), 0) - cv2.blur(log_power, (9, 9))
    high = (radius > 0.12) & (radius < 0.5)
    off_blocks = high.copy()
    for axis in (rows, cols):
        off_blocks &= np.abs(axis * 8 - np.round(axis * 8)) > 0.12
    on_axes = high & ((np.abs(rows) < 0.015) | (np.abs(cols) < 0.015))
    return [
        float(np.percentile(excess[off_blocks], 99.9)),
        float(excess[off_blocks].max()),
        float(np.percentile(excess[on_axes], 95)),
    ]


def _tones(planes: Floats, pixels: npt.NDArray[np.uint8]) -> list[float]:
    luma = planes[..., 0]
    low, dark, middle, bright, high = (float(value) for value in np.percentile(luma[::2, ::2], [1, 10, 50, 90, 99]))
    red, blue = planes[..., 1].ravel()[::3], planes[..., 2].ravel()[::3]
    darkest = pixels.min(2).astype(np.float32)
    brightest = pixels.max(2).astype(np.float32)
    saturation = (brightest - darkest) / (brightest + 8)
    shine = float(((darkest > 1.5 * float(darkest.mean())) & (saturation < 0.2)).mean())
    moments = [float(red.mean()), float(red.std()), float(blue.mean()), float(blue.std())]
    colours = math.log(float(np.linalg.det(np.cov(np.stack([red, blue])) + 0.25 * np.eye(2))))
    return [
        low,
        dark,
        middle,
        bright,
        high,
        *moments,
        colours,
        float(saturation.mean()),
        float(saturation.std()),
        shine,
    ]
