"""From a tracked face to a sighting: where it is, where it looks, and sometimes an age and a gender.

Belongs here: what statistics are told of one face in one frame. Does not belong here: anything that outlives the watching
process, anything by which a face could be told from another one.
"""

from collections import OrderedDict
from collections.abc import Sequence

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
# More tracks than a camera shows at once; the oldest are forgotten, and are looked at again where they are still there.
_MOST_TRACKS = 512


class Looks:
    """Age and gender of each track, asked at most `LOOKS` times. For one camera.

    Args:
        models: the estimates that the site releases; none for none.
    """

    def __init__(self, models: Sequence[AttributeModel]) -> None:
        self._models = tuple(models)
        self._taken: OrderedDict[TrackId, tuple[int, float]] = OrderedDict()

    def look(self, frame: Frame, tracked: TrackedFace, pose: Pose, time_s: float) -> tuple[float | None, float | None]:
        """Age in years and probability of female, None where not looked at now."""
        count, last_s = self._taken.get(tracked.track_id, (0, -BETWEEN_LOOKS_S))
        steady = tracked.mesh.presence >= LEAST_PRESENCE and abs(pose.yaw) <= MOST_YAW_DEG
        if not self._models or not steady or count >= LOOKS or time_s - last_s < BETWEEN_LOOKS_S:
            return None, None
        self._taken[tracked.track_id] = (count + 1, time_s)
        while len(self._taken) > _MOST_TRACKS:
            self._taken.popitem(last=False)
        age = female = None
        for model in self._models:
            found = model.estimate(frame.pixels, tracked)
            if found.age_years is not None:
                age = found.age_years
            if found.gender is not None and found.gender_probability is not None:
                female = found.gender_probability if found.gender == "female" else 1 - found.gender_probability
        return age, female


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
