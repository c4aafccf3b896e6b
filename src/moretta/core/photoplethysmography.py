"""The pulse in the colour of skin: remote photoplethysmography.

Belongs here: pure functions of colour traces, for the heart rate (`signals`) and for evidence (`trust`).
Does not belong here: collecting traces, and deciding whether what was found may be reported.

Traces are mean RGB over time, shape (n, 3), at an even rate in Hz; signals have the shape (n,) and no unit.
"""

import numpy as np
import numpy.typing as npt

Signal = npt.NDArray[np.float64]

BAND_HZ = (0.7, 3.0)  # 42 to 180 beats a minute
WINDOW_S = 1.6  # both papers: holds at least one beat from 38 a minute on
FUNDAMENTAL_HALF_WIDTH_HZ = 0.1  # de Haan and Jeanne 2013, section III: what counts as the pulse ...
HARMONIC_HALF_WIDTH_HZ = 0.2  # ... and as its first harmonic
SPECTRUM_BINS_PER_HZ = 120  # half a beat a minute before interpolation


def evenly_sampled(times_s: Signal, values: Signal, rate_hz: float) -> Signal:
    """`values` (n, ...) at the strictly rising `times_s` (n,), interpolated linearly at `rate_hz`."""
    grid = np.arange(times_s[0], times_s[-1], 1 / rate_hz)
    flat = values.reshape(len(values), -1)
    even = np.stack([np.interp(grid, times_s, column) for column in flat.T], axis=1)
    return np.asarray(even.reshape(len(grid), *values.shape[1:]), np.float64)


def pos(trace: Signal, rate_hz: float) -> Signal:
    """The pulse by the plane orthogonal to the skin tone.

    Source: Wang, den Brinker, Stuijk and de Haan 2017, algorithm 1.
    """
    length = min(round(WINDOW_S * rate_hz), len(trace))
    windows = np.lib.stride_tricks.sliding_window_view(trace, length, axis=0)
    normal = windows / np.maximum(windows.mean(axis=2, keepdims=True), 1e-9)
    first = normal[:, 1] - normal[:, 2]
    second = normal[:, 1] + normal[:, 2] - 2 * normal[:, 0]
    ratio = first.std(axis=1, keepdims=True) / np.maximum(second.std(axis=1, keepdims=True), 1e-12)
    pulse = first + ratio * second
    pulse -= pulse.mean(axis=1, keepdims=True)
    total = np.zeros(len(trace))
    for offset in range(length):
        total[offset : offset + len(pulse)] += pulse[:, offset]
    return total


def chrom(trace: Signal, rate_hz: float) -> Signal:
    """The pulse by chrominance: Hann windows of 1.6 s, half overlapping, added.

    Source: de Haan and Jeanne 2013, eq. 11-15.
    """
    length = max(4, round(WINDOW_S * rate_hz) // 2 * 2)
    normal = trace / np.maximum(_moving_mean(trace, length), 1e-9) - 1
    red, green, blue = normal.T
    first = band_passed(3 * red - 2 * green, rate_hz)
    second = band_passed(1.5 * red + green - 1.5 * blue, rate_hz)
    taper = np.hanning(length + 1)[:length]
    total = np.zeros(len(trace))
    for start in range(0, max(1, len(trace) - length + 1), length // 2):
        part = slice(start, start + length)
        one, two = first[part], second[part]
        total[part] += (one - float(one.std() / max(float(two.std()), 1e-12)) * two) * taper[: len(one)]
    return total


def band_passed(signal: Signal, rate_hz: float) -> Signal:
    """`signal` without its mean and linear trend and without what lies outside of `BAND_HZ`."""
    spectrum = np.fft.rfft(_detrended(signal))
    frequencies = np.fft.rfftfreq(len(signal), 1 / rate_hz)
    spectrum[(frequencies < BAND_HZ[0]) | (frequencies > BAND_HZ[1])] = 0
    return np.asarray(np.fft.irfft(spectrum, len(signal)), np.float64)


def spectrum(signal: Signal, rate_hz: float, segment_s: float) -> tuple[Signal, Signal]:
    """Frequencies in Hz and mean power of half-overlapping Hann segments of at most `segment_s`.

    Source: Welch 1967.
    """
    length = min(len(signal), round(segment_s * rate_hz))
    bins = int(max(length, rate_hz * SPECTRUM_BINS_PER_HZ))
    taper = np.hanning(length)
    starts = range(0, len(signal) - length + 1, max(1, length // 2))
    parts = [_detrended(signal[start : start + length]) * taper for start in starts]
    power = np.mean([np.abs(np.fft.rfft(part, bins)) ** 2 for part in parts], axis=0)
    frequencies = np.asarray(np.fft.rfftfreq(bins, 1 / rate_hz), np.float64)
    return frequencies, np.asarray(power, np.float64)


def peak_hz(frequencies: Signal, power: Signal) -> float:
    """The strongest frequency within `BAND_HZ`, between bins by a parabola through the logarithms; NaN without any power."""
    inside = np.flatnonzero((frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1]))
    top = int(inside[np.argmax(power[inside])])
    if power[top] <= 0:
        return float("nan")
    left, middle, right = np.log(np.maximum(power[top - 1 : top + 2], 1e-300))
    bend = left - 2 * middle + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float(frequencies[top] + np.clip(shift, -0.5, 0.5) * (frequencies[1] - frequencies[0]))


def snr_db(frequencies: Signal, power: Signal, pulse_hz: float) -> float:
    """Power at the pulse and its first harmonic over the rest of 0.5-4 Hz, in dB.

    Source: de Haan and Jeanne 2013, section III.
    """
    counted = (frequencies >= 0.5) & (frequencies <= 4.0)
    wanted = np.abs(frequencies - pulse_hz) <= FUNDAMENTAL_HALF_WIDTH_HZ
    wanted |= np.abs(frequencies - 2 * pulse_hz) <= HARMONIC_HALF_WIDTH_HZ
    signal, rest = float(power[counted & wanted].sum()), float(power[counted & ~wanted].sum())
    return float(10 * np.log10(max(signal, 1e-300) / max(rest, 1e-300)))


def coherence(one: Signal, other: Signal, rate_hz: float, pulse_hz: float, segment_s: float) -> float:
    """Magnitude-squared coherence (0-1) of two signals about `pulse_hz`; near 1/segments for unrelated ones.

    Source: Welch's method on cross spectra, Carter, Knapp and Nuttall 1973.
    """
    length = min(len(one), round(segment_s * rate_hz))
    taper = np.hanning(length)
    bins = int(max(length, rate_hz * SPECTRUM_BINS_PER_HZ))
    at = round(pulse_hz * bins / rate_hz)
    starts = range(0, len(one) - length + 1, max(1, length // 4))
    a = np.array([np.fft.rfft(_detrended(one[s : s + length]) * taper, bins)[at] for s in starts])
    b = np.array([np.fft.rfft(_detrended(other[s : s + length]) * taper, bins)[at] for s in starts])
    energy = float((np.abs(a) ** 2).sum() * (np.abs(b) ** 2).sum())
    return float(np.abs((a * b.conj()).sum()) ** 2 / energy) if energy > 0 else 0.0


def _detrended(signal: Signal) -> Signal:
    steps = np.arange(len(signal)) - (len(signal) - 1) / 2
    slope = float(steps @ signal) / max(float(steps @ steps), 1e-12)
    return np.asarray(signal - signal.mean() - slope * steps, np.float64)


def _moving_mean(trace: Signal, length: int) -> Signal:
    """Mean of `length` neighbours, shortened at the ends."""
    sums = np.concatenate([np.zeros((1, trace.shape[1])), np.cumsum(trace, axis=0)])
    at = np.arange(len(trace))
    low, high = np.maximum(at - length // 2, 0), np.minimum(at + length // 2, len(trace))
    return np.asarray((sums[high] - sums[low]) / (high - low)[:, None], np.float64)
