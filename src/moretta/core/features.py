"""Anonymised features: how faces move, with what tells people apart taken out, as plain values.

Belongs here: what is exported and what each column means. Does not belong here: measuring; the measured leakage of an export (see
`feature_leakage`).
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol, Self

from moretta.core.analysis import MediaInfo, ModelUse, Notice
from moretta.core.ports import OnProgress
from moretta.core.values import MediaKind, Profile


@dataclass(frozen=True, slots=True)
class Column:
    """One measure: its `name`, its `unit`, and the `meaning` in words."""

    name: str
    unit: str
    meaning: str


COLUMNS = (
    Column("yaw", "deg", "head's turn towards image-right, from the track's median"),
    Column("pitch", "deg", "head's turn upwards, from the track's median"),
    Column("roll", "deg", "head's tilt, clockwise as seen, from the track's median"),
    Column("gaze_x", "half eye widths", "irises towards image-right, from the track's median"),
    Column("gaze_y", "half eye widths", "irises downwards, from the track's median"),
    Column("eye_right", "1", "the subject's right eye: 0 shut, 1 as open as in the widest tenth of the track"),
    Column("eye_left", "1", "the subject's left eye, likewise"),
    Column("brow_right", "canonical cm", "right brow above the track's median"),
    Column("brow_left", "canonical cm", "left brow above the track's median"),
    Column("mouth_open", "1", "gap of the inner lips over the mouth's width, from the track's closed mouth"),
    Column("mouth_width", "1", "mouth's width, as a change from the track's median"),
    Column("mouth_corners", "canonical cm", "mouth's corners above the track's median"),
    Column("jaw", "canonical cm", "chin below the track's median"),
    Column("turn_speed", "deg/s", "speed of the head's rotation"),
    Column("move_x", "face heights/s", "speed towards image-right"),
    Column("move_y", "face heights/s", "speed downwards"),
    Column("approach", "1/s", "relative growth of the face's size, towards the camera"),
    Column("blink", "0/1", "whether both eyes are less than half open"),
)
NAMES = tuple(column.name for column in COLUMNS)

EYES = ("eye_right", "eye_left", "blink")  # in both details as `COLUMNS` says
AMPLITUDES_ONLY = ("move_x", "move_y", "approach")  # of the body and the camera more than of the face
RELATIVE_UNIT = "share of the track's 5-95 % range"

_REMOVED = (
    "pixels, colours, textures, sound",
    "the face's shape: every length is a change from the same track's own rest",
    "the place and size of the face in the picture, and the camera",
    "resting pose, resting gaze and resting openness of the eyes: the track's own are taken away",
)


class Detail(StrEnum):
    """How much of a movement is told."""

    RELATIVE = "relative"  # when and which way, not how far
    AMPLITUDES = "amplitudes"  # how far, too: this tells people apart better


def columns_of(detail: Detail) -> tuple[Column, ...]:
    """The columns in the unit that they have under `detail`."""
    if detail is Detail.AMPLITUDES:
        return COLUMNS
    return tuple(
        column
        if column.name in EYES
        else replace(column, unit="", meaning="not told without amplitudes")
        if column.name in AMPLITUDES_ONLY
        else replace(column, unit=RELATIVE_UNIT)
        for column in COLUMNS
    )


def removed(detail: Detail) -> tuple[str, ...]:
    """What was taken out, in words."""
    if detail is Detail.AMPLITUDES:
        fine = "fine detail: angles are rounded to whole degrees, coefficients to 1/16, speeds to two digits, times to 1 ms"
        return (*_REMOVED, fine)
    far = "how far a person moves: all but the eyes' openness is a share of the same track's own range, rounded to 1/8"
    return (*_REMOVED, far, "movement of the whole face through the picture")


@dataclass(frozen=True, slots=True)
class FeatureRequest:
    """How much is told, and how carefully faces are followed."""

    detail: Detail = Detail.RELATIVE
    profile: Profile = Profile.ACCURATE


@dataclass(frozen=True, slots=True)
class FeatureTrack:
    """One face: the times of its frames in s, and one row for each, in the order of `COLUMNS`; None where not measured."""

    track_id: int
    times_s: tuple[float, ...]
    rows: tuple[tuple[float | None, ...], ...]


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """The anonymised features of one item."""

    media: MediaInfo
    tracks: tuple[FeatureTrack, ...]
    models: tuple[ModelUse, ...]
    warnings: tuple[Notice, ...] = ()
    detail: Detail = Detail.RELATIVE

    @classmethod
    def empty(cls) -> Self:
        """No features of no media."""
        return cls(MediaInfo(MediaKind.VIDEO, "", 0, 0, 0, None, None, False, 0, False, 0), (), ())


class FeatureExecutor(Protocol):
    """Measures features away from the caller. The caller keeps the media's descriptor and closes it."""

    def features(self, media_fd: int, request: FeatureRequest, on_progress: OnProgress | None = None) -> FeatureSet:
        """The features of the media in `media_fd`; raises as `core.ports.Executor.analyse`."""

    def close(self) -> None:
        """End the workers. Idempotent."""
