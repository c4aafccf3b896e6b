"""Writing redacted media anew, into a descriptor and nowhere else.

Belongs here: `core.redaction.RedactableMedia` over descriptors. Does not belong here: paths, finding faces, drawing.
"""

import math
from dataclasses import replace

from moretta.core.limits import MediaLimits
from moretta.core.ports import MediaReader
from moretta.core.redaction import FrameEditor, Rewritten, SoundTreatment
from moretta.vision.decode import DecodeOptions, open_media
from moretta.vision.decode.videos import VideoReader
from moretta.vision.encode.stills import open_still, rewrite_still
from moretta.vision.encode.target import DescriptorTarget
from moretta.vision.encode.videos import rewrite_video

__all__ = ["DescriptorMedia"]

# The first pass looks at pictures of at most this longer side: 720p as it is. Detection works on less.
_FINDING_SIDE = 1280
_WHOLE = 1 << 20


class DescriptorMedia:
    """One item between two descriptors: `media_fd` is read, `output_fd` (of fixed size: the limit) is written."""

    def __init__(self, media_fd: int, output_fd: int, limits: MediaLimits) -> None:
        self._media_fd, self._output_fd, self._limits = media_fd, output_fd, limits
        self._size = 0

    def reader(self) -> MediaReader:
        """See `RedactableMedia`."""
        options = DecodeOptions(video_max_side=_FINDING_SIDE)
        return open_still(self._media_fd, self._limits) or open_media(self._media_fd, self._limits, options)

    def rewrite(self, editor: FrameEditor, sound: SoundTreatment, seed: int, frames: int) -> Rewritten:
        """See `RedactableMedia`."""
        target = DescriptorTarget(self._output_fd)
        try:
            written = self._rewritten(target, editor, sound, seed, frames)
        finally:
            target.close()
        self._size = written.bytes
        return written

    def written(self) -> MediaReader:
        """See `RedactableMedia`. It announces when its last picture ends, which may lie beyond the limit at which it was cut."""
        options = DecodeOptions(video_max_side=_FINDING_SIDE)
        span, limits = (0, self._size), replace(self._limits, duration_s=math.inf)
        return open_still(self._output_fd, limits, span) or open_media(self._output_fd, limits, options, span)

    def _rewritten(
        self, target: DescriptorTarget, editor: FrameEditor, sound: SoundTreatment, seed: int, frames: int
    ) -> Rewritten:
        still = open_still(self._media_fd, self._limits)
        if still is not None:
            return rewrite_still(still, target, editor, frames)
        reader = open_media(self._media_fd, self._limits, DecodeOptions(video_max_side=_WHOLE))
        try:
            if not isinstance(reader, VideoReader):
                raise TypeError("expected a video where there is no still")
            return rewrite_video(reader, target, editor, sound, seed, frames)
        finally:
            reader.close()
