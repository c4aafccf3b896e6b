"""Voices that are moved: another pitch and another vocal tract, at the same speed.

Belongs here: the phase vocoder and the sound track that goes through it. Does not belong here: tracks that stay as they are.

Moving pitch and formants by an amount that is drawn for each item makes a voice strange to who knows it. It is no proof
against a speaker recogniser: Tomashenko et al. 2022 (VoicePrivacy 2020) find such signal processing (their baseline B2) far
weaker than a synthesised voice. Who must not be recognised by ear or machine has the sound dropped.
"""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer

from moretta.core.analysis import Notice
from moretta.core.errors import MediaUnsupported
from moretta.core.values import Floats
from moretta.vision.decode.container import Container

# 3 to 5 semitones: less leaves a voice familiar, more makes words hard to follow.
_SEMITONES = (3.0, 5.0)
# Vocal tracts of adults differ by about a sixth between the means of women and men (Fant 1966).
_TRACT = (1.10, 1.20)
# A window of 43 ms holds at least three periods of a voice of 70 Hz.
_WINDOW_S = 0.043
_OVERLAP = 4
# Quefrencies below 1.5 ms are the envelope: formants, without the harmonics of voices under 660 Hz.
_ENVELOPE_S = 0.0015
# Sound stamps that jump by more than this are a gap; less is rounding.
_GAP_S = 0.05
_MOST_GAP_S = 3600.0
_AHEAD_S = 0.5
_FLOOR = 1e-7
# By the decoder's name. What is not here becomes the container's usual codec.
_ENCODERS = {
    "aac": "aac",
    "mp3": "libmp3lame",
    "mp3float": "libmp3lame",
    "mp2": "mp2",
    "mp2float": "mp2",
    "opus": "libopus",
    "libopus": "libopus",
    "flac": "flac",
    "alac": "alac",
    "ac3": "ac3",
    "eac3": "eac3",
    "pcm_s16le": "pcm_s16le",
    "pcm_s16be": "pcm_s16be",
    "pcm_s24le": "pcm_s24le",
    "pcm_s32le": "pcm_s32le",
    "pcm_f32le": "pcm_f32le",
}
_USUAL = {"webm": "libopus", "avi": "libmp3lame"}
_OPUS_RATE_HZ = 48_000

Complexes = npt.NDArray[np.complex128]
Doubles = npt.NDArray[np.float64]


def drawn_change(seed: int) -> tuple[float, float]:
    """How far this item's voices move: factors of pitch and of formants, both up or both down."""
    random = np.random.default_rng(seed)
    sign = 1 if random.random() < 0.5 else -1
    semitones, tract = random.uniform(*_SEMITONES), random.uniform(*_TRACT)
    return float(2 ** (sign * semitones / 12)), float(tract**sign)


class VoiceChanger:
    """A phase vocoder (Flanagan and Golden 1966) over all channels at once, with the envelope moved on its own.

    Takes blocks of any length; what comes out is as long as what went in, once `finish` was called.

    Args:
        rate_hz: samples per second.
        channels: how many.
        pitch: factor of the harmonics' frequencies.
        formants: factor of the envelope's frequencies.
    """

    def __init__(self, rate_hz: int, channels: int, pitch: float, formants: float) -> None:
        self._size = 1 << round(np.log2(_WINDOW_S * rate_hz))
        self._hop = self._size // _OVERLAP
        self._window = np.hanning(self._size + 1)[:-1]
        self._lifter = max(4, round(_ENVELOPE_S * rate_hz))
        bins = np.arange(self._size // 2 + 1)
        self._expected = 2 * np.pi * bins * self._hop / self._size
        source = np.round(bins / pitch).astype(np.intp)
        self._source, self._inside = np.minimum(source, len(bins) - 1), source < len(bins)
        self._pitch = pitch
        self._envelope_at = np.minimum(bins / formants, len(bins) - 1)
        # As much silence before the first sample as a window reaches back, so that every sample is in all windows.
        self._input = np.zeros((channels, self._size - self._hop))
        self._output = np.zeros((channels, self._size - self._hop))
        self._before = np.zeros((channels, len(bins)))
        self._phase = np.zeros((channels, len(bins)))
        self._due = -(self._size - self._hop)
        self._taken = 0
        self._given = 0

    def take(self, samples: Floats) -> Floats:
        """The next samples, shape (channels, n); what is ready comes back, shape (channels, m)."""
        self._taken += samples.shape[1]
        self._input = np.concatenate([self._input, samples], axis=1)
        return self._given_out(self._run())

    def finish(self) -> Floats:
        """What is left."""
        silence = np.zeros((len(self._input), self._size))
        self._input = np.concatenate([self._input, silence], axis=1)
        rest = self._given_out(self._run())
        missing = self._taken - self._given
        return rest[:, : rest.shape[1] + missing] if missing < 0 else rest

    def _given_out(self, samples: Doubles) -> Floats:
        early = min(samples.shape[1], max(0, -self._due))
        self._due += samples.shape[1]
        self._given += samples.shape[1] - early
        return np.asarray(samples[:, early:], np.float32)

    def _run(self) -> Doubles:
        count = (self._input.shape[1] - self._size) // self._hop + 1
        if count <= 0:
            return np.zeros((len(self._input), 0))
        at = np.arange(count)[:, None] * self._hop + np.arange(self._size)
        made = self._changed(np.fft.rfft(self._input[:, at] * self._window))
        self._input = self._input[:, count * self._hop :]
        pieces = np.fft.irfft(made, self._size) * self._window / (_OVERLAP * 3 / 8)
        total = np.concatenate([self._output, np.zeros((len(self._output), count * self._hop))], axis=1)
        for index in range(count):
            total[:, index * self._hop : index * self._hop + self._size] += pieces[:, index]
        self._output = total[:, count * self._hop :]
        return total[:, : count * self._hop]

    def _changed(self, spectra: Complexes) -> Complexes:
        """Spectra (channels, windows, bins) with harmonics and envelope moved."""
        sizes, phases = np.abs(spectra), np.angle(spectra)
        steps = np.diff(np.concatenate([self._before[:, None], phases], axis=1), axis=1) - self._expected
        self._before = phases[:, -1]
        advance = self._expected + (steps + np.pi) % (2 * np.pi) - np.pi
        envelope = self._envelope(sizes)
        moved = np.where(self._inside, (sizes / envelope)[..., self._source], 0)
        turned = np.cumsum(advance[..., self._source] * self._pitch, axis=1) + self._phase[:, None]
        self._phase = turned[:, -1] % (2 * np.pi)
        return np.asarray(moved * self._interpolated(envelope) * np.exp(1j * turned))

    def _envelope(self, sizes: Doubles) -> Doubles:
        cepstra = np.fft.irfft(np.log(sizes + _FLOOR))
        cepstra[..., self._lifter : -self._lifter + 1] = 0
        return np.asarray(np.exp(np.fft.rfft(cepstra).real))

    def _interpolated(self, envelope: Doubles) -> Doubles:
        low = self._envelope_at.astype(np.intp)
        high = np.minimum(low + 1, envelope.shape[-1] - 1)
        share = self._envelope_at - low
        return np.asarray(envelope[..., low] * (1 - share) + envelope[..., high] * share)


class ChangedSound:
    """The first sound track, decoded, changed and encoded again. Implements `Sound`."""

    def __init__(self, container: Container, output: OutputContainer, origin_s: float, form: str, seed: int) -> None:
        self.notices: list[Notice] = []
        self._container, self._output, self._origin_s = container, output, origin_s
        tracks = container.sounds()
        source = tracks[0]
        if len(tracks) > 1:
            detail = f"Only the first of {len(tracks)} sound tracks was changed and kept."
            self.notices.append(Notice("redaction.sound_tracks_dropped", detail))
        usual = _USUAL.get(form, "aac")
        name = _ENCODERS.get(source.codec_context.name, usual)
        rate = _OPUS_RATE_HZ if name == "libopus" else source.codec_context.sample_rate
        channels = source.codec_context.layout.nb_channels
        layout = "mono" if channels == 1 else "stereo"
        stream = output.add_stream(name, rate=rate, layout=layout)
        if not isinstance(stream, AudioStream):
            raise MediaUnsupported("expected a sound encoder, got another; drop the sound")
        if source.codec_context.bit_rate:
            stream.codec_context.bit_rate = source.codec_context.bit_rate
        self._stream, self._rate = stream, rate
        self._resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate)
        self._changer = VoiceChanger(rate, 1 if layout == "mono" else 2, *drawn_change(seed))
        self._layout = layout
        self._fitting: av.AudioResampler | None = None
        self._frames: Iterator[AudioFrame] = container.sound(source)
        self._start: int | None = None
        self._taken = self._written = 0

    def write_until(self, time_s: float) -> None:
        """See `Sound`."""
        while self._time_s() < time_s + _AHEAD_S:
            frame = next(self._frames, None)
            if frame is None:
                return
            self._take(frame)

    def write_rest(self, end_s: float | None) -> None:
        """See `Sound`."""
        for frame in self._frames:
            if end_s is not None and self._time_s() > end_s:
                break
            self._take(frame)
        for ready in self._resampler.resample(None):
            self._change(ready)
        self._encode(self._changer.finish())
        for piece in self._fit(None):
            self._output.mux(self._stream.encode(piece))
        self._output.mux(self._stream.encode(None))
        self._container.close()

    def _time_s(self) -> float:
        return ((self._start or 0) + self._taken) / self._rate - self._origin_s if self._start is not None else -1e9

    def _take(self, frame: AudioFrame) -> None:
        try:
            ready = self._resampler.resample(frame)
        except (av.error.FFmpegError, ValueError, MemoryError):
            self._container.skipped += 1
            return
        for piece in ready:
            self._change(piece)

    def _change(self, piece: AudioFrame) -> None:
        samples = np.atleast_2d(piece.to_ndarray()).astype(np.float32)
        base = piece.time_base or Fraction(1, self._rate)
        if self._start is None:
            self._start = round((piece.pts or 0) * base * self._rate)
        elif piece.pts is not None:
            late = round(piece.pts * base * self._rate) - self._start - self._taken
            if _GAP_S * self._rate < late < _MOST_GAP_S * self._rate:
                samples = np.concatenate([np.zeros((len(samples), late), np.float32), samples], axis=1)
        self._taken += samples.shape[1]
        self._encode(self._changer.take(samples))

    def _encode(self, samples: Floats) -> None:
        if not samples.shape[1]:
            return
        frame = AudioFrame.from_ndarray(np.ascontiguousarray(samples.clip(-1, 1)), format="fltp", layout=self._layout)
        frame.sample_rate = self._rate
        frame.time_base = Fraction(1, self._rate)
        frame.pts = (self._start or 0) + self._written
        self._written += samples.shape[1]
        for piece in self._fit(frame):
            self._output.mux(self._stream.encode(piece))

    def _fit(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """In the encoder's sample format and frame size, both known once the output is open."""
        if self._fitting is None:
            context = self._stream.codec_context
            context.open(strict=False)
            self._fitting = av.AudioResampler(context.format, self._layout, self._rate, context.frame_size or 1024)
        return self._fitting.resample(frame)


def open_changed(container: Container, output: OutputContainer, origin_s: float, form: str, seed: int) -> ChangedSound:
    """The sound of `container` as changed as `seed` says, with a track of its own in `output`."""
    return ChangedSound(container, output, origin_s, form, seed)
