"""Heart rate from the colour of the skin, or an honest no.

Belongs here: collecting skin colours of one track and deciding whether a pulse may be reported.
Does not belong here: the signal processing itself, see `moretta.core.photoplethysmography`.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from moretta.core.analysis import Pulse
from moretta.core.photoplethysmography import (
    BAND_HZ,
    Signal,
    band_passed,
    chrom,
    coherence,
    evenly_sampled,
    peak_hz,
    pos,
    snr_db,
    spectrum,
)
from moretta.core.values import FaceSample

RATE_HZ = 30.0
WINDOW_S = 60.0  # the latest minute: long enough to be sure, short enough to follow a changing rate
LEAST_S = 8.0  # eight beats at 60 a minute; below, two rates 8 beats apart cannot be told apart
LEAST_RATE_HZ = 10.0  # three samples a beat at 180 a minute
LONGEST_GAP_S = 1.0  # a longer gap breaks the phase
SEGMENT_S = 10.0
# The thresholds below were set on noise and synthetic pulses (tests/unit/signals/test_pulse.py states the false-alarm rate).
LEAST_SNR_DB = -3.0
EDGE_BPM = 1.0
MOST_DISAGREEMENT_BPM = 4.0  # between POS and CHROM
REGION_TOLERANCE_BPM = 6.0
LEAST_AGREEING_REGIONS = 2
SEGMENT_TOLERANCE_BPM = 8.0
LEAST_STEADY_SHARE = 0.6  # of the segments, peaks near the reported rate
MOST_MOTION = 0.8  # median speed of the face in face heights a second
WAVEFORM_S = 20.0
METHOD = "POS"
REGIONS = ("forehead", "right_cheek", "left_cheek")


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the traces say before anything is judged."""

    bpm: float
    chrom_bpm: float
    snr_db: float
    region_bpm: tuple[float, float, float]
    steady_share: float
    waveform: Signal


class PulseMeter:
    """Collects one track's skin colours, at most the latest minute."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, Signal, Signal, float]] = deque(maxlen=int(WINDOW_S * RATE_HZ) + 1)

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order; samples without skin, or closer than the sampling rate, are passed over."""
        skin = sample.skin
        if skin is None or not np.isfinite(skin).all() or float(skin.min()) <= 0:
            return
        if self._rows:
            step_s = sample.time_s - self._rows[-1][0]
            if step_s < 0.9 / RATE_HZ:
                return
            if step_s > LONGEST_GAP_S:
                self._rows.clear()
        face = sample.tracked.face
        height = max(1.0, float(face.box[3] - face.box[1]))
        row = (sample.time_s, skin.astype(np.float64), face.landmarks.mean(axis=0).astype(np.float64), height)
        self._rows.append(row)
        while sample.time_s - self._rows[0][0] > WINDOW_S:
            self._rows.popleft()

    def estimate(self) -> Pulse:
        """The heart rate over the latest minute, or None with the reason why there is none."""
        reason = self._obstacle()
        if reason is not None:
            return Pulse(None, METHOD, None, None, round(self._observed_s(), 2), reason)
        findings = self._findings()
        reason = _doubt(findings)
        disagreement = round(abs(findings.bpm - findings.chrom_bpm), 1)
        known = reason is None
        return Pulse(
            bpm=round(findings.bpm, 1) if known else None,
            method=METHOD,
            snr_db=round(findings.snr_db, 2),
            agreement_bpm=disagreement if np.isfinite(disagreement) else None,
            observed_s=round(self._observed_s(), 2),
            reason=reason,
            waveform=tuple(round(float(v), 3) for v in findings.waveform) if known else (),
            waveform_rate_hz=RATE_HZ if known else 0.0,
        )

    def regions(self) -> dict[str, float]:
        """Rates of the regions in 1/min and their coherence (0-1) at the common rate; empty where there is too little."""
        if self._obstacle() is not None:
            return {}
        findings = self._findings()
        pulses = [band_passed(pos(trace, RATE_HZ), RATE_HZ) for trace in self._traces().transpose(1, 0, 2)]
        figures = {f"{name}_bpm": rate for name, rate in zip(REGIONS, findings.region_bpm, strict=True)}
        for name, cheek in zip(REGIONS[1:], pulses[1:], strict=True):
            shared = coherence(pulses[0], cheek, RATE_HZ, findings.bpm / 60, SEGMENT_S / 2)
            figures[f"forehead_{name}_coherence"] = shared
        return figures

    def _observed_s(self) -> float:
        return self._rows[-1][0] - self._rows[0][0] if self._rows else 0.0

    def _obstacle(self) -> str | None:
        observed_s = self._observed_s()
        if observed_s < LEAST_S:
            return f"skin was in view for {observed_s:.1f} s without a break; at least {LEAST_S:.0f} s are needed"
        if len(self._rows) < LEAST_RATE_HZ * observed_s:
            return f"fewer than {LEAST_RATE_HZ:.0f} pictures a second; a pulse needs more"
        if self._motion() > MOST_MOTION:
            return "the head moved too much"
        if float(np.ptp(np.stack([skin for _, skin, _, _ in self._rows]), axis=0).max()) == 0:
            return "the skin's colour did not change at all, as in a still picture"
        return None

    def _motion(self) -> float:
        """Median speed of the face in face heights a second, over steps of about a fifth of a second."""
        times = np.array([row[0] for row in self._rows])
        places = np.stack([row[2] for row in self._rows])
        heights = np.array([row[3] for row in self._rows])
        step = max(1, round(0.2 * len(times) / max(float(times[-1] - times[0]), 1e-9)))
        moved = np.linalg.norm(places[step:] - places[:-step], axis=1) / heights[step:]
        return float(np.median(moved / (times[step:] - times[:-step])))

    def _traces(self) -> Signal:
        """Even traces (n, 3 regions, 3 colours)."""
        times = np.array([row[0] for row in self._rows])
        return evenly_sampled(times, np.stack([row[1] for row in self._rows]), RATE_HZ)

    def _findings(self) -> _Findings:
        traces = self._traces()
        whole = traces.mean(axis=1)
        pulse = band_passed(pos(whole, RATE_HZ), RATE_HZ)
        frequencies, power = spectrum(pos(whole, RATE_HZ), RATE_HZ, SEGMENT_S)
        rate_hz = peak_hz(frequencies, power)
        segment = round(SEGMENT_S * RATE_HZ / 2)
        starts = range(0, len(pulse) - segment + 1, segment // 2)
        segment_bpm = np.array([_bpm(pulse[start : start + segment]) for start in starts])
        steady = np.abs(segment_bpm - 60 * rate_hz) <= SEGMENT_TOLERANCE_BPM
        latest = pulse[-round(WAVEFORM_S * RATE_HZ) :]
        region_bpm = [_bpm(pos(trace, RATE_HZ)) for trace in traces.transpose(1, 0, 2)]
        return _Findings(
            bpm=60 * rate_hz,
            chrom_bpm=_bpm(chrom(whole, RATE_HZ)),
            snr_db=snr_db(frequencies, power, rate_hz),
            region_bpm=(region_bpm[0], region_bpm[1], region_bpm[2]),
            steady_share=float(steady.mean()) if len(steady) else 0.0,
            waveform=latest / max(float(latest.std()), 1e-12),
        )


def _bpm(pulse: Signal) -> float:
    return 60 * peak_hz(*spectrum(pulse, RATE_HZ, SEGMENT_S))


def _doubt(findings: _Findings) -> str | None:
    """Why the rate may not be reported; None where nothing speaks against it."""
    # A peak at the very edge of the band is the flank of something outside, mostly slow motion.
    inside = 60 * BAND_HZ[0] + EDGE_BPM <= findings.bpm <= 60 * BAND_HZ[1] - EDGE_BPM
    if not inside or findings.snr_db < LEAST_SNR_DB:
        return "no pulse stands out from the noise"
    if not abs(findings.bpm - findings.chrom_bpm) <= MOST_DISAGREEMENT_BPM:
        return "two methods find different rates"
    near = sum(abs(rate - findings.bpm) <= REGION_TOLERANCE_BPM for rate in findings.region_bpm)
    if near < LEAST_AGREEING_REGIONS:
        return "forehead and cheeks do not show the same pulse"
    if findings.steady_share < LEAST_STEADY_SHARE:
        return "the rate found is not steady over time"
    return None
