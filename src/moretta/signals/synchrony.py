"""Does the mouth move with the sound?

Belongs here: the correlation of one track's mouth with the sound's level. Does not belong here: a verdict (see `trust`).
"""

from collections import deque

import numpy as np
import numpy.typing as npt

from moretta.core.analysis import Synchrony
from moretta.core.values import FaceSample, Floats

RATE_HZ = 25.0
MOST_LAG_S = 0.5
LEAST_S = 4.0
KEPT_S = 120.0
LONGEST_GAP_S = 0.5
LEAST_COVERAGE = 0.6  # share of the time that mouth and sound must both be known
LEAST_PRESENCE = 0.5  # of the mesh; below, the mouth was not measured
MOST_YAW_DEG = 45.0  # beyond, one half of the mouth is hidden
LEAST_LOUD_DBFS = -55.0  # loud enough to be speech, ...
LEAST_LOUD_SHARE = 0.1  # ... for this share of the time, ...
LEAST_SOUND_SPREAD_DB = 1.5  # ... and rising and falling as syllables do: steady noise stays within half a decibel
LEAST_MOUTH_SPREAD = 0.01  # standard deviation of the openness of a mouth that speaks; a still one keeps below
SMOOTH_S = 0.12  # syllables come at 3-8 Hz (Chandrasekaran et al. 2009, who find mouth and envelope to correlate there)
TREND_S = 2.0

_Array = npt.NDArray[np.float64]


class SynchronyMeter:
    """Collects one track's mouth openings, at most the latest two minutes.

    Args:
        envelope: times in s and level in dBFS of the sound, as `VoiceMeter.envelope` gives them.
    """

    def __init__(self, envelope: tuple[Floats, Floats]) -> None:
        self._sound_times, self._sound_levels = envelope
        self._rows: deque[tuple[float, float]] = deque(maxlen=int(KEPT_S * 2 * RATE_HZ))

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order; a mouth turned away or covered is passed over."""
        unseen = abs(sample.pose.yaw) > MOST_YAW_DEG or sample.tracked.mesh.presence < LEAST_PRESENCE
        if unseen or not np.isfinite(sample.mouth_openness):
            return
        if self._rows and sample.time_s - self._rows[-1][0] < 0.5 / RATE_HZ:
            return
        self._rows.append((sample.time_s, sample.mouth_openness))
        while sample.time_s - self._rows[0][0] > KEPT_S:
            self._rows.popleft()

    def estimate(self) -> Synchrony:
        """The highest correlation within half a second of lag, or the reason why none is given.

        A positive lag tells that the sound comes after the mouth.
        """
        if len(self._sound_times) < LEAST_S * RATE_HZ:
            return Synchrony(None, None, "there is too little sound")
        if len(self._rows) < 2 or self._rows[-1][0] - self._rows[0][0] < LEAST_S:
            return Synchrony(None, None, f"the mouth was in view for less than {LEAST_S:.0f} s")
        mouth, known, levels = self._aligned()
        if len(mouth) < LEAST_S * RATE_HZ or known.mean() < LEAST_COVERAGE:
            return Synchrony(None, None, "mouth and sound were not there together for long enough")
        sound = _varied(np.maximum(levels, LEAST_LOUD_DBFS))
        if (levels > LEAST_LOUD_DBFS).mean() < LEAST_LOUD_SHARE or float(sound.std()) < LEAST_SOUND_SPREAD_DB:
            return Synchrony(None, None, "there is no speech in the sound")
        if float(mouth[known].std()) < LEAST_MOUTH_SPREAD:
            return Synchrony(None, None, "the mouth does not move")
        correlation, lag_s = _best_lag(_varied(mouth), sound, known)
        return Synchrony(round(correlation, 3), round(lag_s, 3), None)

    def _aligned(self) -> tuple[_Array, npt.NDArray[np.bool_], _Array]:
        """Mouth, where it is known, and sound level on one grid over the time that both share."""
        times, openness = np.array(self._rows, np.float64).T
        start = max(float(times[0]), float(self._sound_times[0]))
        end = min(float(times[-1]), float(self._sound_times[-1]))
        grid = np.arange(start, end, 1 / RATE_HZ)
        after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
        known = times[after] - times[after - 1] <= LONGEST_GAP_S
        mouth = np.interp(grid, times, openness)
        return mouth, known, np.interp(grid, self._sound_times, self._sound_levels)


def _varied(signal: _Array) -> _Array:
    """`signal` smoothed, without its slow trend."""
    return _smoothed(signal, SMOOTH_S) - _smoothed(signal, TREND_S)


def _smoothed(signal: _Array, width_s: float) -> _Array:
    width = min(len(signal), max(1, round(width_s * RATE_HZ)))
    kernel = np.ones(width)
    return np.asarray(
        np.convolve(signal, kernel, "same") / np.convolve(np.ones(len(signal)), kernel, "same"), np.float64
    )


def _best_lag(mouth: _Array, sound: _Array, known: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """The peak of the normalised cross-correlation and its lag in s."""
    most = round(MOST_LAG_S * RATE_HZ)
    best, at = -2.0, 0
    for lag in range(-most, most + 1):
        here = slice(max(0, -lag), len(mouth) - max(0, lag))
        there = slice(max(0, lag), len(sound) - max(0, -lag))
        use = known[here]
        one, other = mouth[here][use], sound[there][use]
        one, other = one - one.mean(), other - other.mean()
        scale = float(np.sqrt((one**2).sum() * (other**2).sum()))
        value = float((one * other).sum()) / scale if scale > 0 else 0.0
        if value > best:
            best, at = value, lag
    return best, at / RATE_HZ
