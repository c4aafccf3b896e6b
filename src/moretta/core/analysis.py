"""The result of an analysis: what leaves the worker and what the CLI, the SDK and the API show.

Belongs here: plain frozen values that turn into JSON one to one (field names are the JSON's).
Does not belong here: arrays, pixels, embeddings, file names; none of these can be expressed in these types.
"""

from dataclasses import dataclass
from enum import StrEnum

from moretta.core.values import MediaKind, Profile


class Feature(StrEnum):
    """What a caller may ask an analysis to measure besides detection and tracking."""

    LANDMARKS = "landmarks"
    MESH = "mesh"
    POSE = "pose"
    GAZE = "gaze"
    BLINKS = "blinks"
    QUALITY = "quality"
    AGE = "age"
    GENDER = "gender"
    EXPRESSION = "expression"
    PULSE = "pulse"
    VOICE = "voice"
    POSTURE = "posture"
    SERIES = "series"
    TRUST = "trust"


DEFAULT_FEATURES = frozenset(
    {
        Feature.LANDMARKS,
        Feature.POSE,
        Feature.GAZE,
        Feature.BLINKS,
        Feature.QUALITY,
        Feature.PULSE,
        Feature.VOICE,
        Feature.SERIES,
        Feature.TRUST,
    }
)


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What to measure, and how carefully."""

    profile: Profile = Profile.ACCURATE
    features: frozenset[Feature] = DEFAULT_FEATURES


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the container said, after orientation: `width` and `height` are those of the upright picture.

    `frames` counts the frames that were analysed; `duration_s` is None for a still; `frame_rate` is the mean in 1/s.
    """

    kind: MediaKind
    format: str
    width: int
    height: int
    frames: int
    duration_s: float | None
    frame_rate: float | None
    variable_frame_rate: bool
    rotation_deg: int
    has_audio: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class PoseSummary:
    """Head rotation in degrees (see `values.Pose`): of a still, or the median over a track and its spread."""

    yaw: float
    pitch: float
    roll: float
    yaw_range: float
    pitch_range: float
    roll_range: float


@dataclass(frozen=True, slots=True)
class GazeSummary:
    """Median iris offset in half eye widths (see `values.Gaze`) and the share of time it lies near the person's median."""

    x: float
    y: float
    steady_share: float


@dataclass(frozen=True, slots=True)
class Blinks:
    """Blinks of one track: `rate_per_min` over the `observed_s` with open view of the eyes."""

    count: int
    rate_per_min: float | None
    median_duration_s: float | None
    times_s: tuple[float, ...]
    observed_s: float


@dataclass(frozen=True, slots=True)
class QualitySummary:
    """ISO/IEC 29794-5 components, 0 (worst) to 100 (best), of the best frame, and the inter-eye distance in px."""

    sharpness: float
    under_exposure_prevention: float
    over_exposure_prevention: float
    inter_eye_distance: float
    head_pose: float
    unified: float
    inter_eye_px: float


@dataclass(frozen=True, slots=True)
class Attributes:
    """Estimates made only where they were asked for; each None where it was not.

    `age_years` with a `age_spread_years` (one standard deviation of the model's own distribution). `gender` is the model's
    guess from appearance, "female" or "male", with its probability; it says nothing about a person's identity.
    """

    age_years: float | None = None
    age_spread_years: float | None = None
    gender: str | None = None
    gender_probability: float | None = None
    expression: str | None = None
    expression_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Pulse:
    """Heart rate by remote photoplethysmography, or None with the reason: no pulse is reported that the signal lacks.

    `bpm` in 1/min; `snr_db` the share of power at the rate and its harmonic against the rest, in dB (de Haan and Jeanne 2013).
    `waveform` is the band-passed pulse signal for plotting, arbitrary unit, at `waveform_rate_hz`.
    """

    bpm: float | None
    method: str
    snr_db: float | None
    agreement_bpm: float | None
    observed_s: float
    reason: str | None
    waveform: tuple[float, ...] = ()
    waveform_rate_hz: float = 0.0


@dataclass(frozen=True, slots=True)
class Voice:
    """Speech in the sound track: shares of time 0-1, `pitch_hz` median over voiced frames, `level_dbfs` mean over speech."""

    speech_share: float
    pitch_hz: float | None
    pitch_range_hz: float | None
    level_dbfs: float | None
    pauses: int
    longest_pause_s: float | None
    segments_s: tuple[tuple[float, float], ...]
    observed_s: float


@dataclass(frozen=True, slots=True)
class Synchrony:
    """How well mouth movement follows the sound: peak normalised correlation (-1..1) and the `lag_s` at which it lies."""

    correlation: float | None
    lag_s: float | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Posture:
    """Head and shoulders: `shoulder_tilt_deg` > 0 when the subject's left shoulder is lower; leans relative to upright."""

    shoulder_tilt_deg: float | None
    head_tilt_deg: float | None
    lean: float | None
    visibility: float


@dataclass(frozen=True, slots=True)
class Series:
    """Bounded time series of one track for plots, all of the length of `time_s`; entries None where not measured."""

    time_s: tuple[float, ...]
    yaw: tuple[float | None, ...]
    pitch: tuple[float | None, ...]
    gaze_x: tuple[float | None, ...]
    gaze_y: tuple[float | None, ...]
    eye_openness: tuple[float | None, ...]
    mouth_openness: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Cue:
    """One piece of evidence: natural-log likelihood ratio of genuine against attack (positive speaks for genuine).

    `log_likelihood_ratio` is None where the cue could not be measured; `weight` is its share in the fusion (0: shown, not
    counted); `value` is the raw measurement in the cue's own unit.
    """

    name: str
    log_likelihood_ratio: float | None
    weight: float
    coverage: float
    value: float | None
    explanation: str


@dataclass(frozen=True, slots=True)
class TrustPoint:
    """The trust score given the evidence up to `time_s`."""

    time_s: float
    score: float | None


@dataclass(frozen=True, slots=True)
class TrustReport:
    """`score` 0 (attack) to 10 (genuine), or None with the reasons in `insufficient`; `confidence` 0-1 in that score."""

    score: float | None
    confidence: float
    cues: tuple[Cue, ...]
    insufficient: tuple[str, ...]
    track_id: int | None = None
    over_time: tuple[TrustPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class FaceReport:
    """One tracked person of the media; `frames` counts those measured (at most 40 a second).

    Boxes are xyxy px; `landmarks` five points px; `mesh` 468 points as shares of the box.
    """

    track_id: int
    frames: int
    first_time_s: float
    last_time_s: float
    box: tuple[float, float, float, float]
    detection_score: float
    landmarks: tuple[tuple[float, float], ...] | None = None
    mesh: tuple[tuple[float, float], ...] | None = None
    pose: PoseSummary | None = None
    gaze: GazeSummary | None = None
    blinks: Blinks | None = None
    quality: QualitySummary | None = None
    attributes: Attributes | None = None
    pulse: Pulse | None = None
    synchrony: Synchrony | None = None
    posture: Posture | None = None
    series: Series | None = None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that took part, by the SHA-256 of the file that was loaded."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the caller should know about the result, with a stable `code`."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything measured of one media item."""

    media: MediaInfo
    faces: tuple[FaceReport, ...]
    trust: TrustReport | None
    voice: Voice | None
    models: tuple[ModelUse, ...]
    warnings: tuple[Notice, ...]
    profile: Profile


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an analysis has come. `frames_total` and `eta_s` are None where the container does not tell."""

    stage: str
    frames_done: int
    frames_total: int | None
    fps: float
    eta_s: float | None
    faces_seen: int
