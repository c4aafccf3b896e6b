"""Decoded pictures that are changed in places: what is not changed stays as it was decoded, to the bit.

Belongs here: planes of a picture, turning them upright, putting a changed region back. Does not belong here: encoding.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from moretta.core.values import Floats, Pixels
from moretta.vision.decode.orientation import Turn

# Planar formats whose planes are plain arrays of 1 or 2 bytes a sample, and by how much chroma is thinned (log2 x, log2 y).
_PLANAR = {
    "gray": (0, 0),
    "yuv420p": (1, 1),
    "yuvj420p": (1, 1),
    "yuv422p": (1, 0),
    "yuvj422p": (1, 0),
    "yuv444p": (0, 0),
    "yuvj444p": (0, 0),
    "yuv420p10le": (1, 1),
    "yuv422p10le": (1, 0),
    "yuv444p10le": (0, 0),
    "yuv420p12le": (1, 1),
    "yuv422p12le": (1, 0),
    "yuv444p12le": (0, 0),
}
# Regions grow to multiples of this, so that chroma samples and the scaler's blocks are whole.
_GRID = 8
_ITU709, _ITU601 = 1, 5  # SWS_CS_ITU709, SWS_CS_ITU601 of libswscale
_AVCOL_SPC_BT709 = 1
# A scaler of many threads starts and ends them with every change of size: 8 ms for a face of 320 x 408 px, one thread 0.9.
_THREADS = 1

Plane = npt.NDArray[np.generic]


class UprightPictures:
    """Turns decoded pictures of one stream upright, hands them out as RGB, and puts changed regions back.

    Args:
        turn: what makes the pictures upright.
        size: width and height of a picture as it was decoded first; later ones of another size are scaled to it.
        pix_fmt: FFmpeg's name of the format that comes out.
    """

    def __init__(self, turn: Turn, size: tuple[int, int], pix_fmt: str) -> None:
        self._turn, self._size, self._pix_fmt = turn, size, pix_fmt
        # One for each direction: a scaler that must turn round is built anew, which takes longer than what it then does.
        self._shown, self._kept = VideoReformatter(), VideoReformatter()
        thinned = _PLANAR.get(pix_fmt)
        # A quarter turn of chroma that is thinned in one direction only has no place to go.
        self._planar = thinned is not None and (not turn.transpose or thinned[0] == thinned[1])
        self.size = turn.size(*size)

    def even(self) -> None:
        """From now on leave out the last row or column where there is an odd number of them."""
        self.size = (self.size[0] & ~1, self.size[1] & ~1)

    def upright(self, picture: VideoFrame) -> VideoFrame:
        """A copy of `picture`, upright, in the chosen format, with nothing of its side data."""
        if not self._planar:
            return self._converted_back(self.rgb(picture), picture)
        source = picture
        if picture.format.name != self._pix_fmt or (picture.width, picture.height) != self._size:
            source = self._kept.reformat(picture, *self._size, format=self._pix_fmt, threads=_THREADS)
        copy = VideoFrame(*self.size, self._pix_fmt)
        for made, plane in zip(_planes(copy), _planes(source), strict=True):
            made[:] = _turned(plane, self._turn)[: made.shape[0], : made.shape[1]]
        return copy

    def rgb(self, picture: VideoFrame) -> Pixels:
        """`picture` upright as RGB uint8 (h, w, 3), the caller's own to change."""
        space = _space(picture)
        converted = self._shown.reformat(
            picture,
            *self._size,
            format="rgb24",
            src_colorspace=space,
            dst_colorspace=space,
            interpolation=Interpolation.BILINEAR,
            threads=_THREADS,
        )
        width, height = self.size
        return np.ascontiguousarray(self._turn.apply(np.asarray(converted.to_ndarray(), np.uint8))[:height, :width])

    def put(self, made: VideoFrame, pixels: Pixels, regions: Sequence[Floats], picture: VideoFrame) -> VideoFrame:
        """`made` (from `upright`) with the regions (xyxy px) of `pixels` in it."""
        if not self._planar:
            return self._converted_back(pixels, picture)
        height, width = pixels.shape[:2]
        for region in regions:
            left, top, right, bottom = on_grid(region, width, height)
            if left < right and top < bottom:
                self._put_one(made, pixels[top:bottom, left:right], (left, top), picture)
        return made

    def _put_one(self, made: VideoFrame, pixels: Pixels, at: tuple[int, int], picture: VideoFrame) -> None:
        part = self._converted_back(pixels, picture)
        for index, (target, source) in enumerate(zip(_planes(made), _planes(part), strict=True)):
            thin_x, thin_y = _PLANAR[self._pix_fmt] if index else (0, 0)
            x, y = at[0] >> thin_x, at[1] >> thin_y
            rows, columns = min(source.shape[0], target.shape[0] - y), min(source.shape[1], target.shape[1] - x)
            target[y : y + rows, x : x + columns] = source[:rows, :columns]

    def _converted_back(self, pixels: Pixels, picture: VideoFrame) -> VideoFrame:
        space = _space(picture)
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        wide = picture.color_range if picture.color_range in (1, 2) else None
        return self._kept.reformat(
            frame,
            format=self._pix_fmt,
            src_colorspace=space,
            dst_colorspace=space,
            dst_color_range=2 if self._pix_fmt.startswith("yuvj") else wide,
            interpolation=Interpolation.BILINEAR,
            threads=_THREADS,
        )


def on_grid(region: Floats, width: int, height: int) -> tuple[int, int, int, int]:
    """`region` grown to whole blocks and cut to the picture: left, top, right, bottom."""
    finite = np.nan_to_num(region, nan=0.0, posinf=1e6, neginf=-1e6)
    left, top = (int(np.floor(value / _GRID)) * _GRID for value in np.clip(finite[:2], 0, [width, height]))
    right, bottom = (int(np.ceil(value / _GRID)) * _GRID for value in np.clip(finite[2:], 0, [width, height]))
    return left, top, min(right, width), min(bottom, height)


def _space(picture: VideoFrame) -> int:
    return _ITU709 if picture.colorspace == _AVCOL_SPC_BT709 else _ITU601


def _planes(frame: VideoFrame) -> list[Plane]:
    """The planes as arrays over the frame's own memory, without the padding at the ends of rows."""
    found: list[Plane] = []
    for plane, component in zip(frame.planes, frame.format.components, strict=False):
        kind = np.uint16 if component.bits > 8 else np.uint8
        rows = np.frombuffer(memoryview(plane), kind).reshape(-1, plane.line_size // np.dtype(kind).itemsize)
        found.append(rows[: plane.height, : plane.width])
    return found


def _turned(plane: Plane, turn: Turn) -> Plane:
    turned = plane.T if turn.transpose else plane
    return turned[:: -1 if turn.up_down else 1, :: -1 if turn.left_right else 1]
