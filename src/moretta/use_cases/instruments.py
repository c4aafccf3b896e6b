"""What an analysis works with, as the wiring hands it over.

Belongs here: the one bundle of ports and functions that `analyse` needs. Does not belong here: any implementation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from moretta.core.analysis import Blinks, ModelUse, Pulse, Synchrony, Voice
from moretta.core.ports import AttributeModel, Fusion, PostureModel, Tracker, TrustCue
from moretta.core.values import AudioBlock, FaceSample, Floats, Frame, Quality, TrackedFace

Result = TypeVar("Result", covariant=True)


class Meter(Protocol[Result]):
    """Collects one signal of one track in bounded memory."""

    def observe(self, sample: FaceSample) -> None:
        """Take the next sample in time order."""

    def estimate(self) -> Result:
        """The finding so far; changes nothing."""


class SoundMeter(Protocol):
    """Collects speech from the sound of the media in bounded memory."""

    def observe(self, block: AudioBlock) -> None:
        """Take the next block in time order."""

    def estimate(self) -> Voice:
        """The finding so far."""

    def envelope(self) -> tuple[Floats, Floats]:
        """Times in s and sound level of the latest stretch, for synchrony with the mouth."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """Everything that measures. Factories where a track or a media item needs its own.

    `observe` turns a tracked face of a frame into a sample; `quality_of` judges it. `pulse`, `blinks` and `sound` start meters;
    `synchrony` starts one given the sound's envelope. `cues` and `fusion` make the trust report.
    """

    tracker: Callable[[], Tracker]
    still_tracker: Callable[[], Tracker]
    observe: Callable[[Frame, TrackedFace], FaceSample]
    quality_of: Callable[[FaceSample], Quality]
    pulse: Callable[[], Meter[Pulse]]
    blinks: Callable[[], Meter[Blinks]]
    sound: Callable[[], SoundMeter]
    synchrony: Callable[[tuple[Floats, Floats]], Meter[Synchrony]]
    attributes: tuple[AttributeModel, ...]
    posture: PostureModel | None
    cues: tuple[TrustCue, ...]
    fusion: Fusion
    models: tuple[ModelUse, ...]
