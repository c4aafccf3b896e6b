"""One face of one frame, measured.

Belongs here: gathering the measurements of the neighbouring modules. Does not belong here: any measurement itself.
"""

from moretta.core.values import FaceSample, Frame, TrackedFace
from moretta.vision.gaze import gaze_direction
from moretta.vision.openness import eye_openness, mouth_openness
from moretta.vision.pose import head_pose
from moretta.vision.skin import skin_colour


def observe(frame: Frame, tracked: TrackedFace) -> FaceSample:
    """All that meters and cues observe of `tracked` in `frame`."""
    height, width = frame.pixels.shape[:2]
    mesh = tracked.mesh
    return FaceSample(
        frame=frame,
        tracked=tracked,
        pose=head_pose(mesh, width, height),
        gaze=gaze_direction(mesh),
        eye_openness=eye_openness(mesh),
        mouth_openness=mouth_openness(mesh),
        skin=skin_colour(frame.pixels, mesh),
    )
