"""From a tracked face to a sighting: where it is, where it looks, and sometimes an age and a gender.

Belongs here: what statistics are told of one face in one frame. Does not belong here: anything that outlives the watching
process, anything by which a face could be told from another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from moretta.core.ports import AttributeModel
from moretta.core.statistics import Sighting
from moretta.core.values import Frame, Pose, TrackedFace, TrackId
from moretta.vision.gaze import gaze_direction
from moretta.vision.observe import LEAST_PRESENCE
from moretta.vision.pose import head_pose, landmark_pose

# The median of three looks: one blurred look in three does not move it.
LOOKS = 3
# Between two looks, so that they are not three times the same picture.
BETWEEN_LOOKS_S = 0.6
# Beyond, the models saw few faces while they were trained (docs/model-cards: photographs of people who look at the camera).
MOST_YAW_DEG = 35.0
# A tracker gives no id of so long ago again, unless its camera's clock was set. Forgotten by time and never for the number of
# tracks: one visit more must not be what makes another be looked at again.
_FORGOTTEN_AFTER_S = 60.0


@dataclass(slots=True)
class _Looked:
    seen_s: float
    count: int = 0
    last_s: float = 0.0


class Looks:
    """Age and gender of each track, asked at most `LOOKS` times. For one camera.

    Args:
        models: the estimates that the site releases; none for none.
    """

    def __init__(self, models: Sequence[AttributeModel]) -> None:
        self._models = tuple(models)
        self._tracks: dict[TrackId, _Looked] = {}
        self._tidied_s = 0.0

    def look(self, frame: Frame, tracked: TrackedFace, pose: Pose, time_s: float) -> tuple[float | None, float | None]:
        """Age in years and probability of female, None where not looked at now."""
        looked = self._of(tracked.track_id, time_s)
        steady = tracked.mesh.presence >= LEAST_PRESENCE and abs(pose.yaw) <= MOST_YAW_DEG
        again = not looked.count or time_s - looked.last_s >= BETWEEN_LOOKS_S
        if not self._models or not steady or looked.count >= LOOKS or not again:
            return None, None
        looked.count, looked.last_s = looked.count + 1, time_s
        age = female = None
        for model in self._models:
            found = model.estimate(frame.pixels, tracked)
            if found.age_years is not None:
                age = found.age_years
            if found.gender is not None and found.gender_probability is not None:
                female = found.gender_probability if found.gender == "female" else 1 - found.gender_probability
        return age, female

    def _of(self, track_id: TrackId, time_s: float) -> _Looked:
        """What was done of the track; anew where it was not seen for too long, whether or not it was tidied away meanwhile."""
        if abs(time_s - self._tidied_s) > _FORGOTTEN_AFTER_S:
            self._tidied_s = time_s
            self._tracks = {one: looked for one, looked in self._tracks.items() if _fresh(looked, time_s)}
        looked = self._tracks.get(track_id)
        if looked is None or not _fresh(looked, time_s):
            looked = self._tracks[track_id] = _Looked(time_s)
        looked.seen_s = time_s
        return looked


def _fresh(looked: _Looked, time_s: float) -> bool:
    return abs(time_s - looked.seen_s) <= _FORGOTTEN_AFTER_S


def sighting_of(frame: Frame, tracked: TrackedFace, track_id: TrackId, time_s: float, looks: Looks) -> Sighting:
    """What is told of `tracked` at `time_s` (seconds since 1970), under the id `track_id`."""
    height, width = frame.pixels.shape[:2]
    box = tracked.face.box
    held = tracked.mesh.presence >= LEAST_PRESENCE
    pose = head_pose(tracked.mesh, width, height) if held else landmark_pose(tracked.face.landmarks, width, height)
    gaze = gaze_direction(tracked.mesh) if held else None
    age, female = looks.look(frame, tracked, pose, time_s)
    return Sighting(
        track_id,
        time_s,
        float(box[0] + box[2]) / 2 / width,
        float(box[1] + box[3]) / 2 / height,
        float(box[3] - box[1]) / height,
        pose.yaw,
        pose.pitch,
        gaze.x if gaze is not None else None,
        gaze.y if gaze is not None else None,
        age,
        female,
    )
