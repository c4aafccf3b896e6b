"""One camera's pictures become visits, in the memory of the watching process.

Belongs here: the order of steps: opt-out first, then faces, then sightings, then visits. Does not belong here: any of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from moretta.core.ports import AttributeModel
from moretta.core.site import View
from moretta.core.statistics import LONGEST_VISIT_S
from moretta.core.values import Frame, Pixels, TrackedFace, TrackId
from moretta.statistics.visits import Step, VisitMeter
from moretta.vision.detect import CenterFaceDetector
from moretta.vision.landmarks import FaceMesh
from moretta.vision.optout import OptOutMarkers, OptOutRegion
from moretta.vision.sightings import Looks, sighting_of
from moretta.vision.track import FaceTracker

# docs/model-cards/centerface.md: .5 gives no false face on photographs.
LEAST_SCORE = 0.5
# Recall on crowds is 726 of 799 faces at 640 and 692 at 320 px (the same card); at 5 pictures a second a face is also followed.
DETECTOR_SIDE = 320
# At 5 pictures a second one in two: what comes new is seen within 0.4 s, long before the 3 s that make a visit.
DETECT_EVERY = 2
MAX_FACES = 20
# A track that is not seen for so long is over (`FaceTracker.keep_alive_s`), and so is the tracker's memory.
FORGET_AFTER_S = 1.5


@dataclass(frozen=True, slots=True)
class WatchInstruments:
    """What looks at pictures; shared by all cameras of the process."""

    detector: CenterFaceDetector
    mesh: FaceMesh
    attributes: tuple[AttributeModel, ...] = ()

    def tracker(self, *, irises: bool) -> FaceTracker:
        """A tracker for one camera; without an embedder, which is not there. `irises`: whether gaze is measured."""
        every = 1 if irises else 2**31
        return FaceTracker(
            self.detector,
            self.mesh,
            detect_every=DETECT_EVERY,
            max_faces=MAX_FACES,
            embedder=None,
            keep_alive_s=FORGET_AFTER_S,
            iris_every=every,
        )


class CameraEye:
    """What is known of one camera between its pictures."""

    def __init__(self, view: View, meter: VisitMeter, instruments: WatchInstruments) -> None:
        self._meter, self._markers = meter, OptOutMarkers()
        self._tracker_of = partial(instruments.tracker, irises=view.target is not None)
        self._tracker, self._looks = self._tracker_of(), Looks(instruments.attributes)
        self._size: tuple[int, int] | None = None
        self._last_s = -float("inf")
        self._frames = 0
        self._places: dict[TrackId, tuple[float, float, float]] = {}
        self._out: dict[TrackId, float] = {}
        self._first_id = self._highest_id = 0

    def look(self, pixels: Pixels, time_s: float) -> Step:
        """Take one picture."""
        self._begin_again(pixels.shape[:2], time_s)
        hidden, regions = self._markers.hide(pixels, time_s)
        frame = Frame(hidden, self._frames, round(max(0.0, time_s) * 1e9))
        self._frames += 1
        found = self._tracker.update(frame)
        for face in found:
            self._places[self._id(face)] = (*_middle(face), time_s)
        out = self._opted_out(regions, time_s)
        kept = [face for face in found if self._id(face) not in out]
        sightings = [sighting_of(frame, face, self._id(face), time_s, self._looks) for face in kept]
        height, width = hidden.shape[:2]
        dropped = self._meter.forget(out)
        step = self._meter.observe(time_s, sightings, width / height)
        return Step((*dropped.visits, *step.visits), (*dropped.events, *step.events))

    def _opted_out(self, regions: Sequence[OptOutRegion], time_s: float) -> set[TrackId]:
        """The tracks of people who opted out: where a face was a moment ago that is painted over now, all that was seen of it is
        dropped, also from before the marker was. A mark lasts as long as its track, and for half an hour after it was set."""
        self._places = {track: at for track, at in self._places.items() if time_s - at[2] <= FORGET_AFTER_S}
        self._out = {track: until for track, until in self._out.items() if until >= time_s or track in self._places}
        for track, (x, y, _) in self._places.items():
            if any(region.holds(x, y) for region in regions):
                self._out[track] = time_s + LONGEST_VISIT_S
        return set(self._out)

    def finish(self) -> Step:
        """End every visit."""
        return self._meter.finish()

    def _begin_again(self, size: tuple[int, int], time_s: float) -> None:
        """After a gap or with another resolution nothing of before can be followed: tracks begin anew, under ids of their own."""
        gap = not 0 <= time_s - self._last_s <= FORGET_AFTER_S
        if (self._size is not None and size != self._size) or (gap and self._frames):
            self._first_id = self._highest_id
            self._tracker = self._tracker_of()
        self._size, self._last_s = size, time_s

    def _id(self, face: TrackedFace) -> TrackId:
        found = self._first_id + face.track_id
        self._highest_id = max(self._highest_id, found)
        return TrackId(found)


def _middle(face: TrackedFace) -> tuple[float, float]:
    box = face.face.box
    return float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2


def as_pixels(content: bytearray, width: int, height: int) -> Pixels:
    """RGB uint8 (height, width, 3) over `content`, which is not copied."""
    return np.frombuffer(content, np.uint8).reshape(height, width, 3)
