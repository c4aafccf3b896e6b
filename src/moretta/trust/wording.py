"""What each cue's finding says in plain words, with its figure.

Belongs here: sentences. Does not belong here: numbers that decide.
"""

from collections.abc import Callable

from moretta.core.values import Measurement

# Under this many nats the evidence is called neutral: a likelihood ratio of 1.35.
NEUTRAL_NATS = 0.3


def _plain(text: str) -> Callable[[Measurement, float], str]:
    return lambda _, value: text.format(value)


def _power_of_ten(text: str, scale: float = 1.0) -> Callable[[Measurement, float], str]:
    return lambda _, value: text.format(scale * 10**value)


def _share(text: str) -> Callable[[Measurement, float], str]:
    return lambda _, value: text.format(100 * value)


def _exp(text: str) -> Callable[[Measurement, float], str]:
    return lambda _, value: text.format(float(2.718281828**value))


def _probability(text: str) -> Callable[[Measurement, float], str]:
    return lambda _, value: text.format(100 / (1 + 2.718281828**-value))


def _blinks(found: Measurement, value: float) -> str:
    seconds = found.detail.get("observed_s", 0.0)
    return f"The eyes closed by up to {100 * value:.0f} % within {seconds:.0f} s of clear view"


_FINDINGS: dict[str, Callable[[Measurement, float], str]] = {
    "planar_motion": _power_of_ten(
        "As the head turns, a flat picture would explain its motion but for {:.1f} % per radian", 100
    ),
    "facial_motion": _power_of_ten("Parts of the face move against each other by {:.2f} % of the eye distance", 100),
    "surround_coherence": _power_of_ten("The surroundings stray from the face's motion by {:.2f} times that motion"),
    "blink_dynamics": _blinks,
    "pulse_presence": _power_of_ten("The strongest pulse-like rhythm holds {:.2f} times the power of the rest"),
    "pulse_coherence": _plain("Forehead and cheeks pulse together with a correlation of {:.2f}"),
    "frozen_frames": _power_of_ten("In its stillest second the picture moved by {:.2f} grey levels beyond its noise"),
    "repeated_frames": _power_of_ten("The closest earlier stretch differs by {:.2f} times the motion meanwhile"),
    "identity_stability": _plain("Moments half a second apart resemble each other with a similarity of {:.2f}"),
    "boundary_sharpness": _exp("The outline of the face has {:.2f} times the detail of what lies to either side"),
    "inner_detail": _exp("The inner face has {:.2f} times the detail of its surroundings"),
    "noise_inconsistency": _exp("The face carries {:.2f} times the noise of its surroundings"),
    "moire_peaks": _power_of_ten("The strongest regular pattern stands {:.1f} times above its level"),
    "spectral_falloff": _power_of_ten("The finest detail holds {:.2f} % of the power of middling detail", 100),
    "tone_range": _share("The tones of the face span {:.0f} % of the full range"),
    "colour_diversity": _exp("The colours of the face spread over {:.0f} square units"),
    "highlights": _power_of_ten("{:.2f} % of the face shines", 100),
    "print_texture": _probability("Judged by tones and texture alone, a print is {:.0f} % likely"),
    "screen_texture": _probability("Judged by tones and texture alone, a display is {:.0f} % likely"),
    "anti_spoofing_model": _probability("The anti-spoofing model puts an attack at {:.0f} %"),
    "learned_blending": _probability("The blending detector puts blending at {:.0f} %"),
    "mouth_audio_synchrony": _plain("Mouth and sound move together with a correlation of {:.2f}"),
}


def explanation(name: str, found: Measurement, ratio: float | None, weight: float) -> str:
    """One or two sentences about what was found and what it speaks for."""
    if found.value is None:
        return f"Not measured: {found.reason or 'there was nothing to measure'}."
    sentence = _FINDINGS.get(name, _plain("Measured {:.3f}"))(found, found.value)
    if ratio is None or weight == 0:
        return f"{sentence}. Shown, not counted: in calibration it did not tell genuine from attack reliably."
    if abs(ratio) < NEUTRAL_NATS:
        return f"{sentence}; this speaks for neither side."
    return f"{sentence}; this speaks {'for a genuine face' if ratio > 0 else 'for an attack'}."
