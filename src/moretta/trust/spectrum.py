"""What the spectrum of the face tells of a second capture: moire peaks, and detail that a screen or a print has lost.

Basis: Garcia and de Queiroz, "Face-spoofing 2D-detection based on moire-pattern analysis", IEEE TIFS 2015 (peaks in
mid and high bands); Li, Wang, Tan and Jain, "Live face detection based on the analysis of Fourier spectra", SPIE 2004
(high-frequency share).

Belongs here: the Fourier spectrum of a face at its native resolution; resampling would remove what is looked for.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import FaceSample, Floats
from moretta.trust.patches import crop_around, face_box, face_width
from moretta.trust.sampled import SampledCue, Schedule

MIN_FACE_PX = 64.0
MAX_SIDE = 256
ABSENT = "the face is too small to look at its finest texture"


def moire_peaks() -> SampledCue:
    """Value: log10 of the strongest narrow peak between 0.12 and 0.5 cycles/px over the level around it."""
    return SampledCue("moire_peaks", _peak, Schedule(0.9), ABSENT)


def spectral_falloff() -> SampledCue:
    """Value: log10 of power above 0.25 cycles/px over power from 0.06 to 0.25; low where a second capture blurred."""
    return SampledCue("spectral_falloff", _falloff, Schedule(0.9), ABSENT)


def frequencies(
    shape: tuple[int, ...],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Radius, row frequency and column frequency in cycles/px, centred, each broadcast to `shape`."""
    rows, cols = (np.fft.fftshift(np.fft.fftfreq(side)) for side in shape)
    grid_rows, grid_cols = np.broadcast_to(rows[:, None], shape), np.broadcast_to(cols[None], shape)
    return np.hypot(grid_rows, grid_cols), grid_rows, grid_cols


def _peak(sample: FaceSample) -> float | None:
    power = _power(sample)
    if power is None:
        return None
    radius, rows, cols = frequencies(power.shape)
    level = cv2.medianBlur(np.log10(power + 1e-3).astype(np.float32), 5)
    excess = cv2.GaussianBlur(np.log10(power + 1e-3).astype(np.float32), (3, 3), 0) - level
    # Block coding leaves lines at multiples of an eighth along both axes; the outline of the crop at the axes themselves.
    plain = (radius > 0.12) & (radius < 0.5)
    for axis in (rows, cols):
        plain &= np.abs(axis * 8 - np.round(axis * 8)) > 0.12
    return float(np.percentile(excess[plain], 99.9)) if plain.any() else None


def _falloff(sample: FaceSample) -> float | None:
    power = _power(sample)
    if power is None:
        return None
    radius, _, _ = frequencies(power.shape)
    high = float(power[(radius > 0.25) & (radius < 0.5)].mean())
    middle = float(power[(radius > 0.06) & (radius <= 0.25)].mean())
    return math.log10((high + 1e-2) / (middle + 1e-2))


def _power(sample: FaceSample) -> Floats | None:
    """Centred power spectrum of the inner face's luma, at most 256x256, in squared grey levels per bin."""
    if face_width(sample) < MIN_FACE_PX:
        return None
    crop = crop_around(sample.frame.pixels, face_box(sample), 0.9)
    if crop is None:
        return None
    grey = crop.grey()
    height, width = (min(side, MAX_SIDE) for side in grey.shape)
    top, left = (grey.shape[0] - height) // 2, (grey.shape[1] - width) // 2
    grey = grey[top : top + height, left : left + width]
    grey = grey - cv2.GaussianBlur(grey, (0, 0), 4.0)
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    spectrum = np.fft.fftshift(np.fft.fft2(grey * window))
    return np.asarray(np.abs(spectrum) ** 2 / float((window**2).sum()), np.float32)
