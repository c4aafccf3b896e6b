"""One face of one frame, measured.

Belongs here: gathering the measurements of the neighbouring modules. Does not belong here: any measurement itself.
"""

from moretta.core.values import FaceSample, Frame, TrackedFace
from moretta.vision.gaze import gaze_direction
from moretta.vision.openness import eye_openness, mouth_openness
from moretta.vision.pose import head_pose, landmark_pose
from moretta.vision.skin import skin_colour

LEAST_PRESENCE = 0.5  # MediaPipe face_landmark graphs, min_tracking_confidence


def observe(frame: Frame, tracked: TrackedFace) -> FaceSample:
    """All that meters and cues observe of `tracked` in `frame`.

    Where no mesh fits (a mask, a strong profile), what needs one is absent: gaze and skin are None, openness is 0 and the pose
    comes from the detector's five landmarks.
    """
    height, width = frame.pixels.shape[:2]
    mesh = tracked.mesh
    if mesh.presence < LEAST_PRESENCE:
        return FaceSample(frame, tracked, landmark_pose(tracked.face.landmarks, width, height), None, 0.0, 0.0)
    return FaceSample(
        frame=frame,
        tracked=tracked,
        pose=head_pose(mesh, width, height),
        gaze=gaze_direction(mesh),
        eye_openness=eye_openness(mesh),
        mouth_openness=mouth_openness(mesh),
        skin=skin_colour(frame.pixels, mesh),
    )
