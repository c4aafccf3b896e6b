"""Face swaps of the classical kind, made of genuine pictures to judge the detector by. Training never sees them.

Belongs here: making attacked pictures and clips. Does not belong here: scoring them.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import av
import cv2
import numpy as np
import numpy.typing as npt

from moretta.core.values import Floats, Mesh
from moretta.evaluation.attacks.swap import Donor, swap_attack

Pixels = npt.NDArray[np.uint8]
Face = tuple[Pixels, Mesh]  # a picture and the mesh in it
Attack = Callable[[Sequence[Face], Face, np.random.Generator], list[Pixels]]  # frames, donor, chance: attacked frames


def poisson(frames: Sequence[Face], donor: Face, rng: np.random.Generator) -> list[Pixels]:
    """Triangle warp and seamless cloning."""
    return [poisson_swap(*frame, *donor) for frame in frames]


def alpha(frames: Sequence[Face], donor: Face, rng: np.random.Generator) -> list[Pixels]:
    """Triangle warp, mean colour and a feathered mask."""
    return [alpha_swap(*frame, *donor) for frame in frames]


def generated(frames: Sequence[Face], donor: Face, rng: np.random.Generator) -> list[Pixels]:
    """The swap generator of the trust evaluation, one random style a clip."""
    meshes = [(pixels, mesh.points) for pixels, mesh in frames]
    return list(swap_attack(meshes, Donor(donor[0], donor[1].points), rng))


ATTACKS: dict[str, Attack] = {"Poisson": poisson, "alpha": alpha, "generated": generated}


def triangles(points: Floats) -> npt.NDArray[np.intp]:
    """The Delaunay triangles of mesh points (n, 2) as indices (t, 3)."""
    corner = points.min(0) - 2
    extent = points.max(0) - corner + 2
    plane = cv2.Subdiv2D((0, 0, int(np.ceil(extent[0])), int(np.ceil(extent[1]))))
    placed = points - corner
    for x, y in placed:
        plane.insert((float(x), float(y)))
    corners = np.asarray(plane.getTriangleList()).reshape(-1, 3, 2)
    distance = ((corners[:, :, None] - placed[None, None]) ** 2).sum(-1)
    found = distance.argmin(-1)
    return found[distance.min(-1).max(-1) < 0.01]


def warped(donor: Pixels, donor_points: Floats, points: Floats, shape: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """The donor's face moved onto `points` triangle by triangle, in a picture of `shape`, and its region (0 or 255)."""
    maps = np.full((*shape, 2), -1, np.float32)
    region = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(region, cv2.convexHull(points.astype(np.int32)), 255)
    for triangle in triangles(points):
        target, source = points[triangle], donor_points[triangle]
        matrix = cv2.getAffineTransform(target.astype(np.float32), source.astype(np.float32))
        low = np.maximum(np.floor(target.min(0)).astype(int), 0)
        high = np.minimum(np.ceil(target.max(0)).astype(int) + 1, [shape[1], shape[0]])
        if (high <= low).any():
            continue
        inside = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillConvexPoly(inside, np.round(target - low).astype(np.int32), 1)
        rows, columns = np.nonzero(inside)
        here = np.stack([columns + low[0], rows + low[1], np.ones(len(rows))], 1)
        maps[rows + low[1], columns + low[0]] = here @ matrix.T
    region[maps[..., 0] < 0] = 0
    face = cv2.remap(donor, maps[..., 0], maps[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(face, np.uint8), cv2.erode(region, np.ones((3, 3), np.uint8))


def poisson_swap(target: Pixels, mesh: Mesh, donor: Pixels, donor_mesh: Mesh) -> Pixels:
    """The donor's face warped onto the target's mesh and cloned in seamlessly (Perez et al. 2003)."""
    face, region = warped(donor, donor_mesh.points[:, :2], mesh.points[:, :2], target.shape[:2])
    region[:2], region[-2:], region[:, :2], region[:, -2:] = 0, 0, 0, 0
    x, y, width, height = cv2.boundingRect(region)
    if min(width, height) < 8:
        return target
    middle = (x + width // 2, y + height // 2)
    return np.asarray(cv2.seamlessClone(face, target, region, middle, cv2.NORMAL_CLONE), np.uint8)


def alpha_swap(target: Pixels, mesh: Mesh, donor: Pixels, donor_mesh: Mesh) -> Pixels:
    """The donor's face warped, brought to the target's mean colour and blended through a feathered mask."""
    face, region = warped(donor, donor_mesh.points[:, :2], mesh.points[:, :2], target.shape[:2])
    inside = region > 0
    if inside.sum() < 64:
        return target
    feather = max(1.0, float(np.sqrt(inside.sum())) / 30)
    weight = cv2.GaussianBlur(
        cv2.erode(region, np.ones((3, 3), np.uint8), iterations=round(feather)) / 255.0, (0, 0), feather
    )
    shift = target[inside].mean(0) - face[inside].mean(0)
    moved = np.clip(face + shift, 0, 255)
    return np.asarray(moved * weight[..., None] + target * (1 - weight[..., None]), np.uint8)


def jpeg(pixels: Pixels, quality: int) -> Pixels:
    """A copy saved as JPEG, so that a swap differs from its target by more than being saved once less."""
    code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)


def reencoded(frames: Sequence[Pixels], crf: int) -> list[Pixels]:
    """The frames after H.264 at constant rate factor `crf` (23 is x264's default, 35 is poor), sides cut to even numbers."""
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = width, height
    encoder.pix_fmt, encoder.time_base, encoder.thread_count = "yuv420p", Fraction(1, 25), 1
    encoder.options = {"crf": str(crf), "preset": "veryfast"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for frame in frames:
        cut = np.ascontiguousarray(frame[:height, :width])
        packets += encoder.encode(av.VideoFrame.from_ndarray(cut, format="rgb24"))
    packets += encoder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
    return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]
